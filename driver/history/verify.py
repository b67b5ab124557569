"""Compares a run's result with a reference run of the same job over the same inputs.

The reference run has one process, and holds all pairs in memory.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from itertools import islice, pairwise
from typing import Any

from driver.history.run_store import RunStore, Success
from driver.plan.tasks import RunPlan
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
from mapreduce.errors import InputError
from mapreduce.formats.json_values import json_key, jsonable, key_of_json
from mapreduce.formats.output import read_pairs
from mapreduce.job import Job
from mapreduce.wire.messages import Message

SHOWN = 5


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
    return verdict_on(plan, runs, success, expected, "plain", watch)


def verdict_on(
    plan: RunPlan,
    runs: RunStore,
    success: Success,
    expected: list[tuple[Any, Any]],
    reference: str,
    watch: Watch | None = None,
) -> Verdict:
    """Compare every pair of a committed result with expected pairs.

    Args:
        plan: of the run.
        runs: the store.
        success: the committed parts.
        expected: the pairs as JSON holds them.
        reference: names the source of the expected pairs.
        watch: is told how many pairs of the result have been read.
    """
    found: list[tuple[Any, Any]] = []
    for url, _, etag in success.parts:
        for pair in read_pairs(runs.storage.read(url, etag=etag).split(b"\n")):
            found.append(pair)
            if watch is not None and not len(found) % WATCH_EVERY:
                watch("pair compared", len(found))
    if len(success.parts) == 1 and not in_key_order(found):
        raise InputError(f"the result of {plan.run} is not in key order")
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


def _counted(pairs: Iterable[tuple[Any, Any]]) -> Counter[str]:
    return Counter(repr(pair) for pair in pairs)


def _examples(
    side: str, pairs: Iterable[tuple[Any, Any]], wanted: Counter[str]
) -> Iterable[Difference]:
    different = (pair for pair in pairs if repr(pair) in wanted)
    return [Difference(side=side, key=key, value=value) for key, value in islice(different, SHOWN)]
