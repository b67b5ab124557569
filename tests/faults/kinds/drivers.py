"""The driver is killed in each stage and started again, or runs twice."""

from __future__ import annotations

import json
from typing import ClassVar

from tests.faults.fault import Fault, Missed, register
from tests.faults.trial import MAPS, REDUCES, Trial


class _DriverKilled(Fault):
    """Kills the driver during one stage; the same command then runs again."""

    least_reused: ClassVar[int]

    def inject(self, trial: Trial) -> None:
        """Kill the driver, and start it again."""
        self.moment(trial)
        if trial.over:
            raise Missed("the run was over")
        done = trial.finished_tasks()
        trial.kill_driver()
        trial.injected(f"SIGKILL to the driver, {done} tasks done")
        trial.start()

    def moment(self, trial: Trial) -> None:
        """Wait for the moment."""

    def finish(self, trial: Trial) -> None:
        """Check that earlier tasks are reused."""
        command = trial.commands[-1]
        if len(trial.commands) > 1 and command.process.returncode == 0:
            reused = json.loads(command.out.read_bytes())["reused_tasks"]
            assert reused >= self.least_reused, f"only {reused} tasks were reused"


@register
class KilledInSplit(_DriverKilled):
    name = "driver-killed-in-split"
    says = (
        "the driver gets SIGKILL while it starts the services or splits; "
        "the same command is given again"
    )
    least_reused = 0

    def moment(self, trial: Trial) -> None:
        """Wait for a random time, until before the end of the split."""
        trial.pause(0.2, 2.0)


@register
class KilledInMap(_DriverKilled):
    name = "driver-killed-in-map"
    says = "the driver gets SIGKILL in the map stage; the same command goes on where it stopped"
    least_reused = 2

    def moment(self, trial: Trial) -> None:
        """Wait until some maps are done."""
        trial.wait_for_tasks(1 + trial.chance.randint(1, MAPS - 2))
        trial.pause(0.0, 0.1)


@register
class KilledInReduce(_DriverKilled):
    name = "driver-killed-in-reduce"
    says = "the driver gets SIGKILL in the reduce stage; the same command does only what is left"
    least_reused = 1 + MAPS

    def moment(self, trial: Trial) -> None:
        """Wait until all maps are done, and perhaps some reduces."""
        trial.wait_for_tasks(1 + MAPS + trial.chance.randint(0, REDUCES - 1))
        trial.pause(0.0, 0.2)


@register
class TwoDrivers(Fault):
    name = "two-drivers"
    says = "two drivers carry out the same command at the same time, over the same store"

    def inject(self, trial: Trial) -> None:
        """Start a second driver at a random moment of the first."""
        trial.pause(0.0, 3.0)
        if trial.over:
            raise Missed("the first run was over")
        trial.start()
        trial.injected("a second driver")
