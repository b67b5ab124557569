"""From figures to a run's forecast, with sums worked out by hand."""

from __future__ import annotations

import pytest

from driver.forecast.figures import Figures, Growth, StageFigures
from driver.forecast.fleet_price import LEAST_BILLED_S
from driver.forecast.model import (
    COLD_START_S,
    PARTS,
    STAGE_S,
    TASK_S,
    Place,
    Work,
    fitting_split,
    forecast_lines,
    money_of,
    partition_bytes,
    raw_values,
    requests_of,
    stages_of,
    usage_for,
)
from driver.forecast.pricing import requests_price
from driver.forecast.receipt import Range
from driver.forecast.spread import Spread
from driver.transport.endpoint import Role
from mapreduce.storage import Requests
from tests.unit.driver.forecast.test_fleet_price import FLEET

MIB = 1 << 20
FIGURES = Figures(
    map=StageFigures(
        seconds=Growth(fixed=1.0, factor=1.0 / MIB),
        bytes_out=Growth(factor=0.5),
        memory=Growth(fixed=100 * MIB, factor=2.0),
    ),
    reduce=StageFigures(
        seconds=Growth(factor=2.0 / MIB),
        bytes_out=Growth(factor=1.0),
        memory=Growth(fixed=50.0 * MIB),
    ),
)
WORK = Work(
    inputs=1, new_maps=(4 * MIB, 4 * MIB, 2 * MIB), all_maps=(4 * MIB, 4 * MIB, 2 * MIB, 6 * MIB),
    partitions=2,
)  # fmt: skip
HERE = Place(target="local", map_slots=2, reduce_slots=1, map_memory_bytes=400 * MIB)
COUNTS: dict[Role, int] = {"splitter": 1, "mapper": 2, "reducer": 1}
STACK = Place(
    target="aws",
    map_slots=4,
    reduce_slots=1,
    fleet=FLEET,
    counts=COUNTS,
    started=COUNTS,
    uses_s3=True,
)


def test_the_seconds_of_each_stage() -> None:
    """Tasks of 5, 5 and 3 s on two slots; two reduces of 4 MiB, 8 s each, on one."""
    extra, once = TASK_S["local"], STAGE_S["local"]
    raw = raw_values(WORK, FIGURES, HERE)
    assert pytest.approx(8 + 2 * extra + once) == raw["map"]
    assert pytest.approx(5 + extra) == raw["map_task"]
    assert pytest.approx(16 + 2 * extra + once) == raw["reduce"]
    assert (3.0, 2.0) == (raw["map_tasks"], raw["reduce_tasks"])
    assert pytest.approx(sum(raw[name] for name in PARTS)) == raw["end_to_end"]
    assert "requests" not in raw


def test_reduces_read_what_all_maps_wrote() -> None:
    """Also of maps that are reused: half of 16 MiB, by the shares of the sample."""
    assert [4 * MIB, 4 * MIB] == partition_bytes(WORK, FIGURES)
    uneven = WORK.model_copy(update={"shares": (0.75, 0.25)})
    assert [6 * MIB, 2 * MIB] == partition_bytes(uneven, FIGURES)


def test_compressed_input_counts_unpacked() -> None:
    """Three bytes from each: 13 s for a split of 4 MiB."""
    figures = FIGURES.model_copy(update={"unpacked": 3.0})
    assert pytest.approx(13 + TASK_S["local"]) == raw_values(WORK, figures, HERE)["map_task"]


def test_a_stopped_stack_has_to_start() -> None:
    """A minute and a half, unless nothing has to be done at all."""
    assert COLD_START_S == raw_values(WORK, FIGURES, STACK)["start"]
    done = WORK.model_copy(update={"new_maps": (), "reduces_reused": 2})
    assert raw_values(done, FIGURES, STACK)["start"] < 1


def test_memory_stays_within_the_buffers_of_a_task_that_spills() -> None:
    """A split of 1 GiB needs 2.1 GiB if all is held, and half of 400 MiB more than nothing."""
    large = WORK.model_copy(update={"new_maps": (1 << 30,)})
    assert pytest.approx(300 * MIB) == raw_values(large, FIGURES, HERE)["map_memory"]
    held = FIGURES.model_copy(update={"holds_all": True})
    assert pytest.approx(2148 * MIB) == raw_values(large, held, HERE)["map_memory"]


def test_the_split_that_fits_is_said() -> None:
    """(100 MiB + 2 x 64 MiB) x 1.5 fits in 400 MiB, and twice as long a split does not."""
    assert 64 * MIB == fitting_split(FIGURES, 400 * MIB)
    assert fitting_split(FIGURES, 10 * MIB) is None
    held = FIGURES.model_copy(update={"holds_all": True})
    large = WORK.model_copy(update={"new_maps": (1 << 30,)})
    lines = forecast_lines(raw_values(large, held, HERE), {}, HERE, Requests())
    (maps, _) = stages_of(large, lines, HERE, held)
    assert 64 * MIB == maps.fits_bytes


def test_the_rows_of_the_table() -> None:
    """Three of four maps in two waves; two reduces one after the other."""
    lines = forecast_lines(raw_values(WORK, FIGURES, HERE), {}, HERE, Requests())
    maps, reduces = stages_of(WORK, lines, HERE, FIGURES)
    assert ("map", 3, 1, 2, 2) == (maps.stage, maps.tasks, maps.reused, maps.slots, maps.waves)
    assert ("reduce", 2, 0, 1, 2) == (
        reduces.stage,
        reduces.tasks,
        reduces.reused,
        reduces.slots,
        reduces.waves,
    )


def test_ranges_follow_from_earlier_runs() -> None:
    """The map stage has a spread of its own, all others the wide one; counts are certain."""
    spread = Spread(low=0.9, middle=1.0, high=1.2)
    raw = {"map": 10.0, "reduce": 10.0, "map_tasks": 3.0}
    lines = forecast_lines(raw, {"map": spread}, HERE, Requests())
    found = {line.name: line.expected for line in lines}
    assert found == {
        "map": Range(low=9, high=12),
        "reduce": Range(low=5, high=30),
        "map_tasks": Range(low=3, high=3),
    }
    assert money_of(lines, HERE) is None


def test_the_time_is_the_sum_of_its_parts() -> None:
    """All parts low, or all high: so it is no wider than they are."""
    spread = Spread(low=0.8, middle=1.0, high=1.6)
    raw = raw_values(WORK, FIGURES, HERE)
    lines = forecast_lines(raw, dict.fromkeys(PARTS, spread), HERE, Requests())
    (time,) = [line.expected for line in lines if line.name == "end_to_end"]
    assert pytest.approx((0.8 * raw["end_to_end"], 1.6 * raw["end_to_end"])) == (
        time.low,
        time.high,
    )


def test_a_part_with_fewer_runs_does_not_widen_the_time() -> None:
    """The commit is known from no run, and the time from three: at most twice."""
    raw = raw_values(WORK, FIGURES, HERE)
    narrow = Spread(low=0.5**0.5, middle=1.0, high=2**0.5)
    known = dict.fromkeys(("start", "split", "map", "reduce", "end_to_end"), narrow)
    lines = forecast_lines(raw, known, HERE, Requests())
    (time,) = [line.expected for line in lines if line.name == "end_to_end"]
    assert time.high <= 2 * time.low * (1 + 1e-9)


def test_the_price_follows_from_the_time() -> None:
    """Low and high end of the time, at least a minute of each started task, and the requests."""
    requests = Requests(put=1000)
    spread = Spread(low=0.5, middle=1.0, high=2.0)
    lines = forecast_lines({"end_to_end": 100.0}, {"end_to_end": spread}, STACK, requests)
    money = money_of(lines, STACK)
    assert money is not None
    assert pytest.approx(usage_for(STACK, 50.0).usd) == money.tasks.low
    assert pytest.approx(usage_for(STACK, 200.0).usd) == money.tasks.high
    assert money.requests.low < requests_price(requests) < money.requests.high
    assert pytest.approx(money.tasks.low + money.requests.low) == money.together.low
    assert pytest.approx(FLEET.hour_usd(COUNTS)) == money.standing_usd_hour
    minute = usage_for(STACK, LEAST_BILLED_S).usd
    assert pytest.approx(minute) == usage_for(STACK, 1.0).usd


def test_what_earlier_runs_used_tells_the_price() -> None:
    """They used the fleet for 60 of 100 seconds: its price follows, whatever the time is."""
    raw = {"end_to_end": 100.0, "vcpu_s": usage_for(STACK, 100.0).vcpu_s}
    known = {"end_to_end": Spread(), "vcpu_s": Spread(low=0.5, middle=0.6, high=0.7)}
    found = {line.name: line for line in forecast_lines(raw, known, STACK, Requests())}
    whole = usage_for(STACK, 100.0)
    tasks = found["usd_tasks"].expected
    assert pytest.approx((0.5 * whole.usd, 0.7 * whole.usd)) == (tasks.low, tasks.high)
    vcpu = found["vcpu_s"].expected
    assert pytest.approx((0.5 * whole.vcpu_s, 0.7 * whole.vcpu_s)) == (vcpu.low, vcpu.high)
    assert raw_values(WORK, FIGURES, STACK)["vcpu_s"] > 0


def test_requests_are_those_of_the_formula() -> None:
    """Three maps and two reduces read and write a bucket."""
    raw = raw_values(WORK, FIGURES, STACK)
    made = requests_of(WORK, FIGURES, raw["end_to_end"])
    assert made.put >= 3 + 2
    assert float(made.get + made.head + made.put + made.copy) == raw["requests"]
