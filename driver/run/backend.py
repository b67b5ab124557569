"""The interface of every backend: what it gives the pipeline."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from driver.history.run_store import RunResults, RunStore
from driver.plan.clock import Clock
from driver.plan.events import EventLog
from driver.plan.outcomes import Outcome
from driver.plan.tasks import RunPlan
from mapreduce.wire.messages import MapResult, ReduceResult, SplitResult


@dataclass(frozen=True, slots=True)
class Outcomes:
    """The outcomes of a run's stages, and how many seconds each stage took."""

    split: Outcome
    maps: Sequence[Outcome]
    reduces: Sequence[Outcome]
    seconds: dict[str, float]

    @property
    def results(self) -> RunResults:
        """The results alone."""
        assert isinstance(self.split.result, SplitResult)
        maps = (outcome.result for outcome in self.maps)
        reduces = (outcome.result for outcome in self.reduces)
        return RunResults(
            split=self.split.result,
            maps=tuple(result for result in maps if isinstance(result, MapResult)),
            reduces=tuple(result for result in reduces if isinstance(result, ReduceResult)),
        )


class Backend(Protocol):
    """A place that carries out the stages of a run."""

    @property
    def runs(self) -> RunStore:
        """The store of the run's records."""

    @property
    def clock(self) -> Clock:
        """The clock of the run."""

    @property
    def log_text(self) -> Callable[[], bytes]:
        """Returns the services' log, where they keep it nowhere else."""

    async def carry_out(
        self, plan: RunPlan, log: EventLog, *, fresh: bool, started: float
    ) -> Outcomes:
        """Carry out all stages of a run; takes and raises what `run_job` does."""
