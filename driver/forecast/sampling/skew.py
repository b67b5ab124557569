"""How a sample's pairs fall on the partitions, and what to do when one gets too many. Pure."""

from __future__ import annotations

import statistics

from driver.forecast.document import Skew
from driver.forecast.sampling.messages import SampleAnswer
from mapreduce.aggregate import Aggregation
from mapreduce.code import JobClass
from mapreduce.job import Job, reduce_of

UNEVEN = 2.0
"""The largest partition over the median, from which there is advice."""
HEAVY_SHARE = 0.1
"""A key with this share of all pairs makes its partition heavy by itself."""


def skew_of(job: JobClass, answer: SampleAnswer, partitions: int) -> Skew | None:
    """Return the skew of a sample; None without one, or without partitions."""
    total = sum(answer.shares)
    if not total or not partitions:
        return None
    score = max(answer.shares) / max(1.0, statistics.median(answer.shares))
    combines = (
        issubclass(job, Job)
        and isinstance(reduce_of(job), Aggregation)
        and not reduce_of(job).grows
    )
    heavy = bool(answer.keys) and answer.keys[0].share >= HEAVY_SHARE and not combines
    return Skew(
        shares=tuple(share / total for share in answer.shares),
        score=score,
        keys=answer.keys,
        advice=advice(score, heavy=heavy, combines=combines, partitions=partitions),
    )


def advice(score: float, *, heavy: bool, combines: bool, partitions: int) -> str:
    """Return what to do about partitions of unequal size; "" for nothing.

    Args:
        score: the largest partition over the median.
        heavy: one key has a large share of all pairs, and each pair is carried.
        combines: the maps combine the values of a key.
        partitions: how many there are.
    """
    if heavy:
        return (
            "one key has many of the pairs, and all of them go to one reducer: use an aggregation "
            "as `reduce`, write a `combine`, or make the key longer and add up in a second step"
        )
    if score < UNEVEN or partitions == 1:
        return ""
    if combines:
        return "the partitions are uneven, but small: the maps combine the values of each key"
    return f"the partitions are uneven: more reducers than {partitions} divide them further"
