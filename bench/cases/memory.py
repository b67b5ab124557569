"""The memory of a task: for splits of any size, and with more keys than fit into memory."""

from __future__ import annotations

from bench.case import Case, Goal, Plot, Rows, Series
from bench.cases.columns import MAP, MAP_PEAK, REDUCE, REDUCE_PEAK, WHOLE, figure
from bench.contenders import ours
from bench.scale import Scale, size_text
from bench.trial import Trial

MOST_REPEATS = 1
"""Memory varies less than time."""


def _memory(scale: Scale) -> list[Trial]:
    text = scale.text(scale.memory_bytes)
    return [
        ours(
            "memory",
            text,
            *("--chunk-size", str(split)),
            variant=str(split),
            label=f"**ours**, splits of {size_text(split)}",
            most_repeats=MOST_REPEATS,
        )
        for split in scale.split_bytes
    ]


def _growth_of_memory(rows: Rows) -> float | None:
    peaks = [row.ok.figures["map_peak_bytes"] for row in rows.values() if row.ok]
    return peaks[-1] / peaks[0] if len(peaks) == len(rows) > 1 else None


def _memory_plots(rows: Rows) -> tuple[Plot, ...]:
    points = tuple(
        (int(row.variant), row.ok.figures["map_peak_bytes"] / (1 << 20))
        for row in rows.values()
        if row.ok
    )
    series = (Series("largest map task", points),)
    title = "Memory of a map task"
    return (
        Plot("memory", title, "lines", "size of a split", "MiB", series, log="x", x_unit="bytes"),
    )


MEMORY = Case(
    name="memory",
    title="Memory and the size of a split",
    about="The built-in word count. The peak is the resident memory of the task's process.",
    trials=_memory,
    columns=(figure("map tasks", "map_tasks", lambda n: f"{n:.0f}"), MAP_PEAK, REDUCE_PEAK, WHOLE),
    goals=(
        Goal(
            "memory with the largest splits, in times of that with the smallest",
            "at most",
            1.5,
            _growth_of_memory,
        ),
    ),
    plots=_memory_plots,
)


def _spill(scale: Scale) -> list[Trial]:
    limit = scale.task_memory_bytes
    return [
        ours(
            "spill",
            scale.distinct_lines(),
            *("--job", "bench/jobs/line_count.py", "--task-memory", str(limit)),
            variant=str(limit),
            label=f"**ours**, `--task-memory {limit // (1 << 20)}MiB`",
            most_repeats=MOST_REPEATS,
        )
    ]


def _of_limit(rows: Rows) -> float | None:
    for row in rows.values():
        if row.ok:
            return max(row.ok.figures["map_peak_bytes"], row.ok.figures["reduce_peak_bytes"]) / int(
                row.variant
            )
    return None


SPILL = Case(
    name="spill",
    title="More keys than fit",
    about="Distinct lines of 64 characters, each a key: nothing can be combined, and all goes "
    "through the shuffle to one reduce task.",
    trials=_spill,
    columns=(
        figure("keys", "records", lambda n: f"{n:,.0f}"),
        figure("shuffled", "shuffled_bytes", lambda n: size_text(int(round(n, -6)))),
        MAP_PEAK,
        REDUCE_PEAK,
        WHOLE,
        MAP,
        REDUCE,
    ),
    goals=(
        Goal("the largest task's memory, in times of its `--task-memory`", "at most", 1, _of_limit),
    ),
)
