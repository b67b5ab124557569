"""The work of a run without its start: what goals compare with a peer's query alone."""

from __future__ import annotations

from bench.case import Column, Rows, divided, found
from bench.cases.columns import seconds
from bench.results import Summary
from bench.trial import OURS

BEGINNINGS_S = 0.3
"""What is allowed for the beginnings of the stages."""


def work_s(summary: Summary) -> float:
    """Return the seconds of ours in its stages; of a peer, those that it reports, or the whole."""
    figures = summary.figures
    if "map_wall" in figures:
        stages = sum(figures.get(name, 0.0) for name in ("split", "map_wall", "reduce"))
        return max(stages - BEGINNINGS_S, 1e-3)
    return figures.get("inner_s", summary.wall_s)


def work_ratio(
    rows: Rows, contender: str, variant: str = "", peer_variant: str = ""
) -> float | None:
    """Return how many times the work of a peer takes that of ours."""
    ours, peer = found(rows, OURS, variant), found(rows, contender, peer_variant)
    return divided(work_s(peer), work_s(ours)) if ours and peer else None


WORK = Column("work, s", lambda summary, row, rows: seconds(work_s(summary)))
