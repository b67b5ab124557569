"""The drivers of one run, one after another: killed, suspended, doubled, and at odds."""

from __future__ import annotations

import time
from pathlib import Path
from typing import ClassVar

import psutil

from mapreduce.wire import keys
from tests.faults.epochs import EpochFault, until
from tests.faults.fault import Missed, Setting, register
from tests.faults.mortal_driver import At, Death
from tests.faults.trial import MAPS, REDUCES, Trial

TAKEN = "another driver goes on with this run"


class _KeptGoing(EpochFault):
    """The driver is killed, and the next one goes on by itself."""

    def strike(self, trial: Trial) -> None:
        """Kill the driver in its stage."""
        self.moment(trial)
        self.kill(trial)

    def moment(self, trial: Trial) -> None:
        """Wait for the stage."""


@register
class KeptFromSplit(_KeptGoing):
    name = "detached-driver-killed-in-split"
    says = (
        "the driver of a run in the background gets SIGKILL before its first task is done; the "
        "next one goes on by itself"
    )

    def moment(self, trial: Trial) -> None:
        """Wait for its process, and a moment more."""
        begun = Path(trial.store) / keys.RUNS / self.run / keys.BEGUN
        until(begun.exists)
        time.sleep(trial.chance.uniform(0.0, 0.2))


@register
class KeptFromMap(_KeptGoing):
    name = "detached-driver-killed-in-map"
    says = "the same in the map stage"

    def moment(self, trial: Trial) -> None:
        """Wait until some maps are done."""
        self.in_stage(trial, 2, MAPS - 3)


@register
class KeptFromReduce(_KeptGoing):
    name = "detached-driver-killed-in-reduce"
    says = "the same in the reduce stage"

    def moment(self, trial: Trial) -> None:
        """Wait until all maps are done."""
        self.in_stage(trial, 1 + MAPS, MAPS + REDUCES - 1)


@register
class Rebooted(EpochFault):
    name = "all-processes-of-a-run-killed"
    says = "all processes of a run in the background get SIGKILL, and `run --plan` goes on with it"

    def strike(self, trial: Trial) -> None:
        """Kill whatever runs; go on by hand."""
        self.in_stage(trial, 2, MAPS - 3)
        victims = trial.driver.processes()
        for victim in victims:
            victim.kill()
        psutil.wait_procs(victims, timeout=10)
        trial.injected(f"SIGKILL to {len(victims)} processes")
        for path in trial.temporary.rglob("*"):  # a reboot empties /tmp
            if path.is_file() or path.is_symlink():
                path.unlink()
        self.lose(trial)
        self.go_on(trial).wait()


@register
class AsleepInAStage(EpochFault):
    name = "driver-wakes-while-another-goes-on"
    says = "the driver gets SIGSTOP, another one goes on, and both work at the same time"
    setting = Setting(arguments=("--detach",))

    def strike(self, trial: Trial) -> None:
        """Suspend the driver in a stage until another one has its run."""
        self.in_stage(trial, 2, MAPS + REDUCES - 1)
        slept = self.driver(trial)
        slept.suspend()
        try:
            trial.injected("SIGSTOP to the driver, until another one goes on")
            self.lose(trial)
            other = self.go_on(trial)
            until(lambda: self.runs.resolve(self.run) != self.run or other.has_ended)
        finally:
            slept.resume()
        psutil.wait_procs([slept], timeout=30)
        other.wait()
        log = (Path(trial.store) / keys.RUNS / self.run / "driver.log").read_text()
        assert TAKEN in log, f"the driver that slept says: {log[-500:]}"


@register
class AsleepInItsCommit(EpochFault):
    name = "driver-wakes-in-its-commit"
    says = (
        "the driver gets SIGSTOP before it copies a part to its final name, another one goes on "
        "and commits, and then the first one wakes"
    )
    setting = Setting(verb="plan")

    def strike(self, trial: Trial) -> None:
        """Let the driver suspend itself, and wake it after the commit of another one."""
        death = Death(at="copy", number=trial.chance.randint(1, REDUCES), asleep=True)
        slept = self.mortal(trial, death)
        process = psutil.Process(slept.process.pid)
        until(lambda: process.status() == psutil.STATUS_STOPPED or slept.has_ended)
        try:
            trial.injected(f"SIGSTOP to the driver before copy {death.number}")
            self.lose(trial)
            self.go_on(trial).wait()
        finally:
            process.resume()
        slept.wait()
        said = slept.err.read_text()
        assert TAKEN in said, f"the driver that slept says: {said[-500:]}"
        slept.another = True


@register
class TwoGoOn(EpochFault):
    name = "two-drivers-go-on"
    says = "the driver gets SIGKILL, and two others go on with its run at the same time"
    setting = Setting(arguments=("--detach",))

    def strike(self, trial: Trial) -> None:
        """Kill the driver, and start two."""
        self.in_stage(trial, 2, MAPS + REDUCES - 1)
        self.kill(trial)
        both = [self.go_on(trial), self.go_on(trial)]
        for each in both:
            each.wait()
        trial.injected(
            f"two drivers, which ended with {[each.process.returncode for each in both]}"
        )
        for each in both:
            said = each.err.read_text()
            if each.process.returncode == 2 and f"another driver goes on with {self.run}" in said:
                each.another = True


class _KilledAtCommit(EpochFault):
    """The driver kills itself at a write of its commit."""

    setting = Setting(verb="plan")
    at: ClassVar[At]

    def strike(self, trial: Trial) -> None:
        """Carry the plan out until the place; then go on."""
        number = trial.chance.randint(1, REDUCES) if self.at == "copy" else 1
        mortal = self.mortal(trial, Death(at=self.at, number=number))
        mortal.wait()
        if mortal.process.returncode >= 0:
            raise Missed("the driver ended by itself")
        mortal.killed = True
        trial.driver.wait_until_none_is_left()
        trial.injected(f"SIGKILL to the driver before {self.at} {number}")
        self.lose(trial)
        self.then(trial)

    def then(self, trial: Trial) -> None:
        """Go on."""
        kept = trial.command("keep", self.run, "--retries", "1", "--store", trial.store)
        kept.wait()
        kept.another = kept.process.returncode == 0


@register
class KilledInCommit(_KilledAtCommit):
    name = "epoch-killed-in-its-commit"
    says = (
        "the driver gets SIGKILL before it copies a part to its final name; the next one goes on "
        "by itself"
    )
    at = "copy"


@register
class KilledBeforeSuccess(_KilledAtCommit):
    name = "epoch-killed-before-success"
    says = (
        "the driver gets SIGKILL between the commit, which takes the last epoch, and `_SUCCESS`; "
        "who goes on with the run writes that"
    )
    at = "success"

    def then(self, trial: Trial) -> None:
        """Go on: the run is done."""
        late = self.go_on(trial)
        late.wait()
        said = late.err.read_text()
        assert "was committed before its driver was lost" in said, f"it says: {said[-500:]}"
        late.another = late.process.returncode == 2


@register
class CancelledWhileLost(EpochFault):
    name = "cancelled-while-lost"
    says = "the driver gets SIGKILL, and `cancel` comes before the next one has gone on"
    expected = "fails loudly"
    message = "was cancelled after it had lost its driver"

    def strike(self, trial: Trial) -> None:
        """Kill the driver, cancel the run, and let the lease run out."""
        self.in_stage(trial, 2, MAPS - 3)
        victim = self.driver(trial)
        victim.kill()
        psutil.wait_procs([victim], timeout=10)
        trial.injected("SIGKILL to the driver, and cancel")
        cancel = trial.command("cancel", self.run, "--store", trial.store)
        cancel.another = True
        until((Path(trial.store) / keys.RUNS / self.run / "cancel").exists)
        self.lose(trial)
        cancel.wait()

    def end(self, trial: Trial) -> None:
        """Watch the end, which is judged."""
        trial.command("attach", self.run, "--store", trial.store).wait()


@register
class LeaseDeleted(EpochFault):
    name = "lease-deleted"
    says = "the lease of a run is deleted, another driver goes on, and both work at the same time"
    setting = Setting(arguments=("--detach",), parameters=("pause_s=0.03",))
    quiet = Setting(parameters=("pause_s=0.03",))

    def strike(self, trial: Trial) -> None:
        """Delete the lease, and start a driver."""
        lease = Path(trial.store) / keys.RUNS / self.run / "lease.json"
        until(lambda: lease.exists() or self.is_over())
        if self.is_over():
            raise Missed("the run was over")
        lease.unlink()
        self.lose(trial)
        trial.injected("no lease")
        other = self.go_on(trial)
        other.wait()
