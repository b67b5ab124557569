"""A run that several drivers carry out, one after another, as a fault finds it.

The clock is turned forward for a lease instead of waiting until it has run out: its file gets an
older time.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil

from driver.history.run_names import epoch_of
from driver.history.run_store import RunStore
from driver.targets.background import ENDS
from mapreduce.storage import open_storage
from mapreduce.wire import keys
from tests.faults.fault import Fault, Missed, Setting
from tests.faults.mortal_driver import VARIABLE, Death
from tests.faults.trial import LIMIT_S, Command, Trial

AGE_S = 60.0
NO_END_OF_A_STALE_ONE = ("report.json", "receipt.json", "failure.json", "ended.json")


class EpochFault(Fault):
    """A run whose drivers are named epochs. `run` is the id that was printed."""

    setting = Setting(arguments=("--detach", "--retries", "1"))
    quiet = Setting()
    run = ""

    def inject(self, trial: Trial) -> None:
        """Inject the fault, and ask for the answer when the run is over."""
        first = trial.commands[0]
        first.wait()
        if first.process.returncode:
            raise RuntimeError(f"it did not begin: {first.err.read_text()[-1000:]}")
        first.another = True
        said = json.loads(first.out.read_bytes())
        self.run = str(said.get("run_id") or said["run"])
        self.runs = RunStore(open_storage(), trial.store_url)
        try:
            self.strike(trial)
        finally:
            self.end(trial)

    def strike(self, trial: Trial) -> None:
        """Inject the fault."""

    def end(self, trial: Trial) -> None:
        """Ask for the answer, which is judged, once the run is over."""
        until(lambda: self.runs.state(self.runs.resolve(self.run)) in ENDS)
        trial.command("result", self.run, "--store", trial.store, "--json").wait()

    def finish(self, trial: Trial) -> None:
        """Check that one epoch has an answer and its records, and no other has a record."""
        if not trial.injections or not self.run or self.expected != "survives":
            return
        newest = self.runs.resolve(self.run)
        for name in self.runs.runs():
            if epoch_of(name)[0] != self.run:
                continue
            marked = self.runs.success(name) is not None
            assert marked == (name == newest), f"{name} has the answer, and {newest} is the newest"
            left = [each for each in NO_END_OF_A_STALE_ONE if self.runs.has(name, each)]
            assert marked or not left, f"{name}, which was lost, has the records {left}"
        record = self.runs.record(newest, "report.json")
        named = json.loads(record)["run_id"] if record else newest
        assert named == newest, f"the report of {newest} names {named}"

    # -- moments and deeds -------------------------------------------------------------------------

    def in_stage(self, trial: Trial, least: int, most: int) -> None:
        """Wait until some tasks are done, and for a moment more."""
        tasks = trial.chance.randint(least, most)
        until(lambda: trial.finished_tasks() >= tasks or self.is_over())
        time.sleep(trial.chance.uniform(0.0, 0.1))
        if self.is_over():
            raise Missed("the run was over")

    def driver(self, trial: Trial) -> psutil.Process:
        """Return the process that carries out the run."""
        until(lambda: _drivers(trial) or self.is_over())
        found = _drivers(trial)
        if not found:
            raise Missed("the run was over")
        return found[0]

    def kill(self, trial: Trial) -> None:
        """Kill the driver, and wait until its services have ended."""
        victim = self.driver(trial)
        done = trial.finished_tasks()
        victim.kill()
        psutil.wait_procs([victim], timeout=10)
        trial.injected(f"SIGKILL to the driver, {done} tasks done")
        self.lose(trial)

    def lose(self, trial: Trial) -> None:
        """Let the lease of the newest epoch run out."""
        newest = self.runs.resolve(self.run)
        for name in ("plan.json", keys.BEGUN, "lease.json"):
            path = Path(trial.store) / keys.RUNS / newest / name
            if path.exists():
                os.utime(path, (time.time() - AGE_S,) * 2)

    def go_on(self, trial: Trial) -> Command:
        """Go on with the run in the foreground."""
        return trial.command("run", "--plan", self.run, "--store", trial.store, "--json")

    def mortal(self, trial: Trial, death: Death) -> Command:
        """Start a driver of the plan that kills or suspends itself."""
        trial.environment[VARIABLE] = death.model_dump_json()
        try:
            return trial.command(
                "run", "--plan", self.run, "--store", trial.store,
                launcher="tests.faults.mortal_driver",
            )  # fmt: skip
        finally:
            del trial.environment[VARIABLE]

    def is_over(self) -> bool:
        return self.runs.state(self.runs.resolve(self.run)) in ENDS


def until(condition: Callable[[], Any]) -> None:
    """Wait for a condition; raise `Missed` if it does not come."""
    latest = time.monotonic() + LIMIT_S
    while not condition():
        if time.monotonic() > latest:
            raise Missed("it did not come")
        time.sleep(0.02)


def _drivers(trial: Trial) -> list[psutil.Process]:
    """Return the processes that carry out a plan."""
    found = []
    for process in trial.driver.processes():
        try:
            if {"--plan", "drive"} & set(process.cmdline()):
                found.append(process)
        except psutil.Error:
            continue
    return found
