"""Jobs that fork, leave processes behind, or change the process of their tasks, and their
successors.
"""

from __future__ import annotations

from typing import ClassVar

from tests.faults.fault import Fault, Setting, register
from tests.faults.trial import Trial


class _OnceInAJob(Fault):
    """One map task misbehaves once; a file tells the job whether it is the first."""

    quiet = Setting()
    done: ClassVar[str]

    def prepare(self, trial: Trial) -> None:
        """Choose the file's name."""
        trial.arguments.append(f"--param=mark={trial.folder / 'mark'}")

    def finish(self, trial: Trial) -> None:
        """Count the injection if the file exists."""
        trial.injections = [self.done] if (trial.folder / "mark").exists() else []


@register
class JobForks(_OnceInAJob):
    name = "job-forks"
    says = "a map task's job calls fork, and both processes come back to the engine"
    setting = Setting(job="Forks")
    done = "forked"


@register
class ChildLeft(_OnceInAJob):
    name = "child-left-behind"
    says = (
        "a map task's job starts a daemon (its own session, its parent dead) and leaves it behind"
    )
    setting = Setting(job="LeavesChild")
    done = "left a daemon"


class _Keeping(Fault):
    """Every task changes its process, and would count differently in a changed one."""

    def prepare(self, trial: Trial) -> None:
        """Record the injection: every task changes its process."""
        trial.arguments.append("--param=keeps=true")
        trial.injected("every task changes its process")


@register
class StateKept(_Keeping):
    name = "state-kept-by-a-task"
    says = (
        "each task changes a list of its module, "
        "the decimal context and the environment of its process"
    )
    setting = Setting(job="Keeps")


@register
class SecondJob(_Keeping):
    name = "second-job-in-a-worker"
    says = "the first job of a chain changes its processes; the second one runs in the same workers"
    setting = Setting(job="TwoJobs")
