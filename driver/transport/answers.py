"""Checks an answer: its events name the attempt, and its result fits the task. Pure.

These checks need no look at the store. A result that does not fit is never taken: the attempt
counts as lost, and the task is tried again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from driver.plan.tasks import AnyTask
from mapreduce.errors import TaskLost
from mapreduce.wire import keys
from mapreduce.wire.messages import (
    AnyEvent,
    AttemptId,
    BlocksSum,
    ByteRange,
    InputObject,
    MapResult,
    MapTask,
    RangeRead,
    ReduceResult,
    ReduceTask,
    SplitResult,
    SplitTask,
)

AnyResult = SplitResult | MapResult | ReduceResult


def check_event(task: AnyTask, event: AnyEvent, nonce: str | None) -> str:
    """Refuse an event of another attempt, or of another answer.

    Args:
        task: the task of the request.
        event: the event received.
        nonce: that of the events before; None for the first.

    Returns:
        The event's nonce.

    Raises:
        TaskLost: the event belongs to another attempt, or to another answer.
    """
    found = event.attempt
    asked = AttemptId.of(task, found.nonce)
    if found != asked:
        raise TaskLost(
            f"the answer is to another task: asked for {_named(asked)}, "
            f"and `{event.event}` came of {_named(found)}"
        )
    if nonce is not None and nonce != found.nonce:
        raise TaskLost(f"two answers to {_named(asked)} came in one")
    return found.nonce


def check_answer(task: AnyTask, result: AnyResult) -> None:
    """Refuse a result that does not fit the task of the request.

    Args:
        task: the task, with its attempt.
        result: the result received.

    Raises:
        TaskLost: with what does not fit.
    """
    if isinstance(task, SplitTask) and isinstance(result, SplitResult):
        wrong = _wrong_split(task, result)
    elif isinstance(task, MapTask) and isinstance(result, MapResult):
        wrong = _wrong_map(task, result)
    elif isinstance(task, ReduceTask) and isinstance(result, ReduceResult):
        wrong = _wrong_reduce(task, result)
    else:
        wrong = [_other_stage(result)]
    _refuse(task, wrong)


def check_spark_answer(
    task: MapTask | ReduceTask, result: MapResult | ReduceResult, *, stored: bool
) -> None:
    """Refuse the same for a task that Spark has run.

    Args:
        task: the task; Spark adds a suffix to the name of each attempt.
        result: the result received.
        stored: whether it names an object; else Spark carries the pairs.

    Raises:
        TaskLost: with what does not fit.
    """
    if not stored:
        if not isinstance(task, MapTask) or not isinstance(result, MapResult):
            raise TaskLost(f"the answer to {_task_name(task)} is not taken: {_other_stage(result)}")
        _refuse(
            task,
            [
                *_wrong_pieces(task.split.pieces, result.pieces),
                *_wrong_pieces(task.split.beside or (), result.beside),
                *_wrong_number(task, result.blocks),
            ],
        )
        return
    head, _, tail = _part(task, "\0").partition("\0")
    attempt = result.url.removeprefix(head).removesuffix(tail)
    if attempt.startswith(f"{task.attempt}-"):
        task = task.model_copy(update={"attempt": attempt})
    # Spark counts the pairs that came in, and the ledger compares them
    if isinstance(task, ReduceTask):
        _refuse(task, _wrong_part(task, result))
    else:
        check_answer(task, result)


# -- split ----------------------------------------------------------------------------------------


def _wrong_split(task: SplitTask, result: SplitResult) -> Iterable[str]:
    pieces = [piece for split in result.splits for piece in split.pieces]
    beside = {split.beside for split in result.splits}
    if len(beside) > 1 or (None in beside) != (not task.broadcast and bool(beside)):
        yield "its splits do not have one input beside them where one is broadcast"
    for each in beside:
        pieces += each or ()
    if [split.index for split in result.splits] != list(range(len(result.splits))):
        yield "its splits are not numbered from 0 on"
    yield from _wrong_boundaries(task, result)
    given = {(each.url, each.etag, each.size) for each in task.inputs}
    sources = {each.url for each in task.inputs}
    chunks = keys.join(keys.chunks(task.store, task.run), "")
    for piece in pieces:
        copied = task.mode == "copy" and piece.url.startswith(chunks)
        if (
            not copied and (piece.url, piece.etag, piece.size) not in given
        ) or piece.source not in sources:
            yield f"{piece.url} is none of the inputs"
        if not piece.start <= piece.end <= piece.size:
            yield f"bytes {piece.start}-{piece.end} of {piece.url} are outside of it"
    if task.mode == "range":
        # without a split, no task reads the input that is broadcast
        read = bool(beside) or not task.broadcast
        covered = [each for each in task.inputs if read or each.name != task.broadcast]
        yield from _wrong_cover(covered, pieces)


def _wrong_boundaries(task: SplitTask, result: SplitResult) -> Iterable[str]:
    wanted = task.key_ranges is not None and task.job is not None
    if wanted != (result.boundaries is not None):
        yield f"it has {'no' if wanted else 'the'} boundaries of key ranges"
    if wanted and result.boundaries:
        url = keys.boundaries(task.store, task.run, result.boundaries.digest)
        yield from _wrong_url(url, result.boundaries.url)


def _wrong_cover(inputs: Iterable[InputObject], pieces: Iterable[ByteRange]) -> Iterable[str]:
    """Yield the inputs that are not cut into byte ranges of their full length."""
    sizes: Counter[str] = Counter()
    cut: Counter[str] = Counter()
    for each in inputs:
        sizes[each.url] += each.size
    for piece in pieces:
        cut[piece.url] += piece.length
    for url, size in sizes.items():
        if cut[url] != size:
            yield f"its byte ranges of {url} have {cut[url]} bytes of {size}"


# -- map ------------------------------------------------------------------------------------------


def _wrong_map(task: MapTask, result: MapResult) -> Iterable[str]:
    if task.partitions:
        yield from _wrong_url(
            keys.map_attempt(task.store, task.run, task.index, task.attempt), result.url
        )
        yield from _wrong_number(task, result.blocks)
        if result.top or result.top_lengths or result.pairs:
            yield "it has a part of the result, and only a reduce was to write one"
    else:
        yield from _wrong_number(task, result.blocks)
        yield from _wrong_part(task, result)
    yield from _wrong_pieces(task.split.pieces, result.pieces)
    yield from _wrong_pieces(task.split.beside or (), result.beside)
    if len(result.skipped) > (task.skip_limit or 0):
        allowed = task.skip_limit or 0
        yield f"it has set aside {len(result.skipped)} records, and {allowed} were allowed"
    sources = {piece.source for piece in task.split.pieces}
    if strangers := [record.place for record in result.skipped if record.url not in sources]:
        yield f"it has set aside the record at {min(strangers)}, which is none of its split"


def _wrong_number(task: MapTask, blocks: BlocksSum | None) -> Iterable[str]:
    found = blocks.partitions if blocks else 0
    if found != task.partitions:
        yield f"it has {found} blocks, and {task.partitions} partitions were asked for"


def _wrong_pieces(asked: tuple[ByteRange, ...], read: tuple[RangeRead, ...]) -> Iterable[str]:
    if [piece.source for piece in asked] != [piece.source for piece in read]:
        yield "it has not read the byte ranges of its split"
        return
    for piece, found in zip(asked, read, strict=True):
        first, last = piece.start + piece.source_offset, piece.size + piece.source_offset
        ends_inside = piece.compression is not None or found.start + found.bytes_owned <= last
        if found.start < first or not ends_inside:
            yield (
                f"it has read bytes {found.start}-{found.start + found.bytes_owned} of "
                f"{piece.source}, and was to read from {first} on, to {last} at most"
            )


# -- reduce, and parts of the result --------------------------------------------------------------


def _wrong_reduce(task: ReduceTask, result: ReduceResult) -> Iterable[str]:
    yield from _wrong_part(task, result)
    joined = (task.joined.records, task.joined.checksum) if task.joined else (0, 0)
    if (result.joined_in, result.joined_checksum) != joined:
        yield f"it has read {result.joined_in} joined pairs of {joined[0]}, or other pairs"
    read, indexed = result.records_in, result.records_indexed
    if (read, result.checksum_in) != (indexed, result.checksum_indexed):
        yield f"it has read {read} pairs of {indexed}, or other pairs"


def _wrong_part(task: MapTask | ReduceTask, result: AnyResult) -> Iterable[str]:
    if isinstance(result, SplitResult):
        yield _other_stage(result)
        return
    yield from _wrong_url(_part(task, task.attempt), result.url)
    pairs = (
        keys.pairs_attempt(task.store, task.run, task.index, task.attempt)
        if task.keep_pairs
        else ""
    )
    yield from _wrong_url(pairs, result.pairs.url if result.pairs else "")
    if len(result.top_lengths) > len(result.top):
        yield "it has more lengths of top pairs than top pairs"
    if len(result.top) > task.top:
        yield f"it has {len(result.top)} top pairs, and {task.top} were asked for"


def _part(task: MapTask | ReduceTask, attempt: str) -> str:
    whole = isinstance(task, ReduceTask) and task.partitions == 1
    return keys.part_attempt(
        task.store, task.run, task.index, attempt, "json" if whole else "jsonl"
    )


# -- messages -------------------------------------------------------------------------------------


def _wrong_url(expected: str, found: str) -> Iterable[str]:
    if found != expected:
        yield f"it names {found or 'no object'}, and {expected or 'no object'} was asked for"


def _refuse(task: AnyTask, wrong: Iterable[str]) -> None:
    for words in wrong:
        raise TaskLost(f"the answer to {_task_name(task)} is not taken: {words}")


def _other_stage(result: AnyResult) -> str:
    return f"it is the result of a {result.stage} task"


def _task_name(task: AnyTask) -> str:
    return AttemptId.of(task).task


def _named(attempt: AttemptId) -> str:
    return f"{attempt.task}, attempt {attempt.attempt} of {attempt.run}"
