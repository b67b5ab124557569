"""Benchmark this project against others: `python -m bench`, `make bench ARGS="--only word-count"`.

Results are kept under build/bench, so that an interrupted benchmark resumes. A measurement is
repeated if the measured code has changed, or with --fresh. The exit code is 1 if an answer was
wrong, or a contender failed.
"""

from __future__ import annotations

import argparse
import json
import signal
import subprocess
import sys
from dataclasses import asdict, replace
from fnmatch import fnmatchcase
from pathlib import Path

from bench.case import Case
from bench.cases import CASES
from bench.goals import Section, verdicts
from bench.machine import machine, versions
from bench.measure import ROOT
from bench.page import Circumstances, drawn, page, rows_of, wrong_or_failed
from bench.results import Results
from bench.runner import Runner, digest_of_code
from bench.scale import DEFAULT, FULL, QUICK, TINY, Scale

BUILD = ROOT / "build" / "bench"
PEERS = ROOT / ".venv" / "bench-env" / "bin" / "python"
DOCS = ROOT / "docs"


def main() -> int:
    """Measure, write the page, and report wrong answers and failures."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        return _benchmark(_arguments().parse_args())
    except KeyboardInterrupt:
        _say("interrupted; the results are kept: run the same command to resume")
        return 130


def _benchmark(given: argparse.Namespace) -> int:
    scale = _scale(given)
    chosen = [case for case in CASES if any(fnmatchcase(case.name, each) for each in given.only)]
    results = Results(BUILD / f"{scale.name}.jsonl")
    if given.fresh:
        results.forget(case.name for case in chosen)
    code = digest_of_code()
    runner = Runner(given.peers, BUILD, results, code, _say)
    if not given.page_only:
        _measure(chosen, given.contenders, scale, runner)
    sections = [Section(case, rows_of(case.trials(scale), results.records, code)) for case in CASES]
    sections = [
        section for section in sections if any(row.summary for row in section.rows.values())
    ]
    _write(sections, scale, runner, given.page)
    return _verdict([section for section in sections if section.case in chosen])


def _measure(cases: list[Case], names: list[str], scale: Scale, runner: Runner) -> None:
    for case in cases:
        _say(f"-- {case.name}: {case.title}")
        trials = [
            trial
            for trial in case.trials(scale)
            if any(fnmatchcase(trial.contender, each) for each in names)
        ]
        runner.run_trials(trials, scale.repeats)


def _write(sections: list[Section], scale: Scale, runner: Runner, target: Path | None) -> None:
    """Write the page and its plots: to docs, or beside the results after `--quick` and `--tiny`."""
    path = target or (BUILD if scale.name in ("tiny", "quick") else DOCS) / "benchmarks.md"
    plots = path.parent / path.stem
    data = BUILD / "plots.json"
    data.parent.mkdir(parents=True, exist_ok=True)
    data.write_text(json.dumps([asdict(plot) for section in sections for plot in drawn(section)]))
    if runner.peers.exists():
        subprocess.run(
            [runner.peers, "-m", "bench.plots", str(data), str(plots)], cwd=ROOT, check=True
        )
    else:
        _say("!!!!! no plots: the environment of the peers is missing; run: make .venv/bench")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(page(sections, _circumstances(scale, runner), plots.name), encoding="utf-8")
    _say(f"written   {path}")


def _circumstances(scale: Scale, runner: Runner) -> Circumstances:
    options = [
        name
        for name, given in (
            (f"--{scale.name}", scale.name != "default"),
            ("--books FOLDER", scale.books),
        )
        if given
    ]
    arguments = f' ARGS="{" ".join(options)}"' if options else ""
    text = (
        "books, repeated with variation"
        if scale.books
        else "made-up words of Zipf's frequencies, with variation"
    )
    moments = [record.at for record in runner.results.records if record.code == runner.code] or [
        "never"
    ]
    return Circumstances(
        scale=scale.name,
        repeats=scale.repeats,
        first=_minute(min(moments)),
        last=_minute(max(moments)),
        text=text,
        command=f"make bench{arguments}",
        machine=machine(),
        versions=versions(runner.peers, ROOT),
    )


def _minute(moment: str) -> str:
    return f"{moment[:16].replace('T', ' ')} UTC"


def _verdict(sections: list[Section]) -> int:
    for verdict in verdicts(sections):
        _say(f"{verdict.outcome:<13}{verdict.case}: {verdict.goal}; measured {verdict.measured}")
    bad = wrong_or_failed(sections)
    for line in bad:
        _say(f"!!!!! {line}")
    return 1 if bad else 0


def _scale(given: argparse.Namespace) -> Scale:
    scale = next((each for each in (TINY, QUICK, FULL) if getattr(given, each.name)), DEFAULT)
    repeats = given.repeat or scale.repeats
    return replace(scale, repeats=repeats, books=given.books.resolve() if given.books else None)


def _arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m bench", description="Benchmark this project against others."
    )
    size = parser.add_mutually_exclusive_group()
    size.add_argument(
        "--tiny",
        action="store_true",
        help="a few kilobytes each: only whether the answers are right",
    )
    size.add_argument(
        "--quick",
        action="store_true",
        help="small inputs, once each; the page is written beside the results",
    )
    size.add_argument(
        "--full", action="store_true", help="up to 4 GB; takes an hour, and 20 GB of disk"
    )
    parser.add_argument(
        "--only",
        nargs="+",
        default=["*"],
        type=_pattern,
        metavar="CASE",
        help="only these cases, by name or pattern ('job-*'): "
        + ", ".join(case.name for case in CASES),
    )
    parser.add_argument(
        "--contenders",
        nargs="+",
        default=["*"],
        metavar="NAME",
        help="only these, by name or pattern: ours duckdb polars 'spark-*'",
    )
    parser.add_argument("--fresh", action="store_true", help="discard earlier measurements")
    parser.add_argument("--repeat", type=int, help="how often each case is measured")
    parser.add_argument("--books", type=Path, help="a folder of .txt files, the source of the text")
    parser.add_argument("--peers", type=Path, default=PEERS, help="the Python with the peers")
    parser.add_argument("--page", type=Path, help="the page's file (default: docs/benchmarks.md)")
    parser.add_argument(
        "--page-only", action="store_true", help="measure nothing, only rewrite the page"
    )
    return parser


def _pattern(text: str) -> str:
    """Return a pattern that is of a case at least."""
    if not any(fnmatchcase(case.name, text) for case in CASES):
        raise argparse.ArgumentTypeError(f"no case is called {text}; see --help")
    return text


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
