"""From the figures of a job to the forecast of a run: sums, waves and price. Pure."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence

from pydantic import Field

from driver.forecast.document import Money, StageForecast
from driver.forecast.figures import Figures, StageFigures
from driver.forecast.fleet_price import LEAST_BILLED_S, PricedFleet, Usage
from driver.forecast.pricing import requests_price
from driver.forecast.receipt import ForecastLine, Range, Unit
from driver.forecast.requests import RunShape, run_requests
from driver.forecast.spread import Spread
from driver.forecast.waves import stage_wall_s, waves
from driver.plan.target import Target
from driver.transport.endpoint import Role
from mapreduce.storage import Requests
from mapreduce.wire.messages import Message, StageName

START_S: dict[Target, float] = {"local": 0.35, "inline": 0.3, "aws": 3.0, "spark": 6.0}
"""Seconds from the command to the first task."""
NOTHING_TO_DO_S = 0.35
"""Of a run that reuses everything, and waits for no service."""
COLD_START_S = 90.0
"""Of a stack whose services are stopped: Fargate takes one or two minutes."""
TASK_S: dict[Target, float] = {"local": 0.04, "inline": 0.002, "aws": 0.15, "spark": 0.05}
"""Seconds of each task beside its work: its request, its process, its record."""
STAGE_S: dict[Target, float] = {"local": 0.1, "inline": 0.0, "aws": 0.5, "spark": 0.5}
"""Seconds of each stage beside its tasks: the first task of a service imports the job."""
SPLIT_S, SPLIT_INPUT_S = 0.03, 0.001
COMMIT_S, COMMIT_PART_S = 0.03, 0.01
REQUESTS_LOW, REQUESTS_HIGH = 0.85, 1.3
"""Around the formula, which knows no retry, no empty block and no heartbeat record."""
MEMORY = Spread(low=0.7, middle=1.0, high=1.5)
BUFFERS_SHARE = 0.5
"""A task that does not hold all that it maps spills beyond half of its memory."""
PARTS = ("start", "split", "map", "reduce", "commit")
"""What the time from the command to the result is the sum of."""
UNITS: dict[str, Unit] = {
    "end_to_end": "s",
    "start": "s",
    "split": "s",
    "map": "s",
    "reduce": "s",
    "commit": "s",
    "map_task": "s",
    "reduce_task": "s",
    "map_memory": "bytes",
    "reduce_memory": "bytes",
    "map_tasks": "tasks",
    "reduce_tasks": "tasks",
    "vcpu_s": "vcpu_s",
    "gib_s": "gib_s",
    "requests": "requests",
    "usd_tasks": "usd",
    "usd_requests": "usd",
    "usd": "usd",
}
"""The quantities of a forecast and a receipt, in their order, and the unit of each."""
NOT_PRICED = ("data out of AWS", "logs", "what is stored", "requests of other regions")


class Work(Message):
    """The tasks of a run.

    `new_maps` are the bytes that each map task to run reads, `all_maps` those of all map tasks.
    `shares` are the partitions' shares of the shuffled bytes; empty for equal ones.
    `total_order`: the partitions are ranges of keys, for which the input is sampled.
    """

    inputs: int
    new_maps: tuple[int, ...]
    all_maps: tuple[int, ...]
    partitions: int
    reduces_reused: int = 0
    shares: tuple[float, ...] = ()
    total_order: bool = False

    @property
    def new_reduces(self) -> int:
        """How many reduce tasks run."""
        return self.partitions - self.reduces_reused


class Place(Message):
    """Where a run is carried out: its slots, the memory of a task, and for AWS its fleet.

    `counts` are the tasks that each service has while the run goes on, `started` those of them that
    the run starts. `uses_s3`: the store is a bucket.
    """

    target: Target
    map_slots: int
    reduce_slots: int
    map_memory_bytes: int | None = None
    reduce_memory_bytes: int | None = None
    fleet: PricedFleet | None = None
    counts: dict[Role, int] = Field(default_factory=dict)
    started: dict[Role, int] = Field(default_factory=dict)
    uses_s3: bool = False

    @property
    def is_cold(self) -> bool:
        """Whether a service has to start first."""
        return any(self.started.values())


def raw_values(work: Work, figures: Figures, place: Place) -> dict[str, float]:
    """Return the single value of each quantity, before it is scaled by earlier runs."""
    extra_s = TASK_S[place.target]
    maps_s = [figures.map.seconds.at(size * figures.unpacked) + extra_s for size in work.new_maps]
    found = {
        "start": _start_s(work, place),
        "split": SPLIT_S + SPLIT_INPUT_S * work.inputs,
        "map": stage_wall_s(maps_s, place.map_slots) + (STAGE_S[place.target] if maps_s else 0.0),
        "map_tasks": float(len(work.new_maps)),
        "reduce": 0.0,
        "reduce_tasks": float(work.new_reduces),
    }
    if maps_s:
        longest = max(work.new_maps) * figures.unpacked
        found["map_task"] = statistics.median(maps_s)
        found["map_memory"] = _memory(
            figures.map, longest, place.map_memory_bytes, holds_all=figures.holds_all
        )
    if work.new_reduces and figures.reduce is not None:
        parts = partition_bytes(work, figures)
        reduces_s = [figures.reduce.seconds.at(size) + extra_s for size in parts]
        heaviest = sorted(reduces_s, reverse=True)[: work.new_reduces]
        wall_s = stage_wall_s(heaviest, place.reduce_slots)
        found["reduce"] = wall_s + STAGE_S[place.target]
        found["reduce_task"] = statistics.median(heaviest)
        found["reduce_memory"] = _memory(
            figures.reduce, max(parts), place.reduce_memory_bytes, holds_all=False
        )
    found["commit"] = COMMIT_S + COMMIT_PART_S * max(1, work.partitions)
    found["end_to_end"] = sum(found[name] for name in PARTS)
    if place.fleet is not None:
        found["vcpu_s"] = usage_for(place, found["end_to_end"]).vcpu_s
    if place.uses_s3:
        made = requests_of(work, figures, found["end_to_end"])
        found["requests"] = float(sum(_counts(made)))
    return found


def partition_bytes(work: Work, figures: Figures) -> list[float]:
    """Return the bytes that each reduce task reads."""
    shuffled = sum(figures.map.bytes_out.at(size * figures.unpacked) for size in work.all_maps)
    shares = work.shares or (1 / max(1, work.partitions),) * work.partitions
    return [shuffled * share for share in shares]


def requests_of(work: Work, figures: Figures, seconds: float) -> Requests:
    """Return the requests to S3 of a run that takes so long, by the formula."""
    sizes = [figures.map.bytes_out.at(size * figures.unpacked) for size in work.new_maps]
    parts = partition_bytes(work, figures)
    written = figures.reduce.bytes_out.at(max(parts, default=0)) if figures.reduce else 0
    shape = RunShape(
        inputs=work.inputs,
        splits=work.new_maps,
        partitions=work.new_reduces,
        map_output_bytes=int(statistics.fmean(sizes)) if sizes else 0,
        part_bytes=int(written),
        seconds=seconds,
        total_order=work.total_order,
    )
    return run_requests(shape).total


def usage_for(place: Place, seconds: float) -> Usage:
    """Return what the fleet uses in a run that takes so long."""
    if place.fleet is None:
        return Usage()
    task_s: dict[Role, float] = {
        role: max(count * seconds, LEAST_BILLED_S * place.started.get(role, 0))
        for role, count in place.counts.items()
    }
    return place.fleet.usage(task_s, seconds)


def forecast_lines(
    raw: Mapping[str, float], spreads: Mapping[str, Spread], place: Place, requests: Requests
) -> tuple[ForecastLine, ...]:
    """Return the range of each quantity.

    The time is the sum of its parts, which may all be low or all be high. What the tasks use and
    cost follows from the range of the time, or from what earlier runs used; counts of tasks are
    certain.
    """
    ranges: dict[str, Range] = {}
    for name, value in raw.items():
        if name.endswith("_tasks"):
            ranges[name] = Range(low=value, high=value)
        elif name == "requests":
            ranges[name] = Range(low=value * REQUESTS_LOW, high=value * REQUESTS_HIGH)
        else:
            default = MEMORY if name.endswith("_memory") else Spread()
            ranges[name] = spreads.get(name, default).of(value)
    if "end_to_end" in ranges and all(name in ranges for name in PARTS):
        parts = [ranges[name] for name in PARTS]
        whole = Range(low=sum(part.low for part in parts), high=sum(part.high for part in parts))
        ranges["end_to_end"] = narrowed(whole, spreads.get("end_to_end", Spread()))
    if place.fleet is not None and "end_to_end" in ranges:
        usage = _usage_range(raw, spreads.get("vcpu_s"), ranges["end_to_end"], place)
        ranges |= _money_ranges(usage, requests)
    return tuple(
        ForecastLine(name=name, unit=unit, expected=ranges[name])
        for name, unit in UNITS.items()
        if name in ranges
    )


def narrowed(whole: Range, known: Spread) -> Range:
    """Return a range no wider than the earlier runs allow: one of its parts may have fewer of them.

    Args:
        whole: the range.
        known: the spread of the same quantity in earlier runs.
    """
    if whole.low <= 0 or whole.high / whole.low <= known.high / known.low:
        return whole
    middle, way = math.sqrt(whole.low * whole.high), math.sqrt(known.high / known.low)
    return Range(low=middle / way, high=middle * way)


def _usage_range(
    raw: Mapping[str, float], known: Spread | None, time: Range, place: Place
) -> tuple[Usage, Usage]:
    """Return what the fleet uses at the low and at the high end.

    It is in use for a part of the time only: not before the driver has found it, nor while the
    result is written out. Which part, earlier runs tell.
    """
    if known is None:
        return usage_for(place, time.low), usage_for(place, time.high)
    used = usage_for(place, raw["end_to_end"])
    return used.times(known.low), used.times(known.high)


def _money_ranges(usage: tuple[Usage, Usage], requests: Requests) -> dict[str, Range]:
    low, high = usage
    made = requests_price(requests)
    ranges = {
        "vcpu_s": Range(low=low.vcpu_s, high=high.vcpu_s),
        "gib_s": Range(low=low.gib_s, high=high.gib_s),
        "usd_tasks": Range(low=low.usd, high=high.usd),
        "usd_requests": Range(low=made * REQUESTS_LOW, high=made * REQUESTS_HIGH),
    }
    tasks, asked = ranges["usd_tasks"], ranges["usd_requests"]
    ranges["usd"] = Range(low=tasks.low + asked.low, high=tasks.high + asked.high)
    return ranges


def money_of(lines: Sequence[ForecastLine], place: Place) -> Money | None:
    """Return the price of a run; None where nothing is priced."""
    found = {line.name: line.expected for line in lines}
    if place.fleet is None or "usd" not in found:
        return None
    return Money(
        tasks=found["usd_tasks"],
        requests=found["usd_requests"],
        together=found["usd"],
        standing_usd_hour=place.fleet.hour_usd(place.counts),
        not_priced=NOT_PRICED,
    )


def stages_of(
    work: Work, lines: Sequence[ForecastLine], place: Place, figures: Figures
) -> tuple[StageForecast, ...]:
    """Return the rows of a plan's table: the map and the reduce stage."""
    found = {line.name: line.expected for line in lines}
    none = Range(low=0.0, high=0.0)

    def row(
        stage: StageName, tasks: int, reused: int, slots: int, limit: int | None
    ) -> StageForecast:
        memory = found.get(f"{stage}_memory", none)
        too_much = stage == "map" and limit is not None and memory.high > limit
        return StageForecast(
            stage=stage,
            tasks=tasks,
            reused=reused,
            slots=slots,
            waves=waves(tasks, slots),
            task_s=found.get(f"{stage}_task", none),
            wall_s=found.get(stage, none),
            memory_bytes=memory,
            memory_limit_bytes=limit,
            fits_bytes=fitting_split(figures, limit) if too_much and limit else None,
        )

    maps = len(work.new_maps)
    rows = [row("map", maps, len(work.all_maps) - maps, place.map_slots, place.map_memory_bytes)]
    if work.partitions:
        limit = place.reduce_memory_bytes
        rows.append(row("reduce", work.new_reduces, work.reduces_reused, place.reduce_slots, limit))
    return tuple(rows)


def fitting_split(figures: Figures, limit_bytes: int) -> int | None:
    """Return the longest split, a power of two, whose map task stays within a task's memory."""
    for exponent in range(40, 15, -1):
        if figures.map.memory.at((1 << exponent) * figures.unpacked) * MEMORY.high <= limit_bytes:
            return 1 << exponent
    return None


def _start_s(work: Work, place: Place) -> float:
    if not work.new_maps and not work.new_reduces:
        return NOTHING_TO_DO_S
    return COLD_START_S if place.is_cold else START_S[place.target]


def _memory(
    figures: StageFigures, size: float, limit_bytes: int | None, *, holds_all: bool
) -> float:
    """Return a task's peak memory; one that can spill stays within its buffers."""
    memory = figures.memory.at(size)
    if holds_all or limit_bytes is None:
        return memory
    return min(memory, figures.memory.fixed + BUFFERS_SHARE * limit_bytes)


def _counts(made: Requests) -> tuple[int, ...]:
    return made.get, made.head, made.put, made.copy, made.list
