"""Jobs that fork, leave processes behind, or change the process of their tasks; and the job after
such a one.
"""

from __future__ import annotations

from typing import ClassVar

from tests.faults.fault import Fault, Setting, register
from tests.faults.trial import Trial


class _OnceInAJob(Fault):
    """One map task does something once; the job finds out by a file whether it is the first."""

    quiet = Setting()
    done: ClassVar[str]

    def prepare(self, trial: Trial) -> None:
        """Names the file."""
        trial.arguments.append(f"--param=mark={trial.folder / 'mark'}")

    def finish(self, trial: Trial) -> None:
        """The file is there when it has happened."""
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
    """Every task changes its process, and would count otherwise in one that was changed."""

    def prepare(self, trial: Trial) -> None:
        """All of them do."""
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
