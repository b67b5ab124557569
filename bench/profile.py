"""A run under `perf`: which programs and libraries its processor time goes to."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from bench.measure import ROOT
from bench.trial import Judged, Place, Trial

BEFORE = "5268f9dc8754099848c7b4957177a0801a9d85e8"
"""The last commit before maps over columns, broadcast joins and word counts with SIMD."""
SAMPLES_A_SECOND = 499
KINDS: tuple[tuple[str, str], ...] = (
    ("native", r"^extension\.cpython"),
    ("duckdb", r"duckdb"),
    ("arrow", r"arrow|parquet"),
    ("compression", r"zstd|zlib|libz|crc|crypto|_hash|xxhash|blake"),
    ("python", r"python|pydantic|msgspec|orjson|numpy|_json|_sre|libstdc"),
    ("kernel", r"^\[.*kernel|^\[k"),
)
"""Kinds of code, by a pattern of the shared object's name; the first one that matches counts."""
OTHER = "other"


def shares(report: str) -> dict[str, float]:
    """Return the share of each kind of code in the samples, between 0 and 1.

    Args:
        report: lines `OVERHEAD|SAMPLES|SHARED OBJECT` of `perf report`; comments begin with `#`.

    Raises:
        ValueError: there is no sample.
    """
    counts = dict.fromkeys([*(kind for kind, _ in KINDS), OTHER], 0)
    for line in report.splitlines():
        if line.strip() and not line.startswith("#"):
            _, samples, name = (word.strip() for word in line.split("|"))
            counts[_kind(name)] += int(samples)
    total = sum(counts.values())
    if not total:
        raise ValueError("perf took no sample")
    return {kind: count / total for kind, count in counts.items()}


def _kind(name: str) -> str:
    return next((kind for kind, pattern in KINDS if re.search(pattern, name)), OTHER)


def profiled(trial: Trial) -> Trial:
    """Return the trial under `perf`, with the shares among its figures, as `share_NAME`."""

    def command(place: Place) -> list[str]:
        options = ["-e", "cpu-clock", "-F", str(SAMPLES_A_SECOND), "-o", str(_data(place))]
        return ["perf", "record", "--quiet", *options, "--", *trial.command(place)]

    def judge(place: Place, stdout: str) -> Judged:
        judged = trial.judge(place, stdout)
        found = {f"share_{kind}": share for kind, share in shares(_reported(_data(place))).items()}
        return Judged({**judged.figures, **found}, judged.wrong)

    return replace(trial, command=command, judge=judge, needs=(*trial.needs, "perf"))


def of_before(trial: Trial) -> Trial:
    """Return the trial with this project as it was at the commit `BEFORE`."""

    def command(place: Place) -> list[str]:
        tree = _before(place.build)
        words = [_of_this_tree(word) for word in trial.command(place)]
        return ["env", "-C", str(tree), f"PYTHONPATH={tree}", *words]

    return replace(trial, command=command, needs=(*trial.needs, "git"))


def without_c(trial: Trial) -> Trial:
    """Return the trial without the native extension: the same answers, in Python alone."""

    @contextmanager
    def world(place: Place) -> Iterator[Mapping[str, str]]:
        with trial.world(place) as environment:
            yield {**environment, "MAPREDUCE_NATIVE": "off"}

    return replace(trial, world=world)


def _of_this_tree(word: str) -> str:
    """Return a job's file as it is found from another folder."""
    return str(ROOT / word) if word.startswith("bench/jobs/") else word


def _data(place: Place) -> Path:
    return place.scratch / "perf.data"


def _reported(data: Path) -> str:
    options = ["--stdio", "--sort", "dso", "--fields", "overhead,sample,dso", "-t", "|"]
    done = subprocess.run(
        ["perf", "report", "-i", str(data), "-g", "none", *options],
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout


def _before(build: Path) -> Path:
    """Return the tree of the commit `BEFORE`, with its extension built."""
    tree = (build / f"before-{BEFORE[:12]}").resolve()
    if not tree.exists():
        partial = tree.with_suffix(".partial")
        partial.mkdir(parents=True, exist_ok=True)
        archive = partial / "archive.tar"
        subprocess.run(["git", "archive", "-o", str(archive), BEFORE], cwd=ROOT, check=True)
        subprocess.run(["tar", "-xf", archive.name], cwd=partial, check=True)
        subprocess.run(
            [sys.executable, "-m", "mapreduce.native"], cwd=partial, check=True, capture_output=True
        )
        partial.replace(tree)
    return tree
