"""Watches a run on Spark: when to say that it waits, and when a stage is over its limit.

A cluster without room does not refuse a run, and says nothing: the run waits. Pure: takes states
and times, and has no clock.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from mapreduce.errors import FleetError, StageFailed
from mapreduce.wire.messages import StageName

FIRST_WORD_S, NEXT_WORD_S = 8.0, 30.0
"""Seconds without a running task before it is said, and between two times that it is said."""
NO_ROOM_S = 3600.0
"""Seconds that a run waits for its first executor, as for a slot of services that are all busy."""


@dataclass(frozen=True, slots=True)
class Counts:
    """The tasks of a stage, as Spark counts them."""

    running: int = 0
    done: int = 0


@dataclass(frozen=True, slots=True)
class State:
    """What Spark says at a moment.

    Attributes:
        executors: how many processes run this run's tasks, or could.
        maps: the map stage.
        reduces: the reduce stage.
    """

    executors: int = 0
    maps: Counts = Counts()
    reduces: Counts = Counts()


@dataclass
class Watch:
    """Watches the stages of one job on Spark.

    Args:
        maps: the number of map tasks.
        reduces: the number of reduce tasks; 0 without a reduce stage.
        began: when Spark was given the job, in seconds; the caller's `now` are of the same clock.
        stage_timeout_s: how long a stage may take; None for no limit.
    """

    maps: int
    reduces: int
    began: float
    stage_timeout_s: float | None = None
    stage: StageName = "map"
    _idle_since: float = field(init=False)
    _next_word: float = field(init=False)

    def __post_init__(self) -> None:
        """Begin to wait."""
        self._worked(self.began)

    def waits_s(self, state: State, now: float) -> float | None:
        """Return for how many seconds no task has run, if it is time to say so.

        Raises:
            StageFailed: the stage has taken longer than its limit.
            FleetError: there has been no executor for `NO_ROOM_S`.
        """
        if self.stage == "map" and self.reduces and state.maps.done >= self.maps:
            self.stage, self.began = "reduce", now
            self._worked(now)
        self._check_time(state, now)
        if state.maps.running or state.reduces.running:
            self._worked(now)
        waited = now - self._idle_since
        if not state.executors and waited > NO_ROOM_S:
            raise FleetError(
                f"Spark has given the {self.stage} stage no executor for {waited:.0f} s; "
                "see the master's page for what holds the cluster"
            )
        if now < self._next_word:
            return None
        self._next_word = now + NEXT_WORD_S
        return waited

    def _worked(self, now: float) -> None:
        self._idle_since, self._next_word = now, now + FIRST_WORD_S

    def _check_time(self, state: State, now: float) -> None:
        limit = self.stage_timeout_s
        if limit is None or now - self.began <= limit:
            return
        of_maps = self.stage == "map"
        total, counts = (self.maps, state.maps) if of_maps else (self.reduces, state.reduces)
        if counts.done < total:
            raise timed_out(self.stage, total - counts.done, total, limit)


def timed_out(stage: StageName, left: int, total: int, limit_s: float) -> StageFailed:
    """Return the error of a stage that has taken longer than its limit."""
    return StageFailed(
        f"the {stage} stage could not be done: "
        f"{left} of {total} tasks were not done after {limit_s:g} s.",
        {},
    )
