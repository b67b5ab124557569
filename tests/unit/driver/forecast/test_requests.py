"""The formula of a run's requests, at sizes that no test runs."""

from __future__ import annotations

from dataclasses import replace

from driver.forecast.pricing import requests_price
from driver.forecast.requests import (
    RHYTHM_S,
    SAMPLED_PLACES,
    RunShape,
    run_requests,
    signs_of_life,
)
from driver.history.lease import S3_RHYTHM_S
from driver.plan.cut import reducer_count, split_rule
from mapreduce.engine.sample import PLACES
from mapreduce.storage import Requests

TB = 10**12


def shape_of(total: int, *, combines: bool, shuffled: int) -> RunShape:
    """Return the shape of a run by the default rules, that shuffles so many bytes."""
    length = split_rule(total, in_bulk=combines).split_bytes or 0
    maps = -(-total // length)
    partitions = reducer_count(total, combines=combines)
    return RunShape(maps, [length] * maps, partitions, shuffled // maps, shuffled // partitions)


def test_each_stage() -> None:
    """Two inputs, three maps of 20 MB each, and two partitions."""
    shape = RunShape(2, [20_000_000] * 3, 2, 10_000_000, 40_000_000)
    made = run_requests(shape)
    assert Requests(get=2) == made.split
    assert Requests(get=3 * (3 + 1), put=3) == made.maps
    assert Requests(get=2 * (1 + 3 * 2), put=2 * (2 + 3)) == made.reduces
    assert Requests(get=6 + 2, head=4 + 6, put=6 + 14, copy=2) == made.driver
    assert made.split + made.maps + made.reduces + made.driver == made.total
    assert made.dollars > 0


def test_a_total_order_samples_the_input() -> None:
    """The splitter reads the sampled places, and writes the boundaries of the ranges."""
    shape = RunShape(1, [20_000_000] * 3, 2, 10_000_000, 40_000_000)
    made = run_requests(replace(shape, total_order=True))
    assert Requests(get=PLACES, put=1) == made.split - run_requests(shape).split
    assert Requests(get=PLACES, put=1) == made.total - run_requests(shape).total
    assert SAMPLED_PLACES == PLACES


def test_signs_of_life() -> None:
    """In each rhythm a run renews its lease, writes a segment and looks for a wish to end; a run
    that is shorter does not. An hour costs less than a cent.
    """
    assert signs_of_life(4.9) == Requests()
    assert signs_of_life(11.0) == Requests(head=2, put=4, delete=3)
    assert RHYTHM_S == S3_RHYTHM_S
    assert requests_price(signs_of_life(3600.0)) < 0.01
    short = RunShape(1, [1000], 1, 1000, 1000)
    long = run_requests(replace(short, seconds=3600.0))
    assert signs_of_life(3600.0) == long.driver - run_requests(short).driver


def test_the_price_of_a_terabyte() -> None:
    """A word count of 1 TB makes requests for less than $0.07, a sort for less than $0.60."""
    count = run_requests(shape_of(TB, combines=True, shuffled=TB // 100))
    assert count.dollars < 0.07
    sort = run_requests(shape_of(TB, combines=False, shuffled=TB))
    assert sort.dollars < 0.60
