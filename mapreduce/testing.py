"""Run a job over some lines in an author's test, as a real run would."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from mapreduce.chain import Chain
from mapreduce.check.aggregation_laws import AggregationLawBroken, check_aggregation
from mapreduce.check.format_check import check_format
from mapreduce.check.reference import PlainInput, plain_answer
from mapreduce.check.reference_formats import plain_lines
from mapreduce.check.trial import MEMORY_BYTES, Answer, Trial, run_trial
from mapreduce.errors import UsageError
from mapreduce.job import Job

__all__ = [
    "AggregationLawBroken",
    "Answer",
    "PlainInput",
    "check_aggregation",
    "check_format",
    "plain_answer",
    "plain_lines",
    "run",
]


def run(
    job: Job | Chain,
    lines: Iterable[str] | None = None,
    *,
    inputs: Mapping[str, bytes] | Iterable[PlainInput] = (),
    splits: int = 2,
    partitions: int = 2,
    memory_bytes: int = MEMORY_BYTES,
    broadcast: str = "",
) -> Answer:
    """Run a job in this process, with the engine's stages, and check the answer with the ledger.

    Args:
        job: an instance of a job or chain, with its parameters: `run(WordCount(min_length=3), ["a
            line"])`. A chain's answer holds its last step's pairs and counters.
        lines: lines of text, which become one input.
        inputs: contents by input name, for other formats and joins.
        splits: the number of map tasks.
        partitions: the number of reduce tasks.
        memory_bytes: memory that a task may use; a small number makes it spill to disk.
        broadcast: the name of an input that each map task holds, as a run does with a small one
            that the job `broadcasts`.

    Raises:
        UsageError: an argument has a wrong type.
        UserCodeError: the job's code raised, or yielded an unsupported value.
        RecordError: a record does not have the input's format.
    """
    if not isinstance(job, Job | Chain):
        raise UsageError(
            f"run() takes an instance of a job or chain, not {job!r}; write run(MyJob(), [...])"
        )
    if isinstance(lines, str | bytes):
        raise UsageError(
            "run() takes a list of lines, not one text; write text.splitlines(), or [line]"
        )
    given: list[PlainInput] = []
    if lines is not None:
        given.append(PlainInput("lines.txt", "".join(f"{line}\n" for line in lines).encode()))
    if isinstance(inputs, Mapping):
        given += [PlainInput(name or "input", content, name) for name, content in inputs.items()]
    else:
        given += list(inputs)
    for each in given:
        if not isinstance(each, PlainInput) or not isinstance(each.content, bytes):
            raise UsageError(
                f"run() takes inputs as bytes, by name: inputs={{'name': b'...'}}, not "
                f"{repr(each)[:233]}"
            )
    return run_trial(job, given, Trial(splits, partitions, memory_bytes, broadcast=broadcast))
