"""The driver is killed between the last task and the report; the same command completes the run."""

from __future__ import annotations

import json
from typing import ClassVar

from driver.history.audit import audit_run
from driver.history.run_store import RunStore
from mapreduce.storage import open_storage
from tests.faults.fault import Fault, Missed, Setting, register
from tests.faults.mortal_driver import VARIABLE, At, Death
from tests.faults.trial import MAPS, REDUCES, Trial


class _KilledAtCommit(Fault):
    """Kills the driver before or after a write; the same command then runs again."""

    setting = Setting(launcher="tests.faults.mortal_driver")
    quiet = Setting()
    at: ClassVar[At]

    def prepare(self, trial: Trial) -> None:
        """Let the command kill itself."""
        number = trial.chance.randint(1, REDUCES) if self.at == "copy" else 1
        self.death = Death(at=self.at, number=number, when=trial.chance.choice(("before", "after")))
        trial.environment[VARIABLE] = self.death.model_dump_json()

    def inject(self, trial: Trial) -> None:
        """Wait for its end, and run the command again."""
        command = trial.commands[-1]
        command.wait()
        if command.process.returncode >= 0:
            raise Missed(f"the driver ended by itself, with {command.process.returncode}")
        command.killed = True
        trial.driver.wait_until_none_is_left()
        trial.injected(
            f"SIGKILL to the driver {self.death.when} {self.death.at} {self.death.number}"
        )
        del trial.environment[VARIABLE]
        trial.start()

    def finish(self, trial: Trial) -> None:
        """Check that all tasks are reused, and that every run marked as a success is whole."""
        command = trial.commands[-1]
        if len(trial.commands) > 1 and command.process.returncode == 0:
            reused = json.loads(command.out.read_bytes())["reused_tasks"]
            assert reused == 1 + MAPS + REDUCES, f"only {reused} tasks were reused"
            runs = RunStore(open_storage(), trial.store_url)
            marked = [run for run in runs.runs() if runs.success(run)]
            assert all(audit_run(run, runs).balanced for run in marked), (
                f"one of {marked} is not whole"
            )
            expected = 2 if self._is_marked else 1
            assert len(marked) == expected, f"{len(marked)} runs have a _SUCCESS, not {expected}"

    @property
    def _is_marked(self) -> bool:
        """Return whether the killed run has its `_SUCCESS`."""
        return self.at == "report" or (self.at, self.death.when) == ("success", "after")


@register
class KilledAtLedger(_KilledAtCommit):
    name = "driver-killed-at-ledger"
    says = (
        "the driver gets SIGKILL before or after it writes the ledger; "
        "the same command is given again"
    )
    at = "ledger"


@register
class KilledAtCopy(_KilledAtCommit):
    name = "driver-killed-at-copy"
    says = "the driver gets SIGKILL before or after one of the copies of parts to their final names"
    at = "copy"


@register
class KilledAtSuccess(_KilledAtCommit):
    name = "driver-killed-at-success"
    says = (
        "the driver gets SIGKILL before or after it writes `_SUCCESS`; "
        "the same command is given again"
    )
    at = "success"


@register
class KilledAtReport(_KilledAtCommit):
    name = "driver-killed-at-report"
    says = (
        "the driver gets SIGKILL before or after it writes the report; "
        "the same command is given again"
    )
    at = "report"
