"""Worker processes die or stop: before, during and after their write, and at any time."""

from __future__ import annotations

import json
import signal
from typing import ClassVar, Literal

from driver.plan.fault_rates import Chaos, parse_chaos
from mapreduce.wire.messages import JobSpec, MapTask, Split
from tests.faults.fault import NO_FAULTS, Fault, Setting, register
from tests.faults.trial import MAPS, Trial


class _KilledAt(Fault):
    """Kills workers in one phase of their task, by fault injection with a seed for that phase."""

    when: ClassVar[Literal["before", "during", "after"]]
    shows = "SIGKILL"

    def prepare(self, trial: Trial) -> None:
        """Find a seed that kills some map attempts in that phase, and none in another."""
        while True:
            seed = trial.chance.randrange(1 << 30)
            phases = _phases(parse_chaos("kill=0.15", seed))
            if phases.count(self.when) >= 2:
                break
        trial.arguments += ["--chaos", "kill=0.15", "--chaos-seed", str(seed)]

    def finish(self, trial: Trial) -> None:
        """Count the faults of the report."""
        trial.injections = [
            f"killed {fault['task']} {self.when} its write" for fault in reported(trial)
        ]


@register
class KilledBeforeWrite(_KilledAt):
    name = "worker-killed-before-write"
    says = "mapper workers are killed when they have their task and have written nothing"
    when = "before"


@register
class KilledDuringWrite(_KilledAt):
    name = "worker-killed-during-task"
    says = "mapper workers are killed while they read, map and write"
    when = "during"


@register
class KilledAfterWrite(_KilledAt):
    name = "worker-killed-after-write"
    says = "mapper workers are killed when their output is in the store and they have not said so"
    when = "after"


@register
class WorkerKilled(Fault):
    name = "worker-killed-any-time"
    says = "a mapper's worker gets SIGKILL at a random moment"
    shows = "SIGKILL"

    def inject(self, trial: Trial) -> None:
        """Kill one worker."""
        trial.in_map_stage()
        trial.signal(trial.workers("mapper")[:1], signal.SIGKILL, "a mapper's worker")


@register
class WorkerHung(Fault):
    name = "worker-hung"
    says = "a mapper's worker stops (SIGSTOP) and says nothing more"
    setting = Setting(arguments=NO_FAULTS)
    quiet = Setting()
    shows = "TaskLost|slower than its backup"

    def inject(self, trial: Trial) -> None:
        """Stop one worker."""
        trial.in_map_stage()
        trial.signal(trial.workers("mapper")[:1], signal.SIGSTOP, "a mapper's worker")


@register
class ReducerWorkerKilled(Fault):
    name = "reducer-worker-killed"
    says = "a reducer's worker gets SIGKILL while it fetches, merges or reduces"
    shows = "SIGKILL"

    def inject(self, trial: Trial) -> None:
        """Kill one worker of a reducer."""
        trial.in_reduce_stage()
        trial.signal(trial.workers("reducer")[:1], signal.SIGKILL, "a reducer's worker")


def reported(trial: Trial) -> list[dict[str, str]]:
    """Return the faults that the driver's report names."""
    command = trial.commands[-1]
    if command.process.returncode != 0:
        return []
    faults: list[dict[str, str]] = json.loads(command.out.read_bytes())["faults"]
    return faults


def _phases(chaos: Chaos) -> list[str]:
    """Return the phases in which the first attempts at maps are killed."""
    job = JobSpec(code="0" * 64, module="m", name="J")
    phases = []
    for index in range(MAPS):
        task = MapTask(
            run="run",
            store="",
            index=index,
            job=job,
            split=Split(index=index, pieces=()),
            partitions=1,
        )
        kind = chaos.kind(task)
        fault = chaos.fault(kind, task) if kind else None
        if fault is not None:
            phases.append(str(fault.when))
    return phases
