"""Compares a run's result with a reference run of the same job over the same inputs.

The reference run has one process, and holds all pairs in memory.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import chain, islice, pairwise
from typing import Any

from driver.history.run_store import RunStore, Success
from driver.plan.tasks import RunPlan
from driver.program.command_name import COMMAND
from driver.text import shown
from mapreduce.chain import Chain
from mapreduce.check.reference import (
    WATCH_EVERY,
    LeftOut,
    PlainInput,
    Watch,
    pair_text,
    plain_answer,
)
from mapreduce.encoding import encode_key
from mapreduce.errors import DataError, InputError
from mapreduce.formats.json_values import json_key, jsonable, key_of_json
from mapreduce.formats.output import read_pairs
from mapreduce.input_formats import Pairs
from mapreduce.job import Job
from mapreduce.wire.messages import Message

SHOWN = 5
SHOWN_CHARACTERS = 80


class Difference(Message):
    """A pair that only one side has: the run, or the reference."""

    side: str
    key: Any
    value: Any


class Verdict(Message):
    """Whether the answers are equal; `missing` pairs are the reference's, `extra` ones the
    run's.
    """

    run: str
    pairs: int
    equal: bool
    missing: int
    extra: int
    examples: tuple[Difference, ...]


def verify_run(
    plan: RunPlan, job: Job | Chain, runs: RunStore, success: Success, watch: Watch | None = None
) -> Verdict:
    """Compare every pair of a committed result with the reference run's.

    Args:
        plan: of the run.
        job: a new instance.
        runs: the store.
        success: the committed parts.
        watch: is told how far the reference run is.

    Raises:
        InputChanged: an input has changed since the run read it.
    """
    answer = plain_answer(job, _contents(plan, job, runs), _left_out(plan, runs), watch)
    expected = [(json_key(key), jsonable(value)) for key, value in answer]
    return verdict_on(plan, runs, success, expected, "plain", watch, ordered=True)


def verdict_on(
    plan: RunPlan,
    runs: RunStore,
    success: Success,
    expected: list[tuple[Any, Any]],
    reference: str,
    watch: Watch | None = None,
    *,
    ordered: bool = False,
) -> Verdict:
    """Compare every pair of a committed result with expected pairs.

    Args:
        plan: of the run.
        runs: the store.
        success: the committed parts.
        expected: the pairs as JSON holds them.
        reference: names the source of the expected pairs.
        watch: is told how many pairs of the result have been read.
        ordered: the expected pairs are in the order in which a plain loop yields them.

    Raises:
        DataError: a result with `keep_order` has its pairs in another order.
    """
    found: list[tuple[Any, Any]] = []
    found_in: list[list[tuple[Any, Any]]] = []
    for url, _, etag in success.parts:
        found_in.append([])
        for pair in read_pairs(runs.storage.read(url, etag=etag).split(b"\n")):
            found.append(pair)
            found_in[-1].append(pair)
            if watch is not None and not len(found) % WATCH_EVERY:
                watch("pair compared", len(found))
    if len(success.parts) == 1 and not success.keep_order and not in_key_order(found):
        raise InputError(f"the result of {plan.run} is not in key order")
    if success.keep_order and ordered:
        _check_order(plan, found_in, expected)
    missing, extra = _counted(expected), _counted(found)
    common = missing & extra
    missing, extra = missing - common, extra - common
    shown = [*_examples(reference, expected, missing), *_examples("run", found, extra)]
    return Verdict(
        run=plan.run,
        pairs=len(found),
        equal=not missing and not extra,
        missing=missing.total(),
        extra=extra.total(),
        examples=tuple(shown),
    )


def _contents(plan: RunPlan, job: Job | Chain, runs: RunStore) -> Iterable[PlainInput]:
    for given in plan.inputs:
        form = given.format if isinstance(job, Job) else None
        yield PlainInput(given.url, runs.storage.read(given.url, etag=given.etag), given.name, form)
    for part in plan.joined:
        content = runs.storage.read(part.url, etag=part.etag)
        yield PlainInput(part.url, content, "joined", Pairs(), joined=True)


def _left_out(plan: RunPlan, runs: RunStore) -> list[LeftOut]:
    """Return the records that each step of the run has set aside; a job is one step."""
    inputs = {given.url for given in plan.inputs}
    left_out = []
    for step in runs.steps_of(plan):
        letters = runs.dead_letters(step)
        records = frozenset((each.url, each.key) for each in letters if each.url in inputs)
        pairs = (pair_text(each.key, each.record) for each in letters if each.url not in inputs)
        left_out.append(LeftOut(records, Counter(pairs)))
    return left_out


def in_key_order(pairs: Iterable[tuple[Any, Any]]) -> bool:
    """Return whether the keys never descend."""
    keys = [encode_key(key_of_json(key)) for key, _ in pairs]
    return all(before <= after for before, after in pairwise(keys))


def _check_order(
    plan: RunPlan,
    found_in: Iterable[Iterable[tuple[Any, Any]]],
    expected: Sequence[tuple[Any, Any]],
) -> None:
    """Check that each part is in the order of the plain loop, and all of them with total order.

    Pairs that only one side has are left to the comparison of all pairs.

    Raises:
        DataError: a part is in another order.
    """
    places: dict[str, list[int]] = {}
    for place, pair in enumerate(expected):
        places.setdefault(repr(pair), []).append(place)
    texts = [[repr(pair) for pair in part] for part in found_in]
    if plan.total_order or not plan.partitions:
        texts = [list(chain.from_iterable(texts))]
    for number, part in enumerate(texts):
        wrong = _out_of_order(part, places)
        if wrong is not None:
            raise DataError(
                f"part {number} of {plan.run} has its pairs in another order than `reduce` or "
                f"`map` yields them, first at {shown(wrong, SHOWN_CHARACTERS)}; see whether the "
                f"job gives the same answer twice: {COMMAND} check"
            )


def _out_of_order(part: Sequence[str], places: Mapping[str, Sequence[int]]) -> str | None:
    """Return the first pair of a part that stands before a pair that was yielded earlier, or None.

    Args:
        part: the pairs that it has.
        places: of each pair, where it may stand, ascending.
    """
    # the earliest place after the last one: the usual test for a subsequence
    left = {pair: iter(at) for pair, at in places.items()}
    last = -1
    for pair in part:
        if pair not in left:
            continue  # the comparison of all pairs finds it
        found = next((at for at in left[pair] if at > last), None)
        if found is None:
            return pair
        last = found
    return None


def _counted(pairs: Iterable[tuple[Any, Any]]) -> Counter[str]:
    return Counter(repr(pair) for pair in pairs)


def _examples(
    side: str, pairs: Iterable[tuple[Any, Any]], wanted: Counter[str]
) -> Iterable[Difference]:
    different = (pair for pair in pairs if repr(pair) in wanted)
    return [Difference(side=side, key=key, value=value) for key, value in islice(different, SHOWN)]
