"""The driver is killed in each stage and started again, or runs twice."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import ClassVar

from driver.history.lease import LEASE_S, LOCAL_RHYTHM_S, Lease
from driver.history.run_events import events_of
from driver.history.run_store import RunStore
from mapreduce.storage import open_storage
from mapreduce.wire import keys
from tests.faults.fault import Fault, Missed, Setting, register
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
class KilledAnywhere(_DriverKilled):
    name = "driver-killed-at-any-moment"
    says = (
        "the driver gets SIGKILL at a random moment; its run is lost, and has its events but for "
        "the last seconds"
    )
    setting = Setting(parameters=("pause_s=0.03",))
    least_reused = 0
    late_s: ClassVar[float] = 3 * LOCAL_RHYTHM_S

    def moment(self, trial: Trial) -> None:
        """Wait until the run shows signs of life, and then a random time."""
        _wait_for_lease(trial)
        trial.pause(0.0, 4.0)
        self._killed = time.time()

    def finish(self, trial: Trial) -> None:
        """Check the state and the events of the run whose driver was killed."""
        super().finish(trial)
        if not trial.injections:
            return
        runs = RunStore(open_storage(), trial.store_url)
        killed = runs.runs()[0]
        state = runs.state(killed, self._killed + LEASE_S)
        events = events_of(runs, killed)
        assert state in ("lost", "done"), f"a run whose driver was killed is {state}"
        assert events, "a run whose driver was killed has no events"
        assert events[-1].at >= self._killed - self.late_s, "the events of some seconds are lost"


@register
class LeaseTakenAway(Fault):
    name = "lease-taken-by-another"
    says = "another driver takes the lease of the run; the first one stops, and writes no record"
    expected = "fails loudly"
    setting = Setting(parameters=("pause_s=0.03",))
    message = "another driver carries out this run"

    def inject(self, trial: Trial) -> None:
        """Replace the lease while maps are running."""
        lease = _wait_for_lease(trial)
        other = Lease(host="elsewhere", process=7, nonce="0" * 16)
        lease.write_text(other.model_dump_json())
        if trial.over:
            raise Missed("the run was over")
        trial.injected("another nonce in lease.json")

    def finish(self, trial: Trial) -> None:
        """Check that the first driver has left the records alone."""
        for run in (Path(trial.store) / keys.RUNS).iterdir():
            left = {path.name for path in run.iterdir()} - {keys.EVENTS}
            assert not trial.injections or left == {"plan.json", "lease.json"}, f"it wrote {left}"


def _wait_for_lease(trial: Trial) -> Path:
    """Wait until the run shows signs of life; raise `Missed` if it ends before."""
    while not (found := list((Path(trial.store) / keys.RUNS).glob("*/lease.json"))):
        if trial.over:
            raise Missed("the run was over before its first sign of life")
        time.sleep(0.05)
    return found[0]


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
