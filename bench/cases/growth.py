"""The cost of ours as the input grows, and the gain of more mappers."""

from __future__ import annotations

from bench.case import Case, Column, Plot, Row, Rows, Series
from bench.cases.columns import MAP, REDUCE, SPLIT, START, THROUGHPUT, WHOLE, figure, seconds, times
from bench.contenders import ours
from bench.results import Summary
from bench.scale import Scale, size_text
from bench.trial import CORES, OURS, Trial

SPLITS = 30
"""The same splits for any number of mappers, so that the work is equal."""


def _growth(scale: Scale) -> list[Trial]:
    return [
        ours(
            "growth",
            scale.text(size),
            variant=size_text(size),
            label=f"**ours**, {size_text(size)}",
        )
        for size in scale.growth_bytes
    ]


def _growth_plots(rows: Rows) -> tuple[Plot, ...]:
    known = [row.ok for row in rows.values() if row.ok]
    series = [
        Series(
            "from the command to the result",
            tuple((each.size_bytes, each.wall_s) for each in known),
        )
    ]
    series += [
        Series(label, tuple((each.size_bytes, each.figures[name]) for each in known))
        for label, name in (
            ("map stage", "map_wall"),
            ("reduce stage", "reduce"),
            ("start of the services", "start"),
        )
    ]
    title = "Cost of growth"
    return (
        Plot("growth", title, "lines", "input", "seconds", tuple(series), log="xy", x_unit="bytes"),
    )


GROWTH = Case(
    name="growth",
    title="Cost of growth",
    about="The built-in word count of texts of the same kind. Small inputs are all start.",
    trials=_growth,
    columns=(WHOLE, THROUGHPUT, START, SPLIT, MAP, REDUCE),
    plots=_growth_plots,
)


def _mappers(scale: Scale) -> list[Trial]:
    text = scale.text(scale.mappers_bytes)
    return [
        ours(
            "mappers",
            text,
            *("--mappers", str(count), "--chunks", str(SPLITS)),
            variant=str(count),
            label=f"**ours**, {count} mapper{'s' if count > 1 else ''}",
        )
        for count in scale.mapper_counts
    ]


def amdahl(serial_s: float, parallel_s: float, mappers: int, cores: int) -> float:
    """Return the bound on the speed-up over one mapper (Amdahl 1967): mappers beyond the cores add
    nothing.
    """
    return (serial_s + parallel_s) / (serial_s + parallel_s / min(mappers, cores))


def _one(rows: Rows) -> Summary | None:
    row = rows.get((OURS, "1"))
    return row.ok if row else None


def _gained(name: str, summary: Summary, rows: Rows) -> float | None:
    one = _one(rows)
    return one.figures[name] / summary.figures[name] if one and summary.figures[name] else None


def _bound(row: Row, rows: Rows) -> float | None:
    one = _one(rows)
    if one is None:
        return None
    whole, parallel = one.figures["end_to_end"], one.figures["map_wall"]
    return amdahl(whole - parallel, parallel, int(row.variant), CORES)


def _mappers_plots(rows: Rows) -> tuple[Plot, ...]:
    known = [(int(row.variant), row, row.ok) for row in rows.values() if row.ok]
    speed_up = tuple(
        Series(
            label,
            tuple((count, gain) for count, _, each in known if (gain := _gained(name, each, rows))),
        )
        for label, name in (("map stage", "map_wall"), ("end to end", "end_to_end"))
    )
    most = tuple((count, bound) for count, row, _ in known if (bound := _bound(row, rows)))
    bounds = Series("Amdahl's bound, end to end", most)
    wall = Series(
        "end to end", tuple((count, each.figures["end_to_end"]) for count, _, each in known)
    )
    stage = Series(
        "map stage", tuple((count, each.figures["map_wall"]) for count, _, each in known)
    )
    where = f"mappers, on {CORES} cores"
    return (
        Plot(
            "mappers-speed-up",
            "Speed-up over one mapper",
            "lines",
            where,
            "times faster",
            (*speed_up, bounds),
        ),
        Plot(
            "mappers-time", "Time and number of mappers", "lines", where, "seconds", (wall, stage)
        ),
    )


MAPPERS = Case(
    name="mappers",
    title="Number of mappers",
    about=f"The built-in word count in {SPLITS} splits, whatever the number of mappers. This "
    f"machine has {CORES} cores: more mappers than cores gain nothing here; in AWS each mapper has "
    "its own cores. Amdahl's bound "
    "takes all that is not the map stage as serial.",
    trials=_mappers,
    columns=(
        WHOLE,
        MAP,
        figure("sum of the map tasks, s", "map_serial_sum", seconds),
        Column(
            "map stage, times one mapper's",
            lambda each, row, rows: times(_gained("map_wall", each, rows)),
        ),
        Column(
            "end to end, times", lambda each, row, rows: times(_gained("end_to_end", each, rows))
        ),
        Column("Amdahl's bound", lambda each, row, rows: times(_bound(row, rows))),
    ),
    plots=_mappers_plots,
)
