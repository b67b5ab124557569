"""The reference run: a job's answer from a plain loop, in one process and in memory.

Uses nothing of the engine or its formats. `verify`, `check` and the tests compare a run's result
with it.
"""

from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
import re
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from operator import itemgetter
from typing import Any

from mapreduce.chain import Chain, StepResult, step_after, steps_of
from mapreduce.check import reference_formats
from mapreduce.encoding import decode_key, decode_value, encode_key, encode_value
from mapreduce.engine.bad_records import kept_as, kept_as_length
from mapreduce.errors import JobLoadError
from mapreduce.formats.zstd import zstd
from mapreduce.input_formats import Format, InputFormat, Pairs, Parquet, Values, WholeFile
from mapreduce.job import Job, TaskState, task_state
from mapreduce.user_code.calls import Place, user_code
from mapreduce.user_code.yielded import pair_of, pairs_of

Record = tuple[Any, Any]
Watch = Callable[[str, int], None]
"""Called with `record read` or `key reduced`, and how many so far, after every `WATCH_EVERY`."""
WATCH_EVERY = 1_000
_UNPACK: tuple[tuple[str, Callable[[bytes], bytes]], ...] = (
    (r"\x1f\x8b", gzip.decompress),
    (r"BZh[1-9](1AY&SY|\x17rE8P\x90)", bz2.decompress),
    (r"\xfd7zXZ\x00", lzma.decompress),
    (r"\x28\xb5\x2f\xfd", zstd.decompress),
)


@dataclass(frozen=True, slots=True)
class PlainInput:
    """An input: its URL, content, name from `--input NAME=PATH`, and format (None: the job's).

    `joined`: pairs of an earlier step, which come to `reduce` without a map, ahead of the others.
    """

    url: str
    content: bytes
    name: str = ""
    format: Format | None = None
    joined: bool = False


@dataclass(frozen=True, slots=True)
class LeftOut:
    """Records that one step of a run has set aside, and that the reference run leaves out.

    Attributes:
        records: records of inputs, as (URL, key).
        pairs: pairs of the previous step, as `pair_text`, with their number.
    """

    records: frozenset[Record] = frozenset()
    pairs: Counter[str] = field(default_factory=Counter)


@dataclass(frozen=True, slots=True)
class PlainAnswer:
    """The pairs in key order, with `keep_order` as they were yielded, and the counters."""

    pairs: list[Record]
    counters: Counter[str]

    def as_result(self) -> StepResult:
        """Return the answer as the result of a chain's step."""
        return StepResult(self.counters, len(self.pairs), partial(iter, self.pairs))


def plain_answer(
    job: Job | Chain,
    inputs: Iterable[PlainInput | tuple[str, bytes]],
    left_out: Sequence[LeftOut] = (),
    watch: Watch | None = None,
) -> list[Record]:
    """Return all result pairs of a job or chain.

    Each record of each input goes through `map`; all values of a key are collected in input order,
    and reduced once. Nothing is split, combined, partitioned or merged.

    Args:
        job: a new instance.
        inputs: in order; a tuple is (URL, content).
        left_out: the records of each step that are left out; a job is one step.
        watch: is told how far each step is.
    """
    given = [each if isinstance(each, PlainInput) else PlainInput(*each) for each in inputs]
    if isinstance(job, Job):
        own = left_out[0] if left_out else LeftOut()
        return plain_run(job, given, left_out=own, watch=watch).pairs
    return _plain_chain(job, given, left_out, watch).pairs


def plain_run(
    job: Job,
    inputs: Iterable[PlainInput],
    pairs: Sequence[Record] = (),
    left_out: LeftOut | None = None,
    watch: Watch | None = None,
    *,
    pairs_last: bool = False,
) -> PlainAnswer:
    """Return one job's answer over pairs of a previous step, then over inputs, or the other way
    round.
    """
    inputs = list(inputs)
    gathered = [pair for each in inputs if each.joined for pair in _joined_pairs(each)]
    state = task_state(job)
    place = Place("map_setup")
    left_out = left_out or LeftOut()
    count = _counter(watch, "record read")

    def gather(yielded: Any, *, none_is_empty: bool) -> None:
        for each in pairs_of(yielded, none_is_empty=none_is_empty):
            key, value = pair_of(each)
            gathered.append((encode_key(key), decode_value(encode_value(value))))

    def mapped(key: Any, value: Any) -> None:
        place.offset, place.record = key, value
        gather(job.map(key, value), none_is_empty=job.gathers)
        count()

    def map_previous() -> None:
        state.source = state.input = place.url = "previous"
        for key, value in _without(pairs, left_out.pairs):
            mapped(key, value)

    with user_code(place):
        job.map_setup()
        place.step = "map"
        if not pairs_last:
            map_previous()
        for each in (each for each in inputs if not each.joined):
            state.source, state.input, place.url = each.url, each.name, each.url
            form = each.format or job.format_of(each.name)
            own = job.own_format(each.name) if form.kind == "own" else None
            if (
                job.maps_columns
                and job.passes_on
                and (found := _by_columns(job, each, form, left_out))
            ):
                gather(found, none_is_empty=False)
                continue
            for key, value in plain_records(each, form, left_out.records, own):
                if (each.url, key) not in left_out.records:
                    mapped(key, value)
        if pairs_last:
            map_previous()
        place.step, place.url, place.record, place.offset = "map_cleanup", "", None, None
        gather(job.map_cleanup(), none_is_empty=True)
    return _answer(job, gathered, watch)


def _answer(job: Job, gathered: list[tuple[bytes, Any]], watch: Watch | None) -> PlainAnswer:
    """Return the answer over all pairs that the map has yielded."""
    if job.map_only:
        # map-only: nothing to reduce, but a part is in key order as well
        ordered = gathered if job.keep_order else sorted(gathered, key=itemgetter(0))
        return PlainAnswer(
            [(decode_key(key), value) for key, value in ordered], Counter(job.counters)
        )
    # a new instance, because map and reduce tasks never share one
    reducing = type(job)(**job.parameter_values())
    result = _reduced(reducing, gathered, watch)
    counters = Counter(job.counters)
    counters.update(reducing.counters)
    return PlainAnswer(result, counters)


def _by_columns(
    job: Job, given: PlainInput, form: Format, left_out: LeftOut
) -> Iterator[Record] | None:
    """Return the pairs that `map_sql` or `map_arrow` alone defines; None if `map` does."""
    from mapreduce.check import reference_columns  # DuckDB takes 0.2 s to import

    if not reference_columns.maps_alone(job, form, given.name):
        return None
    if isinstance(form, Parquet):
        keys = {key for url, key in left_out.records if url == given.url}
        return reference_columns.pairs_of_file(job, given.name, form, given.content, keys)
    records = plain_records(given, form, left_out.records)
    kept = (each for each in records if (given.url, each[0]) not in left_out.records)
    return reference_columns.pairs_of_rows(job, given.name, form, kept)


def pair_text(key: Any, value: Any) -> str:
    """Return the text that identifies a pair among those that a step has set aside.

    Args:
        key: the pair's key, as JSON.
        value: its value, as JSON.
    """
    return json.dumps([key, value], sort_keys=True)


def _without(pairs: Iterable[Record], left_out: Counter[str]) -> Iterator[Record]:
    """Yield the pairs that are not left out."""
    left = left_out.copy()
    for key, value in pairs:
        # beyond a limit, a task keeps only the length of a value: compare both forms
        forms = (kept_as, kept_as_length) if +left else ()
        texts = (pair_text(kept_as(key), kept(value)) for kept in forms)
        known = next((text for text in texts if left[text] > 0), None)
        if known is None:
            yield key, value
        else:
            left[known] -= 1


def _plain_chain(
    chain: Chain, inputs: list[PlainInput], left_out: Sequence[LeftOut], watch: Watch | None
) -> PlainAnswer:
    steps, skipped = steps_of(chain), iter(left_out)
    answer: PlainAnswer | None = None
    results: list[list[Record]] = [[]]  # of each step, by its number from 1 on
    while step := step_after(steps, answer.as_result() if answer else None):
        given = inputs if "given" in step.sources else []
        previous = answer.pairs if answer and "previous" in step.sources else []
        joined = joined_input(results[step.joined]) if step.joined else []
        answer = plain_run(
            step.job,
            [*joined, *given],
            previous,
            next(skipped, None),
            watch,
            pairs_last=step.sources[-1] == "previous",
        )
        results.append(answer.pairs)
    if answer is None:
        raise JobLoadError(f"{type(chain).__name__} has no step; let `steps` yield a job")
    return answer


def joined_input(pairs: Sequence[Record]) -> list[PlainInput]:
    """Return the pairs of an earlier step as an input of a step that joins them."""
    from mapreduce.formats.pairs import pairs_content  # only a step of a chain needs them

    return [PlainInput("joined", pairs_content(pairs), "joined", Pairs(), joined=True)]


def _joined_pairs(given: PlainInput) -> Iterator[tuple[bytes, Any]]:
    from mapreduce.formats.pairs import pairs_of_content  # only a step of a chain reads them

    return ((encode_key(key), value) for key, value in pairs_of_content(given.content))


def plain_records(
    given: PlainInput,
    form: Format,
    skip: Collection[Record] = (),
    own: InputFormat | None = None,
) -> Iterator[Record]:
    """Yield the records of an input, read by the simplest means of Python or DuckDB for its format.

    Args:
        given: the input.
        form: its format.
        skip: (URL, key) of records to leave out; these need not have the format.
        own: the author's format, where it is one.
    """
    if isinstance(form, Parquet):
        yield from _parquet_rows(given.content, form)
        return
    content = _unpacked(given.content)
    if isinstance(form, WholeFile):
        yield given.url, content
    elif isinstance(form, Values):
        texts = [text for _, text in reference_formats.plain_lines(content) if text.strip()]
        numbered = enumerate(map(_plain_value, texts), form.first)
        yield from (each for each in numbered if (given.url, each[0]) not in skip)
    elif isinstance(form, Pairs):
        from mapreduce.formats.pairs import pairs_of_content  # only a step of a chain reads them

        yield from pairs_of_content(content)
    elif own is not None:
        # an empty file that could be cut is in no split
        yield from own.read(io.BytesIO(content)) if given.content or not form.is_cut else ()
    else:
        left_out = {key for url, key in skip if url == given.url}
        yield from reference_formats.plain_records(content, form, left_out)


def _plain_value(text: str) -> Any:
    try:
        value = json.loads(text)
        json.dumps(value, allow_nan=False)
    except (ValueError, RecursionError):
        return text
    return value


def _parquet_rows(content: bytes, form: Parquet) -> Iterator[Record]:
    from mapreduce.check.reference_parquet import plain_rows  # DuckDB takes 0.2 s to import

    yield from enumerate(plain_rows(content, form))


def _unpacked(content: bytes) -> bytes:
    for magic, unpack in _UNPACK:
        if re.match(magic.encode("latin-1"), content):
            return unpack(content)
    return content


def _counter(watch: Watch | None, noun: str) -> Callable[[], None]:
    """Return a function that counts its calls, and tells their number from time to time."""
    calls = 0

    def count() -> None:
        nonlocal calls
        calls += 1
        if watch is not None and not calls % WATCH_EVERY:
            watch(noun, calls)

    return count


def _reduced(job: Job, gathered: list[tuple[bytes, Any]], watch: Watch | None) -> list[Record]:
    state = task_state(job)
    state.stage = "reduce"
    groups = _groups(job, sorted(gathered, key=itemgetter(0)))
    aggregation, place = job.aggregation, Place("reduce")
    result: list[Record] = []
    count = _counter(watch, "key reduced")
    with user_code(place):
        if aggregation is None:
            job.reduce_setup()
        for key, values in groups:
            count()
            place.record = key
            if aggregation is None:
                state.key = values[0][0]
                moving = _moving(state, values)
                result += map(pair_of, pairs_of(job.reduce(key, moving)))
            else:
                result.append((key, aggregation.plain([value for _, value in values])))
        if aggregation is None:
            place.step, place.record, state.key = "reduce_cleanup", None, None
            result += map(pair_of, pairs_of(job.reduce_cleanup(), none_is_empty=True))
        if job.keep_order:
            return result
        return sorted(result, key=lambda pair: encode_key(pair[0]))


def _moving(state: TaskState, values: list[Record]) -> Iterator[Any]:
    """Yield the values of a group; the job's `key` is that of the current one."""
    for state.key, value in values:
        yield value


def _groups(job: Job, ordered: Iterable[tuple[bytes, Any]]) -> list[tuple[Any, list[Record]]]:
    """Return the groups in key order, each with its (whole key, value) in the order of these keys,
    then of the input.
    """
    groups: dict[bytes, tuple[Any, list[Record]]] = {}
    for encoded, value in ordered:
        whole: Any = decode_key(encoded)
        key = whole
        if job.group_by:
            key = key[: job.group_by] if job.group_by > 1 else key[0]
        groups.setdefault(encode_key(key), (key, []))[1].append((whole, value))
    return list(groups.values())
