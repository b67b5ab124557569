"""Draw plots: `python -m bench.plots PLOTS.json FOLDER`, in the peers' environment, with
matplotlib.

Equal data gives equal bytes: no date, no random ids.
"""

from __future__ import annotations

import json
import math
import sys
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullFormatter

OURS = "#c2410c"
PEER = "#94a3b8"
COLOURS = (OURS, "#1d4ed8", "#475569", "#15803d")
MARKS = "os^d"


def bars(axes: Any, plot: dict[str, Any]) -> None:
    """Draw horizontal bars, each with its number; ours in its own colour."""
    labels = [label.replace("*", "").replace("`", "") for label, _ in plot["bars"]]
    values = [value for _, value in plot["bars"]]
    drawn = axes.barh(
        labels, values, color=[OURS if "**" in label else PEER for label, _ in plot["bars"]]
    )
    axes.bar_label(
        drawn,
        labels=[f"{value:.3g}" if value < 100 else f"{value:.0f}" for value in values],
        padding=3,
    )
    axes.invert_yaxis()
    decade = 10 ** math.floor(math.log10(min(values) * 0.99))
    axes.set_xlim(*(decade, max(values) * 2) if plot["log"] else (0, max(values) * 1.15))
    axes.spines[["left"]].set_visible(False)
    axes.tick_params(axis="y", length=0)


def lines(axes: Any, plot: dict[str, Any]) -> None:
    """Draw lines with a mark at each measurement."""
    for number, series in enumerate(plot["series"]):
        x, y = zip(*series["points"], strict=True)
        dashed = "--" if "bound" in series["label"] else "-"
        axes.plot(
            x, y, dashed, marker=MARKS[number % 4], color=COLOURS[number % 4], label=series["label"]
        )
    axes.grid(visible=True, color="#e2e8f0")
    axes.set_axisbelow(True)
    if "y" not in plot["log"]:
        axes.set_ylim(0, 1.1 * max(y for series in plot["series"] for _, y in series["points"]))
    ticks = sorted({x for series in plot["series"] for x, _ in series["points"]})
    axes.set_xticks(ticks)
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.xaxis.set_major_formatter(
        FuncFormatter(lambda x, _: size(x) if plot["x_unit"] == "bytes" else f"{x:g}")
    )
    if "y" in plot["log"]:
        axes.yaxis.set_major_formatter(FuncFormatter(lambda y, _: f"{y:g}"))
    if len(plot["series"]) > 1:
        axes.legend(frameon=False)


def size(value: float) -> str:
    """Return bytes as text, in binary units if they are whole."""
    for unit, name in ((1 << 30, "GiB"), (1 << 20, "MiB")):
        if value >= unit and value % unit == 0:
            return f"{value / unit:g} {name}"
    return f"{value / 1e9:.3g} GB" if value >= 999e6 else f"{value / 1e6:.3g} MB"


def draw(plot: dict[str, Any], folder: Path) -> None:
    """Write one SVG file."""
    height = 1.1 + 0.38 * len(plot["bars"]) if plot["kind"] == "bars" else 4.2
    figure = Figure(figsize=(8, height), layout="constrained")
    axes = figure.subplots()
    axes.set_title(plot["title"], loc="left", fontweight="bold")
    axes.set_xlabel(plot["x"])
    axes.set_ylabel(plot["y"])
    axes.spines[["top", "right"]].set_visible(False)
    if "x" in plot["log"]:
        axes.set_xscale("log")
    if "y" in plot["log"]:
        axes.set_yscale("log")
    (bars if plot["kind"] == "bars" else lines)(axes, plot)
    if plot["kind"] == "bars" and plot["log"]:
        axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:g}"))
    figure.savefig(folder / f"{plot['name']}.svg", metadata={"Date": None, "Creator": None})


def main(source: str, target: str) -> None:
    """Draw all plots of a file."""
    mpl.rcParams |= {
        "svg.hashsalt": "bench",
        "font.family": "sans-serif",
        "font.size": 10,
        "figure.facecolor": "white",
    }
    Path(target).mkdir(parents=True, exist_ok=True)
    for plot in json.loads(Path(source).read_text()):
        draw(plot, Path(target))


if __name__ == "__main__":
    main(*sys.argv[1:])
