"""The page of results: a pure function of the rows. It makes wrong answers prominent."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from bench.case import Case, Plot, Row, Rows
from bench.goals import Section, goal_lines
from bench.results import Record, summarise
from bench.trial import Trial

BAD = {"wrong": "**WRONG ANSWER**", "failed": "**FAILED**", "missing": "not installed"}
SIZES = {
    "tiny": "These are the sizes of `--tiny`, a check of the answers; they tell nothing of speed.",
    "quick": "These are the sizes of `--quick`, a check that all works; they tell little of speed.",
    "default": "It is the smaller version: `make bench ARGS=--full` goes up to 4 GB, with splits "
    "of up to 4 GiB and 4 GB of distinct keys.",
    "full": "These are the full sizes.",
}


@dataclass(frozen=True, slots=True)
class Circumstances:
    """Where and how the cases were measured.

    `machine` and `versions` map names to descriptions; `first` and `last` are times.
    """

    scale: str
    repeats: int
    first: str
    last: str
    text: str
    command: str
    machine: Mapping[str, str]
    versions: Mapping[str, str]


def rows_of(
    trials: Iterable[Trial], records: Iterable[Record], code: str
) -> dict[tuple[str, str], Row]:
    """Return a row for each trial, from the measurements of this state of the code."""
    known = list(records)
    rows = {}
    for trial in trials:
        asked = (trial.case, trial.contender, trial.variant, trial.corpus.name, code)
        mine = [r for r in known if (r.case, r.contender, r.variant, r.corpus, r.code) == asked]
        summary = summarise(mine)
        size = summary.size_bytes if summary else 0
        rows[trial.contender, trial.variant] = Row(
            trial.contender, trial.label, trial.variant, trial.cores, size, summary
        )
    return rows


def wrong_or_failed(sections: Iterable[Section]) -> list[str]:
    """Return a line for each contender with a wrong answer or a failure: there must be none."""
    return [
        f"{section.case.name}: {row.label} {row.variant}".rstrip()
        + f": {row.summary.status}: {row.summary.why}"
        for section in sections
        for row in section.rows.values()
        if row.summary and row.summary.status in ("wrong", "failed")
    ]


def page(sections: Sequence[Section], circumstances: Circumstances, plots: str) -> str:
    """Return the whole page; `plots` is the folder of the pictures, relative to it."""
    parts = [_head(circumstances), *_warning(sections), _goals(sections), _machine(circumstances)]
    parts += [_section(section, plots) for section in sections]
    return "\n\n".join(parts) + "\n"


def table(titles: Sequence[str], lines: Iterable[Sequence[str]]) -> str:
    """Return a table in Markdown; the first column is text, the others are numbers."""
    rule = ["---", *("---:" for _ in titles[1:])]
    return "\n".join(f"| {' | '.join(line)} |" for line in [titles, rule, *lines])


def _head(given: Circumstances) -> str:
    return f"""<!-- Written by `make bench`; change what it measures in bench/, not this page. -->

# Benchmarks

Measured by `{given.command}` on one machine, from {given.first} to {given.last}.
{SIZES[given.scale]}

Trust the ratios, not the seconds. Each measurement is a separate process, timed from outside, with
its input in the page cache. {_turns(given.repeats)}
Every answer is compared with that of a plain Python loop over the same file, by digest, and
numbers of floats to nine digits. "Without start" is the command's own
figure: for ours without the start of the services, for Spark and Dask without theirs; for the
others it is the whole command. "Work" is what goals compare: of ours, split, map and reduce stage,
with 0.3 s less for their beginnings; of PySpark, the second run of the query in one session (the
first one is shown apart); of DuckDB and Polars, all but the import.
Text: {given.text}."""


def _turns(repeats: int) -> str:
    if repeats == 1:
        return "Each contender is measured once."
    return (
        "Contenders take turns (A B C A B C), and a figure is\n"
        f"the median of up to {repeats} such turns, with the least and the most in brackets; a\n"
        "contender whose turns have taken 20 s gets no more."
    )


def _warning(sections: Sequence[Section]) -> list[str]:
    bad = wrong_or_failed(sections)
    return (
        ["> **Not all answers are right:**\n" + "\n".join(f"> - {_one_line(line)}" for line in bad)]
        if bad
        else []
    )


def _goals(sections: Sequence[Section]) -> str:
    return "## Goals\n\n" + table(("case", "goal", "measured", "verdict"), goal_lines(sections))


def _machine(given: Circumstances) -> str:
    lines = [*given.machine.items(), *given.versions.items()]
    return "## Machine and versions\n\n" + table(("what", "which"), lines)


def _section(section: Section, plots: str) -> str:
    case, rows = section.case, section.rows
    lines = [[row.label, *_cells(case, row, rows)] for row in rows.values()]
    parts = [
        f"## {case.title}",
        case.about,
        table(("", *(column.title for column in case.columns)), lines),
    ]
    notes = [
        f"- {row.label}: {_one_line(row.summary.why)}"
        for row in rows.values()
        if row.summary and row.summary.status != "ok"
    ]
    parts += ["\n".join(notes)] if notes else []
    parts += [f"![{plot.title}]({plots}/{plot.name}.svg)" for plot in drawn(section)]
    return "\n\n".join(parts)


def drawn(section: Section) -> tuple[Plot, ...]:
    """Return the section's plots that have data."""
    plots = section.case.plots(section.rows)
    return tuple(
        plot
        for plot in plots
        if len(plot.bars) > 1 or any(len(line.points) > 1 for line in plot.series)
    )


def _cells(case: Case, row: Row, rows: Rows) -> list[str]:
    if row.ok is None:
        return [_state(row), *("" for _ in case.columns[1:])]
    return [column.text(row.ok, row, rows) for column in case.columns]


def _state(row: Row) -> str:
    """Return why there are no figures."""
    if row.summary is None:
        return "not measured"
    return "cannot be run here" if "cannot be run" in row.summary.why else BAD[row.summary.status]


def _one_line(text: str) -> str:
    """Return as much of a long error as fits into a list."""
    short = " ".join(text.split())
    return short if len(short) < 300 else short[:150] + " ... " + short[-140:]
