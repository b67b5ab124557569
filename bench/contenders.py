"""How each contender is run: ours, the Python peers, shell pipelines and C programs."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from bench.answer import as_it_is as same_key
from bench.answer import digest, expected, our_lines, our_pairs, peer_lines
from bench.corpus import Corpus
from bench.measure import ROOT
from bench.questions import Question
from bench.trial import CORES, OURS, Data, Judged, Place, Trial, as_it_is

PEERS = ROOT / "bench" / "peers"
KERNEL = ROOT / "bench" / "native" / "word_count.c"
SIMD = ROOT / "bench" / "native" / "word_count_simd.c"

NO_INPUTS: Mapping[str, str] = {}
World = Callable[[Place], AbstractContextManager[Mapping[str, str]]]


def ours(
    case: str,
    corpus: Data,
    *options: str,
    variant: str = "",
    label: str = "**ours**",
    input_url: str = "",
    inputs: Mapping[str, str] = NO_INPUTS,
    store_url: str = "",
    world: World = as_it_is,
    needs: tuple[str, ...] = (),
    most_repeats: int = 1000,
    key: Callable[[str], str] = same_key,
    question: Question | None = None,
) -> Trial:
    """Return a trial of `python -m driver run` with these options, with a separate store.

    `key` maps the corpus's keys to the job's. With an `input_url` the command reads that instead of
    the corpus, and also writes its result to a file, because the store is deleted before the answer
    is checked. `inputs` maps names of the job's inputs to files of a corpus that is a folder. The
    answer is that of `question`, or else the sum of each key.
    """

    def judge(place: Place, stdout: str) -> Judged:
        report = json.loads(stdout)
        urls = [str(place.scratch / "answer.jsonl")] if input_url else report["result_urls"]
        wrong = (
            question.wrong(pair_lines(question, urls), place.corpus)
            if question
            else wrong_of_ours(_texts(corpus), place, report, urls, key)
        )
        return Judged(report_figures(report), wrong)

    return Trial(
        case,
        OURS,
        label,
        corpus,
        partial(_run, options, input_url, inputs, store_url),
        judge,
        variant=variant,
        needs=needs,
        world=world,
        most_repeats=most_repeats,
    )


def _run(
    options: Sequence[str], input_url: str, inputs: Mapping[str, str], store_url: str, place: Place
) -> list[str]:
    """Return the command of a run."""
    named = [f"{name}={place.corpus / file}" for name, file in inputs.items()]
    read = named or [input_url or str(place.corpus)]
    where = [word for each in read for word in ("--input", each)]
    where += ["--store", store_url or str(place.scratch / "store")]
    if input_url:
        where += ["--output", str(place.scratch / "answer.jsonl")]
    run = ["-m", "driver", "run", "--target", "local", "--json"]
    return [sys.executable, *run, *where, *options]


def wrong_of_ours(
    corpus: Corpus,
    place: Place,
    report: dict[str, Any],
    urls: Sequence[str],
    key: Callable[[str], str],
) -> str:
    """Return why the result is wrong, or "".

    Lines are all distinct, and too many to compare, so only their number is checked.
    """
    if corpus.kind == "lines":
        found = report["records"]
        return "" if found == corpus.count else f"{found} keys, and not {corpus.count}"
    lines = our_lines(urls, _read)
    return _wrong(digest(lines), corpus, place, key)


def pair_lines(question: Question, urls: Sequence[str]) -> Iterator[bytes]:
    """Yield a line of the answer for each pair of ours, in the order of the parts."""
    return (question.line(key, value) for key, value in our_pairs(urls, _read))


def report_figures(report: dict[str, Any]) -> dict[str, float]:
    """Return a report's figures: the timings in seconds, of each stage the largest task memory in
    bytes, how many tasks it has and how many were done (the others were reused), and the requests
    to S3 with their list price.
    """
    timings = report["timings"]
    figures = {name: float(value) for name, value in timings.items()}
    figures["inner_s"] = figures["end_to_end"] - figures["start"]
    for stage in ("map", "reduce"):
        rows = [row for row in report["tasks"] if row["stage"] == stage]
        figures[f"{stage}_peak_bytes"] = max((row["peak_memory_bytes"] for row in rows), default=0)
        figures[f"{stage}_tasks"] = len(rows)
        figures[f"{stage}_done"] = sum(not row["reused"] for row in rows)
    figures["records"] = report["records"]
    figures["shuffled_bytes"] = sum(
        row["bytes_out"] for row in report["tasks"] if row["stage"] == "map"
    )
    if "requests" in report:
        figures["requests"] = float(sum(report["requests"]["total"].values()))
        figures["requests_usd"] = float(report["requests"]["dollars"])
    return figures


def python_peer(
    case: str,
    name: str,
    label: str,
    module: str,
    corpus: Data,
    *options: str,
    cores: int = CORES,
    needs: Sequence[str],
    variant: str = "",
    question: Question | None = None,
) -> Trial:
    """Return a trial of a Python program of `bench/peers`."""

    def command(place: Place) -> list[str]:
        return [
            str(place.peers),
            "-m",
            f"bench.peers.{module}",
            str(place.corpus),
            str(place.answer),
            *options,
        ]

    return Trial(
        case,
        name,
        label,
        corpus,
        command,
        _judge_peer(corpus, question),
        variant=variant,
        cores=cores,
        needs=tuple(needs),
        world=_spark_folders,
    )


def shell_peer(
    case: str,
    name: str,
    label: str,
    script: str,
    corpus: Data,
    cores: int,
    needs: Sequence[str],
    *options: str,
    variant: str = "",
    question: Question | None = None,
) -> Trial:
    """Return a trial of a shell script of `bench/peers`."""

    def command(place: Place) -> list[str]:
        return ["sh", str(PEERS / script), str(place.corpus), str(place.answer), *options]

    return Trial(
        case,
        name,
        label,
        corpus,
        command,
        _judge_peer(corpus, question),
        variant=variant,
        cores=cores,
        needs=tuple(needs),
    )


def kernel(case: str, name: str, label: str, corpus: Corpus, threads: int) -> Trial:
    """Return a trial of the C program, on this many cores."""

    def command(place: Place) -> list[str]:
        return [str(compiled(place.build)), str(place.corpus), str(place.answer), str(threads)]

    return Trial(
        case, name, label, corpus, command, _judge_peer(corpus), cores=threads, needs=("gcc",)
    )


def simd_kernel(case: str, name: str, label: str, corpus: Corpus) -> Trial:
    """Return a trial of the C program with SIMD, which uses one core."""

    def command(place: Place) -> list[str]:
        return [str(compiled(place.build, SIMD)), str(place.corpus), str(place.answer)]

    return Trial(case, name, label, corpus, command, _judge_peer(corpus), cores=1, needs=("gcc",))


def compiled(build: Path, source: Path = KERNEL) -> Path:
    """Compile a C program for this machine."""
    program = build / f"{source.stem}-{hashlib.sha256(source.read_bytes()).hexdigest()[:12]}"
    if not program.exists():
        build.mkdir(parents=True, exist_ok=True)
        partial = program.with_suffix(".partial")
        options = ["-O3", "-march=native", "-pthread"]
        subprocess.run(["gcc", *options, str(source), "-o", str(partial)], check=True)
        partial.replace(program)
    return program


def _judge_peer(corpus: Data, question: Question | None = None) -> Callable[[Place, str], Judged]:
    def judge(place: Place, stdout: str) -> Judged:
        said = [line for line in stdout.splitlines() if line.startswith("{")]
        figures = (
            {name: float(value) for name, value in json.loads(said[-1]).items()} if said else {}
        )
        lines = peer_lines(place.answer)
        wrong = (
            question.wrong(lines, place.corpus)
            if question
            else _wrong(digest(lines), _texts(corpus), place)
        )
        return Judged(figures, wrong)

    return judge


def _texts(corpus: Data) -> Corpus:
    """Return the corpus: only these have an answer without a question."""
    assert isinstance(corpus, Corpus), "a table needs a question"
    return corpus


def _read(url: str) -> bytes:
    return Path(url.removeprefix("file://")).read_bytes()


def _wrong(found: str, corpus: Corpus, place: Place, key: Callable[[str], str] = same_key) -> str:
    right = expected(corpus, place.corpus, key)
    return (
        ""
        if found == right
        else f"its answer has the digest {found[:12]}, the right one {right[:12]}"
    )


@contextmanager
def _spark_folders(place: Place) -> Iterator[Mapping[str, str]]:
    """Set Spark's Python for its workers, and its temporary files on the same disk as ours."""
    folder = place.scratch / "temporary"
    folder.mkdir()
    yield {
        "PYSPARK_PYTHON": str(place.peers),
        "PYSPARK_DRIVER_PYTHON": str(place.peers),
        "SPARK_LOCAL_DIRS": str(folder),
        "TMPDIR": str(folder),
        "PYTHONWARNINGS": "ignore",
    }
