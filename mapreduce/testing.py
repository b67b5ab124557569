"""For authors: a job over some lines, as a run would do it, in a test of one's own."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from mapreduce.chain import Chain
from mapreduce.check.reference import PlainInput, plain_answer, plain_lines
from mapreduce.check.trial import MEMORY_BYTES, Answer, Trial, carry_out
from mapreduce.errors import UsageError
from mapreduce.job import Job

__all__ = ["Answer", "PlainInput", "plain_answer", "plain_lines", "run"]


def run(
    job: Job | Chain,
    lines: Iterable[str] | None = None,
    *,
    inputs: Mapping[str, bytes] | Iterable[PlainInput] = (),
    splits: int = 2,
    partitions: int = 2,
    memory_bytes: int = MEMORY_BYTES,
) -> Answer:
    """Runs a job in this process, with the engine's own stages, and proves the answer whole.

    Args:
        job: an instance of a job or chain, with its parameters: `run(WordCount(min_length=3), ["a line"])`. A chain
            answers with its last step's pairs and counters.
        lines: lines of text, which become one input.
        inputs: contents by input name, for other formats and joins.
        splits: how many map tasks.
        partitions: how many reduce tasks.
        memory_bytes: what a task may use; little makes it spill to disk.

    Raises:
        UsageError: an argument is not of its kind.
        UserCodeError: the job's code raised, or yielded what cannot be carried.
        RecordError: a record is not of the input's format.
    """
    if not isinstance(job, Job | Chain):
        raise UsageError(
            f"run() takes an instance of a job or chain, not {job!r}; write run(MyJob(), [...])"
        )
    if isinstance(lines, str | bytes):
        raise UsageError(
            "run() takes a list of lines, not one text; write text.splitlines(), or [line]"
        )
    given = (
        [PlainInput("lines.txt", "".join(f"{line}\n" for line in lines).encode())]
        if lines is not None
        else []
    )
    if isinstance(inputs, Mapping):
        given += [PlainInput(name or "input", content, name) for name, content in inputs.items()]
    else:
        given += list(inputs)
    for each in given:
        if not isinstance(each, PlainInput) or not isinstance(each.content, bytes):
            raise UsageError(
                f"run() takes inputs as bytes, by name: inputs={{'name': b'...'}}, not {each!r}"[
                    :300
                ]
            )
    return carry_out(job, given, Trial(splits, partitions, memory_bytes))
