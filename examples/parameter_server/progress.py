"""What server 0 knows of its run, from which `Status` answers."""

from __future__ import annotations

from typing import Literal

from examples.parameter_server.checkpoint import Outcome
from examples.parameter_server.core.generation import Generation
from examples.parameter_server.core.spec import RunSpec, RunStatus, State

Trouble = Literal["workers", "server", "cut", "store"]
"""What can keep a run from going on: no worker, a silent server, no cut, the store."""


class Progress:
    """The status of the present or the last run.

    Args:
        expected_workers: a run waits for so many before its first clock.
    """

    def __init__(self, expected_workers: int) -> None:
        self._status = RunStatus(expected_workers=expected_workers)
        self._troubles: dict[Trouble, str] = {}

    @property
    def state(self) -> State:
        """What the run does."""
        return self._status.state

    @property
    def is_busy(self) -> bool:
        """Whether there is a run that has not ended."""
        return self.state in ("starting", "waiting", "training", "writing")

    @property
    def run(self) -> str:
        """The run's name."""
        return self._status.run

    @property
    def cut(self) -> int:
        """The clock of the last whole cut; -1 before there is one."""
        return self._status.cut

    def begin(self, run: str, spec: RunSpec) -> None:
        """Begin a run."""
        expected = self._status.expected_workers
        self._troubles.clear()
        self._status = RunStatus(state="waiting", run=run, spec=spec, expected_workers=expected)

    def change(self, state: State) -> None:
        """Change what the run does."""
        self._status = self._status.model_copy(update={"state": state})

    def restored(self, generation: int, cut: int) -> None:
        """Record a new generation."""
        self._status = self._status.model_copy(update={"generation": generation, "cut": cut})

    def record_cut(self, version: int) -> None:
        """Record a whole cut."""
        self._status = self._status.model_copy(update={"cut": version})

    def trouble(self, kind: Trouble, text: str) -> bool:
        """Record what keeps the run from going on; return whether that is new."""
        new = kind not in self._troubles
        self._troubles[kind] = text
        return new

    def clear(self, kind: Trouble) -> None:
        """Record that a trouble is over."""
        self._troubles.pop(kind, None)

    def leave(self, problem: str) -> None:
        """Record that this process carries out the run no more."""
        self._troubles.clear()
        self._status = self._status.model_copy(update={"state": "failed", "problem": problem})

    def end(self, outcome: Outcome, loss: float | None) -> None:
        """Record how the run has ended."""
        self._troubles.clear()
        self._status = self._status.model_copy(
            update={
                "state": "failed" if outcome.problem else "done",
                "version": outcome.version,
                "loss": loss,
                "counts": outcome.counts,
                "problem": outcome.problem,
                "sha256": outcome.sha256,
                "evaluation": outcome.evaluation,
            }
        )

    def status(self, workers: int, current: Generation | None) -> RunStatus:
        """Return the status now.

        Args:
            workers: how many there are.
            current: the generation in training; None if there is none.
        """
        changes: dict[str, object] = {"workers": workers}
        if self._troubles:
            changes["problem"] = "; ".join(self._troubles.values())
        if current is not None:
            changes |= {
                "version": current.leases.version,
                "loss": current.loss,
                "counts": current.ledger.counts,
            }
        return self._status.model_copy(update=changes)
