"""The law checker's sample: the beginning of each input, and for a chain the input of each step."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from driver.plan.inputs import declared_names, find_inputs
from mapreduce.chain import Chain, step_after, steps_of
from mapreduce.check.reference import PlainAnswer, PlainInput, Record, joined_input, plain_run
from mapreduce.code import JobClass
from mapreduce.errors import JobLoadError
from mapreduce.formats.compression import MAGIC_BYTES, compression_of
from mapreduce.formats.pairs import pairs_content
from mapreduce.formats.separated import first_row
from mapreduce.input_formats import Csv, Pairs, Text
from mapreduce.job import Job
from mapreduce.storage import Storage

CheckedJob = tuple[Callable[[], Job], list[PlainInput]]
"""A function that makes an instance of a job, and the job's sample."""
MOST_STEPS = 5
"""Steps of a chain that are checked at most, as a chain may go on until something is reached."""


def sampled(
    given: Iterable[str], job: JobClass, storage: Storage, limit_bytes: int
) -> list[PlainInput]:
    """Return the inputs, cut at a line to `limit_bytes` in all; inputs without lines stay whole.

    Raises:
        InputError: an input does not exist.
    """
    found: list[PlainInput] = []
    left = limit_bytes
    for each in find_inputs(given, storage, names=declared_names(job)).objects:
        form = job.format_of(each.name) if issubclass(job, Job) else Text()
        content = storage.read(each.url, etag=each.etag)
        # compressed data has no lines to cut at
        if form.by_lines and compression_of(content[:MAGIC_BYTES]) is None:
            top = first_row(form, [content]) if isinstance(form, Csv) else len(content)
            content = _first_lines(content, left, top)
            left -= len(content)
        found.append(PlainInput(each.url, content, each.name, form))
    return [each for each in found if each.content] or found[:1]


def checked_jobs(job: Job | Chain, inputs: list[PlainInput]) -> list[CheckedJob]:
    """Return the job and its sample; for a chain each step, with the pairs of the step before."""
    if isinstance(job, Job):
        return [(_maker(job), inputs)]
    checked: list[CheckedJob] = []
    steps = steps_of(job)
    answer: PlainAnswer | None = None
    results: list[list[Record]] = [[]]  # of each step, by its number from 1 on
    while step := step_after(steps, answer.as_result() if answer else None):
        if len(checked) == MOST_STEPS:
            break
        own = [
            PlainInput(each.url, each.content, each.name, step.job.format_of(each.name))
            for each in inputs
            if "given" in step.sources
        ]
        before = answer.pairs if answer and "previous" in step.sources else []
        joined = joined_input(results[step.joined]) if step.joined else []
        sample = [*joined, *own]
        if before:
            sample.insert(0, PlainInput("previous", pairs_content(before), "previous", Pairs()))
        checked.append((_maker(step.job), sample))
        answer = plain_run(step.job, [*joined, *own], before)
        results.append(answer.pairs)
    if not checked:
        raise JobLoadError(f"{type(job).__name__} has no step; let `steps` yield a job")
    return checked


def _maker(job: Job) -> Callable[[], Job]:
    cls, parameters = type(job), job.parameter_values()
    return lambda: cls(**parameters)


def _first_lines(content: bytes, limit: int, top: int) -> bytes:
    """Return lines of `limit` bytes at most, at least one. A line feed in quotes ends no line;
    quotes count from `top` on.
    """
    if len(content) <= limit:
        return content
    end = content.rfind(b"\n", 0, max(limit, 0)) + 1
    marks = content.count(b'"', top, end)
    while marks % 2:  # the line end is within a field
        before = content.rfind(b"\n", 0, end - 1) + 1
        marks -= content.count(b'"', max(before, top), end)
        end = before
    before = marks = 0
    while not end and (at := content.find(b"\n", before) + 1):
        marks += content.count(b'"', max(before, top), at)
        before, end = at, 0 if marks % 2 else at
    return content[:end] if end else content
