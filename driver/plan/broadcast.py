"""Which input of a join each map task holds, so that nothing is shuffled. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from driver.plan.config import RunConfig
from driver.text import bytes_text
from mapreduce.engine.broadcasts import broadcasts_of
from mapreduce.job import Job
from mapreduce.wire.messages import InputObject

BROADCAST_BYTES = 64 << 20
"""An input up to this length is broadcast by default."""
MEMORY_SHARE = 32
"""By default it is at most this part of a task's memory: as objects of Python, rows take up to 25
times their bytes."""
PACKED = 8
"""A compressed input is taken to be so many times longer."""
SPLIT_FACTOR = 2
"""A split has at least this many times the bytes of what is broadcast, which each task reads."""
_PACKED_NAMES = (".gz", ".zst", ".bz2", ".xz", ".parquet")


@dataclass(frozen=True, slots=True)
class Broadcast:
    """The choice.

    Attributes:
        name: of the inputs that are broadcast, or "".
        size_bytes: of these, unpacked.
        reason: for people; "" where the job broadcasts none.
    """

    name: str = ""
    size_bytes: int = 0
    reason: str = ""


def choose(
    job: Job, inputs: Sequence[InputObject], config: RunConfig, memory_bytes: int | None
) -> Broadcast:
    """Choose the input that is broadcast.

    Args:
        job: an instance with the parameters of the run.
        inputs: of the run.
        config: of the run, with what the job says.
        memory_bytes: of a map task, if it is known.

    Returns:
        The shortest of the inputs that may be broadcast, if it is short enough.

    Raises:
        JobLoadError: the job's `broadcasts` returns something else than names of its inputs.
        UserCodeError: it raised.
    """
    names = broadcasts_of(job)
    sizes = Counter(dict.fromkeys(names, 0))
    for given in inputs:
        if given.name in sizes:
            sizes[given.name] += _length(given)
    if not names:
        return Broadcast(
            reason=f"shuffle, because `broadcasts` of {type(job).__name__} names no input"
        )
    if against := _against(job, inputs, config):
        return Broadcast(reason=f"shuffle, because {against}")
    limit, said = _limit(config, memory_bytes)
    name = min(names, key=lambda each: sizes[each])
    size = bytes_text(sizes[name])
    if not limit:
        return Broadcast(reason="shuffle (--broadcast 0)")
    if sizes[name] > limit:
        return Broadcast(
            reason=f"shuffle: {name} has {size}, more than {bytes_text(limit)} ({said})"
        )
    return Broadcast(
        name,
        sizes[name],
        f"broadcast of {name} ({size}, at most {bytes_text(limit)}: {said}), no shuffle",
    )


def _length(given: InputObject) -> int:
    return given.size * (PACKED if given.url.lower().endswith(_PACKED_NAMES) else 1)


def _limit(config: RunConfig, memory_bytes: int | None) -> tuple[int, str]:
    if config.broadcast_bytes is not None:
        return config.broadcast_bytes, "--broadcast"
    if memory_bytes is not None and memory_bytes // MEMORY_SHARE < BROADCAST_BYTES:
        return memory_bytes // MEMORY_SHARE, "by a task's memory"
    return BROADCAST_BYTES, "--broadcast"


def _against(job: Job, inputs: Sequence[InputObject], config: RunConfig) -> str:
    """Return what a broadcast cannot do; "" if nothing is asked for that it cannot."""
    if config.sort or job.total_order:
        return "the parts are to be in key order"
    if job.keep_order:
        return "`keep_order` asks for the order of `reduce`"
    if job.partitions_itself:
        return "the job's `partition` says which part a key is in"
    lengths = Counter({given.name: 0 for given in inputs})
    for given in inputs:
        lengths[given.name] += given.size
    if not all(lengths.values()):
        return "an input is empty"  # no map task would read, and so check, the other one
    if config.skip_bad_records:
        return "bad records are set aside"
    if config.reducers is not None and config.broadcast_bytes is None:
        return "--reducers says how many parts there are"
    if config.mode != "range" or config.over:
        return "the input is copied" if config.mode != "range" else "the input is a list of values"
    return ""
