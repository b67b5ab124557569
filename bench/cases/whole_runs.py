"""Whole commands: a small run, and the same run again after a file was added."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from bench.case import Case, Goal, Rows, found
from bench.cases.columns import MAP, REDUCE, SPLIT, START, WHOLE, figure
from bench.contenders import ours
from bench.corpus import Files
from bench.measure import ROOT
from bench.questions import word_count
from bench.scale import MB, Scale
from bench.trial import Place, Trial

SMALL_BYTES = MB


def _small(scale: Scale) -> list[Trial]:
    text = scale.text(min(SMALL_BYTES, scale.text_bytes))
    return [ours("small-run", text, label="**ours**, 1 MB", question=word_count())]


def _whole_s(rows: Rows) -> float | None:
    summary = found(rows)
    return summary.wall_s if summary else None


SMALL = Case(
    name="small-run",
    title="A small run",
    about="The built-in word count of 1 MB: the whole command, with its start and its end.",
    trials=_small,
    columns=(WHOLE, START, SPLIT, MAP, REDUCE),
    goals=(Goal("the whole command", "at most", 0.6, _whole_s, unit=" s"),),
)


@contextmanager
def counted_without_the_last(place: Place) -> Iterator[Mapping[str, str]]:
    """Count the words of all files but the last one, in the store of the trial."""
    *files, _ = sorted(place.corpus.iterdir())
    given = [word for file in files for word in ("--input", str(file))]
    where = ["--store", str(place.scratch / "store"), "--target", "local", "--json"]
    subprocess.run(
        [sys.executable, "-m", "driver", "run", *given, *where],
        cwd=ROOT,
        check=True,
        capture_output=True,
    )
    yield {}


def _incremental(scale: Scale) -> list[Trial]:
    files = Files(scale.text(scale.job_bytes), scale.files + 1)
    return [
        ours("incremental", files, label="**ours**, all files", question=word_count()),
        ours(
            "incremental",
            files,
            variant="added",
            label=f"**ours**, one file added to {scale.files}",
            world=counted_without_the_last,
            question=word_count(),
        ),
    ]


def _done_again(rows: Rows) -> float | None:
    added = found(rows, variant="added")
    return added.figures["map_done"] if added else None


def _count(value: float) -> str:
    return f"{value:.0f}"


INCREMENTAL = Case(
    name="incremental",
    title="A file is added",
    about="Word count of a folder, in a new store, and in one where all files but the last one "
    "were counted before. The finished map tasks of the first run are used again.",
    trials=_incremental,
    columns=(
        WHOLE,
        figure("map tasks", "map_tasks", _count),
        figure("of these done", "map_done", _count),
        MAP,
        REDUCE,
    ),
    goals=(Goal("map tasks done for one more file", "at most", 1, _done_again, unit=" tasks"),),
)
