"""The laws that make a job's answer independent of how it is run, tested on a sample of its input.

A law names several ways to run the job that must give one answer. If they do not, the sample is
reduced as long as they still differ (delta debugging: Zeller and Hildebrandt, 2002), so that the
author sees the few records that matter.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from mapreduce.check.reference import PlainInput, plain_run
from mapreduce.check.trial import Answer, Trial, run_trial
from mapreduce.encoding import encode_key, encode_value
from mapreduce.engine.broadcasts import broadcasts_of
from mapreduce.formats.json_values import json_key, jsonable, key_of_json
from mapreduce.input_formats import Csv, JsonLines, Text
from mapreduce.job import Job

Pairs = list[tuple[Any, Any]]
_Differing = tuple[Pairs, Pairs] | None
Way = tuple[str, Callable[[Sequence[PlainInput]], Pairs]]
"""The name of a way to run the job, and a function that returns its pairs in a fixed order."""

_ROUNDING = 1e-9
BASE = Trial(splits=1, partitions=1)
LITTLE_MEMORY = 16 << 10
MOST_TRIALS = 400
"""The most runs of the job to reduce an input."""


@dataclass(frozen=True, slots=True)
class Law:
    """A law, and the likely cause of its breach.

    Attributes:
        name: a few words.
        breach: what the author most likely did, and what to do instead.
        ways: the ways to run the job that must give one answer; the first is the reference.
        chances: how often a way is run; more than once if the answers may agree by chance.
    """

    name: str
    breach: str
    ways: tuple[Way, ...]
    chances: int = 1


@dataclass(frozen=True, slots=True)
class Breach:
    """A broken law.

    Attributes:
        law: the law.
        way: the way whose answer differs.
        inputs: the smallest input found for which it differs.
        expected: a pair of the first way alone, or None.
        found: a pair of this way alone, or None.
    """

    law: Law
    way: str
    inputs: tuple[PlainInput, ...]
    expected: tuple[Any, Any] | None
    found: tuple[Any, Any] | None

    @property
    def why(self) -> str:
        """The likely cause, and what to do instead."""
        if self.expected and self.found and differ_by_rounding(self.expected, self.found):
            return (
                "floats are added in another order, and the two answers differ in their last digits"
                " alone: add them exactly, with `reduce = Sum()` or Mean(), or in your own method "
                "with math.fsum(values)"
            )
        return self.law.breach


def differ_by_rounding(one: Any, other: Any) -> bool:
    """Return whether two JSON values differ in the last digits of their floats alone."""
    if isinstance(one, float) and isinstance(other, float):
        return math.isclose(one, other, rel_tol=_ROUNDING)
    if isinstance(one, list | tuple) and isinstance(other, list | tuple):
        return len(one) == len(other) and all(map(differ_by_rounding, one, other))
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(
            differ_by_rounding(value, other[name]) for name, value in one.items()
        )
    return bool(one == other)


def check(
    make: Callable[[], Job], inputs: Sequence[PlainInput], seeded: Sequence[Way] = ()
) -> list[Breach]:
    """Return the laws that a job breaks on a sample, each with the smallest input found.

    A job that is not deterministic breaks all other laws by chance, so then only that law is
    reported.

    Args:
        make: returns a new instance.
        inputs: the sample.
        seeded: ways to run the job under several hash seeds, each in a process of its own.
    """
    formatted = make().format_of
    inputs = [replace(given, format=given.format or formatted(given.name)) for given in inputs]
    first, *others = laws_of(make, seeded)
    if breach := _tried(first, inputs):
        return [breach]
    return [breach for law in others if (breach := _tried(law, inputs))]


def laws_of(make: Callable[[], Job], seeded: Sequence[Way] = ()) -> list[Law]:
    """Return the laws that apply to a job; the first is determinism.

    A wrong `combine` would break others too, so these are tested without it.
    """
    job = make()
    plain = (lambda: _without_combine(make())) if job.combines else make
    laws = [_deterministic(make), _splits(plain)]
    if not job.map_only:
        laws.append(_partitions(plain))
    if job.combines:
        laws.append(_combine(make))
    keeps_order = job.aggregation is not None and job.aggregation.order_matters
    if not (job.map_only or job.order_matters or keeps_order):
        laws.append(_order(plain))
    laws.append(_plain(plain))
    if job.broadcasts():
        laws.append(_broadcast(make, broadcasts_of(job)))
        if type(job).row_join is not Job.row_join:
            laws.append(_row_join(make, broadcasts_of(job)))
    if seeded:
        laws.append(_hash_seed(seeded))
    return laws


def placed(job: Job, answer: Answer) -> Pairs:
    """Return an answer's pairs as JSON, in a fixed order; with a `partition`, each with a part."""
    if job.partitions_itself:
        return _in_one_order(
            [
                (key_of_json(key), {"part": part, "value": value})
                for part, pairs in enumerate(answer.parts)
                for key, value in pairs
            ]
        )
    return _in_one_order([(key_of_json(key), value) for key, value in answer.stored])


SEEDED = Trial(splits=2, partitions=3)
"""The trial for runs under several hash seeds."""


def _hash_seed(ways: Sequence[Way]) -> Law:
    return Law(
        "the answer does not depend on Python's hash seed",
        "`partition` or a key uses hash() of a str or bytes, or the job iterates over a set of "
        "them: both differ from process to process; use zlib.crc32(text.encode()) for the one, and "
        "sorted(...) for the other",
        tuple(ways),
    )


def _deterministic(make: Callable[[], Job]) -> Law:
    once = _way(make, BASE)
    return Law(
        "the same input gives the same answer",
        "the job uses random numbers, the clock, or the order of a set: another attempt at a task "
        "would change the answer; derive what must vary from the record",
        (("once", once), ("again", once)),
        chances=8,
    )


def _splits(make: Callable[[], Job]) -> Law:
    return Law(
        "the answer does not depend on where the input is split",
        "`map` keeps state from one record to the next, or `map_setup` or `map_cleanup` counts "
        "tasks: each map task has its own instance, which sees only its split",
        tuple((_plural(n, "split"), _way(make, replace(BASE, splits=n))) for n in (1, 2, 3, 7)),
    )


def _partitions(make: Callable[[], Job]) -> Law:
    return Law(
        "the answer does not depend on the number of partitions",
        "`reduce` keeps state from one key to the next, or `partition` does not depend on the key "
        "alone: each reduce task sees only the keys of its partition",
        tuple((_plural(n, "partition"), _way(make, Trial(1, partitions=n))) for n in (1, 2, 5)),
    )


def _broadcast(make: Callable[[], Job], names: Sequence[str]) -> Law:
    return Law(
        "an input that each map task holds gives the answer of the shuffle",
        "`map_joined` does not yield what `reduce` yields for the same records: it gets the records"
        " of one input, and what `map` yields for the other, by key",
        (
            ("with a shuffle", _way(make, BASE)),
            *((f"broadcast of {each}", _way(make, Trial(2, 1, broadcast=each))) for each in names),
        ),
    )


def _row_join(make: Callable[[], Job], names: Sequence[str]) -> Law:
    def by_methods() -> Job:
        return _redefined(make(), "row_join")

    trials = [(each, Trial(2, 1, broadcast=each)) for each in names]
    return Law(
        "`row_join` says what `map_joined` does",
        "`map` does not yield each row under the value of the column, or `map_joined` yields other "
        "pairs than the join: leave `row_join` out, or write what it says",
        (
            *((f"`map_joined` with {each}", _way(by_methods, trial)) for each, trial in trials[:1]),
            *((f"`row_join` with {each}", _way(make, trial)) for each, trial in trials),
        ),
    )


def _combine(make: Callable[[], Job]) -> Law:
    return Law(
        "combine changes nothing but the work",
        "`combine` is called any number of times, on any part of a key's values, or never: it must "
        "be associative, and yield what `map` yields (a mean of means is not the mean: yield sum "
        "and count)",
        (
            ("without combine", _way(lambda: _without_combine(make()), BASE)),
            ("with combine", _way(make, BASE)),
            ("with combine, in 3 splits", _way(make, replace(BASE, splits=3))),
            ("with combine at every spill", _way(make, replace(BASE, memory_bytes=LITTLE_MEMORY))),
        ),
    )


def _order(make: Callable[[], Job]) -> Law:
    four = replace(BASE, splits=4)
    return Law(
        "the answer does not depend on the order of a key's values",
        "`reduce` uses the first or the last value, or adds floats in order of arrival: sort the "
        "values with `group_by`, use an aggregation, or set `order_matters = True` if the order "
        "of the input is intended",
        (
            ("4 splits", _way(make, four)),
            ("4 splits, the last one first", _way(make, replace(four, reversed_maps=True))),
        ),
    )


def _plain(make: Callable[[], Job]) -> Law:
    return Law(
        "the answer is that of a plain loop",
        "`map_sql`, `map_arrow` or `map_batch` does not do what `map` does, or your aggregation's "
        "`merge` disagrees with its `plain`",
        (
            ("a plain loop", lambda inputs: _in_one_order(plain_run(make(), inputs).pairs)),
            ("a run", _way(make, BASE)),
        ),
    )


def _way(make: Callable[[], Job], trial: Trial) -> Callable[[Sequence[PlainInput]], Pairs]:
    def pairs(inputs: Sequence[PlainInput]) -> Pairs:
        answer: Answer = run_trial(make(), inputs, trial)
        return _in_one_order([(key_of_json(key), value) for key, value in answer.stored])

    return pairs


def _plural(number: int, noun: str) -> str:
    return f"{number} {noun}" + ("s" if number != 1 else "")


def _in_one_order(pairs: Pairs) -> Pairs:
    """Return pairs as JSON, sorted by key, then value: the order of a key's pairs depends on the
    run.
    """
    as_json = [(json_key(key), jsonable(value)) for key, value in pairs]
    return sorted(
        as_json, key=lambda pair: (encode_key(key_of_json(pair[0])), encode_value(pair[1]))
    )


def _without_combine(job: Job) -> Job:
    return _redefined(job, "combine")


def _redefined(job: Job, method: str) -> Job:
    """Return the job with a method of `Job` in place of the author's."""
    job.__class__ = type(
        type(job).__name__,
        (type(job),),
        {method: getattr(Job, method), "__module__": type(job).__module__},
    )
    return job


def _tried(law: Law, inputs: Sequence[PlainInput]) -> Breach | None:
    for name, way in law.ways[1:]:
        if _difference(law, way, inputs):
            return _smallest(law, (name, way), inputs)
    return None


def _difference(
    law: Law, way: Callable[[Sequence[PlainInput]], Pairs], inputs: Sequence[PlainInput]
) -> _Differing:
    """Return the answers of the law's first way and of another if they differ, else None."""
    for _ in range(law.chances):
        expected, found = law.ways[0][1](inputs), way(inputs)
        if expected != found:
            return expected, found
    return None


def _smallest(law: Law, other: Way, inputs: Sequence[PlainInput]) -> Breach:
    """Return the breach with as few records as `MOST_TRIALS` trials can find."""
    left = MOST_TRIALS // law.chances
    small = list(inputs)
    differing = _difference(law, other[1], small)

    def differs(tried: Sequence[PlainInput]) -> bool:
        nonlocal left, differing
        left -= 1
        difference = _difference(law, other[1], tried) if left > 0 else None
        differing = difference or differing
        return difference is not None

    for number, given in enumerate(inputs):
        cut = _Cut(given)

        def still(records: Sequence[bytes], number: int = number, cut: _Cut = cut) -> bool:
            return differs([*small[:number], cut.of(records), *small[number + 1 :]])

        small[number] = cut.of(_fewest(cut.records, still))
    expected, found = differing or ([], [])
    return Breach(
        law,
        other[0],
        tuple(small),
        next((pair for pair in expected if pair not in found), None),
        next((pair for pair in found if pair not in expected), None),
    )


class _Cut:
    """An input as records that can be left out; one whose format has no lines stays whole."""

    def __init__(self, given: PlainInput) -> None:
        self._given = given
        has_lines = isinstance(given.format, Text | JsonLines | Csv)
        lines = given.content.splitlines(keepends=True) if has_lines else []
        header = 1 if isinstance(given.format, Csv) and given.format.header else 0
        quoted = isinstance(given.format, Csv) and b'"' in given.content
        self._head = b"".join(lines[:header])
        self.records = [] if quoted else lines[header:]

    def of(self, records: Sequence[bytes]) -> PlainInput:
        """Return the input with only these records."""
        if not self.records:
            return self._given
        return replace(self._given, content=self._head + b"".join(records))


def _fewest(records: list[bytes], still: Callable[[list[bytes]], bool]) -> list[bytes]:
    """Return a sublist for which `still` holds, minimal if the trials suffice."""
    # leave out one part at a time; if none can go, cut finer (ddmin without its test of the parts
    # alone)
    parts = 2
    while len(records) > 1:
        size = -(-len(records) // parts)
        for start in range(0, len(records), size):
            rest = records[:start] + records[start + size :]
            if rest and still(rest):
                records, parts = rest, max(parts - 1, 2)
                break
        else:
            if size == 1:
                break
            parts = min(parts * 2, len(records))
    return records
