"""The choice of the input that each map task holds."""

from __future__ import annotations

from typing import Any, Literal

import pytest

from driver.plan.broadcast import BROADCAST_BYTES, choose
from driver.plan.config import RunConfig
from mapreduce.wire.messages import InputObject
from mapreduce_jobs.join import Join

MIB = 1 << 20
How = Literal["inner", "left", "right", "outer", "semi", "anti"]


def inputs(left: int, right: int, end: str = "csv") -> tuple[InputObject, ...]:
    """Return two inputs of these lengths."""
    return tuple(
        InputObject(url=f"file:///{name}.{end}", size=size, etag="1", name=name)
        for name, size in (("left", left), ("right", right))
    )


def config(**options: Any) -> RunConfig:
    """Return the configuration of a run."""
    return RunConfig(inputs=("left=left.csv", "right=right.csv"), **options)


@pytest.mark.parametrize(
    ("how", "left", "right", "expected"),
    [
        ("inner", 10 * MIB, MIB, "right"),
        ("inner", MIB, 10 * MIB, "left"),
        ("left", MIB, 10 * MIB, "right"),
        ("left", MIB, 100 * MIB, ""),
        ("right", MIB, 10 * MIB, "left"),
        ("semi", 100 * MIB, MIB, "right"),
        ("anti", 100 * MIB, MIB, "right"),
        ("outer", MIB, MIB, ""),
    ],
)
def test_the_shorter_input_that_may_be_broadcast(
    how: How, left: int, right: int, expected: str
) -> None:
    """The shortest input is broadcast that may be, if it is short enough."""
    assert expected == choose(Join(how=how), inputs(left, right), config(), None).name


def test_the_reason_names_sizes_and_the_limit() -> None:
    """The choice says which input, how long it is, and what the limit comes from."""
    chosen = choose(Join(), inputs(9 << 30, 3 * MIB), config(), None)
    assert "broadcast of right (3.0 MiB, at most 64.0 MiB: --broadcast), no shuffle" == (
        chosen.reason
    )
    small = config(broadcast_bytes=MIB)
    assert "shuffle: right has 3.0 MiB, more than 1.0 MiB (--broadcast)" == (
        choose(Join(), inputs(9 << 30, 3 * MIB), small, None).reason
    )


def test_no_input_may_be_broadcast() -> None:
    """A join whose result has rows of either table alone says why it shuffles."""
    chosen = choose(Join(how="outer"), inputs(9, 9), config(), None)
    assert "shuffle, because `broadcasts` of Join names no input" == chosen.reason


def test_the_option_forbids_and_forces() -> None:
    """A limit of 0 forbids a broadcast, a large one forces it, also against --reducers."""
    assert "shuffle (--broadcast 0)" == (
        choose(Join(), inputs(9, 9), config(broadcast_bytes=0), None).reason
    )
    long = inputs(9 << 30, 1 << 30)
    assert "" == choose(Join(), long, config(), None).name
    assert "right" == choose(Join(), long, config(broadcast_bytes=2 << 30, reducers=4), None).name


def test_little_memory_lowers_the_limit() -> None:
    """By default the limit is a 32nd of a task's memory, at most 64 MiB."""
    assert "" == choose(Join(), inputs(9 << 30, 9 * MIB), config(), 256 * MIB).name
    assert "right" == choose(Join(), inputs(9 << 30, 8 * MIB), config(), 256 * MIB).name
    assert "" == choose(Join(), inputs(9 << 30, BROADCAST_BYTES + 1), config(), 1 << 40).name


def test_a_compressed_input_counts_several_times() -> None:
    """A compressed input is taken to be eight times longer."""
    assert "right" == choose(Join(), inputs(9 << 30, 8 * MIB, "csv.gz"), config(), None).name
    assert "" == choose(Join(), inputs(9 << 30, 8 * MIB + 1, "csv.gz"), config(), None).name


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"sort": True}, "the parts are to be in key order"),
        ({"skip_bad_records": 1}, "bad records are set aside"),
        ({"reducers": 2}, "--reducers says how many parts there are"),
        ({"mode": "copy"}, "the input is copied"),
    ],
)
def test_what_a_broadcast_cannot_do(options: dict[str, Any], why: str) -> None:
    """Options that need a reduce stage, or another map, forbid a broadcast; the reason says so."""
    chosen = choose(Join(), inputs(9, 9), config(**options), None)
    assert ("", f"shuffle, because {why}") == (chosen.name, chosen.reason)


def test_what_a_job_asks_for_that_a_broadcast_cannot_do() -> None:
    """The order of `reduce`, and a part for each key, need a reduce stage."""

    class Ordered(Join):
        keep_order = True

    class Placed(Join):
        def partition(self, key: Any, parts: int) -> int:
            """Return the first part."""
            return 0

    for cls, why in (Ordered, "`keep_order` asks for"), (Placed, "the job's `partition` says"):
        chosen = choose(cls(), inputs(9, 9), config(), None)
        assert "" == chosen.name
        assert why in chosen.reason


@pytest.mark.parametrize(("left", "right"), [(0, 9), (9, 0)])
def test_an_empty_input_forbids_a_broadcast(left: int, right: int) -> None:
    """No map task would read the other one, and say what is wrong with it."""
    assert "shuffle, because an input is empty" == (
        choose(Join(how="left"), inputs(left, right), config(), None).reason
    )
