"""`new` and `check`: for the author of a job."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

from driver.cli.options import Fields, Flag, Inputs, Texts
from driver.cli.terminal import answer, no_output_of_jobs, print_document
from driver.cli.values import assignments, size_bytes
from driver.program.command_name import COMMAND
from driver.text import plural, shown, shown_repr
from mapreduce.errors import UsageError
from mapreduce.wire.messages import Message

if TYPE_CHECKING:
    from driver.authoring.sample import CheckedJob
    from mapreduce.check.laws import Breach

_SHOWN_BYTES = 2000
_SHOWN_LINES = 12


class BreachLine(Message):
    """A law that a job breaks, with the smallest input found and a pair that only one way gives."""

    law: str
    why: str
    way: str
    inputs: tuple[str, ...]
    expected: Any
    found: Any


class CheckReport(Message):
    """The findings of `check` for each job; for a chain, for each step."""

    jobs: tuple[str, ...]
    laws: int
    breaches: tuple[BreachLine, ...]


def new(path: Path, /) -> int:
    """Write a job to start from, and its test.

    The job counts words; the test counts those of a few lines.

        python -m driver new my_job.py

    Args:
        path: The file of the job, a Python module.
    """
    from driver.authoring.template import write_job

    for written in write_job(path):
        answer(f"written   {written}")
    answer(f"run it    {COMMAND} run book.txt --job {shlex.quote(str(path))}")
    answer(f"check it  {COMMAND} check {shlex.quote(str(path))} book.txt")
    return 0


def check(
    job: str,
    /,
    *inputs: str,
    input: Inputs = (),  # noqa: A002
    param: Texts = (),
    sample: str = "64KiB",
    requirements: Path | None = None,
    refresh_packages: Flag = False,
    json: Flag = False,
    fields: Fields = None,
) -> int:
    """Check a job against laws on a sample of its input.

    Run the job with other split sizes and numbers of partitions, with and without its combine, with
    the values in another order, twice, as a plain loop, and under two hash seeds: the answer must
    not change. Show the smallest input that breaks a law. Exit code 0 if none is broken, else 1.

        python -m driver check my_job.py book.txt
        python -m driver check grep logs/ --param pattern=ERROR --sample 1MiB

    Args:
        job: The job: a module or a file, and `:Class` of several; of a chain, each step is checked.
        inputs: Files, folders, globs or URLs, as with --input.
        input: A file, folder, glob or URL, or NAME=one of these; may be given several times.
        param: A parameter of the job, as name=value; may be given several times.
        sample: How much of the input is used, e.g. 64KiB, cut at a line; Parquet stays whole.
        requirements: A requirements file of pip: packages that the job imports, besides its
            `requirements`.
        refresh_packages: Have pip resolve the job's requirements again.
        json: Print one JSON document on standard output.
        fields: Print only these of its fields, with commas between.
    """
    from driver.authoring.sample import checked_jobs, sampled
    from driver.packages.of_job import PackagesWanted
    from driver.plan.config import READY_MADE
    from driver.targets.s3_access import user_bucket
    from mapreduce.code import find_job
    from mapreduce.storage import open_storage
    from mapreduce.user_code.parameters import check_required, parse_parameters

    with no_output_of_jobs():
        _, cls = find_job(job, READY_MADE, PackagesWanted(requirements, refresh_packages).provide)
        parameters = parse_parameters(cls, assignments("--param", param))
        check_required(cls, parameters)
        limit, storage = size_bytes("--sample", sample), open_storage(open_bucket=user_bucket())
        found = sampled((*inputs, *input), cls, storage, limit)
        jobs = checked_jobs(cls(**parameters), found)
        if not any(given.content for _, sources in jobs for given in sources):
            raise UsageError("the sample is empty; name an input with content")
        breaches, laws = _checked(job, jobs)
        names = tuple(type(make()).__name__ for make, _ in jobs)
    if json or fields is not None:
        _print_report(names, laws, breaches, fields)
    else:
        _answer_all(names, laws, breaches)
    return 1 if breaches else 0


def _print_report(
    names: tuple[str, ...], laws: int, breaches: list[tuple[str, Breach]], fields: str | None
) -> None:
    lines = tuple(_line(each) for _, each in breaches)
    print_document(CheckReport(jobs=names, laws=laws, breaches=lines), fields)


def _checked(job: str, jobs: list[CheckedJob]) -> tuple[list[tuple[str, Breach]], int]:
    """Return the laws that the jobs break, with the job's name, and how many were tested."""
    from driver.authoring.hash_seeds import SeededRuns
    from mapreduce.check.laws import check as check_laws
    from mapreduce.check.laws import laws_of

    breaches: list[tuple[str, Breach]] = []
    laws = 0
    with SeededRuns(job) as seeds:
        for make, sources in jobs:
            if type(make()).__name__ in {name for name, _ in breaches}:
                continue  # a chain repeats a step: its faults are shown once
            ways = seeds.ways_of(make())
            breaches += _named(make, check_laws(make, sources, ways))
            laws += len(laws_of(make, ways))
    return breaches, laws


def _answer_all(names: tuple[str, ...], laws: int, breaches: list[tuple[str, Breach]]) -> None:
    for name, breach in breaches:
        _answer_breach(name, breach)
    if not breaches:
        answer(f"{', '.join(names)}: keeps {plural(laws, 'law')} on this sample", style="green")


def _named(make: Any, breaches: list[Breach]) -> list[tuple[str, Breach]]:
    return [(type(make()).__name__, breach) for breach in breaches]


def _line(breach: Breach) -> BreachLine:
    return BreachLine(
        law=breach.law.name,
        why=breach.why,
        way=f"{breach.law.ways[0][0]} against {breach.way}",
        inputs=tuple(_text(given.content) for given in breach.inputs),
        expected=breach.expected,
        found=breach.found,
    )


def _answer_breach(name: str, breach: Breach) -> None:
    line = _line(breach)
    answer(f"{name} breaks a law: {line.law}", style="red")
    answer(f"  {line.way}:")
    answer(f"    only the first gives   {_pair(line.expected)}")
    answer(f"    only the second gives  {_pair(line.found)}")
    answer("  the smallest input found:")
    for given in breach.inputs:
        lines = (_text(given.content) or "(empty)").removesuffix("\n").split("\n")
        for text in lines[:_SHOWN_LINES]:
            answer(f"    {shown(text)}")
        if len(lines) > _SHOWN_LINES:
            answer(f"    ... ({len(given.content):,} bytes)")
    answer(f"  most likely: {line.why}")


def _pair(pair: Any) -> str:
    if pair is None:
        return "nothing more"
    return f"{shown_repr(pair[0], 100)}: {shown_repr(pair[1], 100)}"


def _text(content: bytes) -> str:
    text = content[:_SHOWN_BYTES].decode("utf-8", "backslashreplace")
    return text if len(content) <= _SHOWN_BYTES else f"{text}... ({len(content)} bytes)"
