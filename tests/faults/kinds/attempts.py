"""Attempts that are slow, duplicated, or cannot succeed."""

from __future__ import annotations

from typing import ClassVar

from tests.faults.fault import Fault, Setting, register
from tests.faults.kinds.workers import reported
from tests.faults.suite import POISON_LINES
from tests.faults.trial import Trial


class _Injected(Fault):
    """A fault that the driver's fault injection makes."""

    chaos: ClassVar[str]

    def prepare(self, trial: Trial) -> None:
        """Choose a seed from the trial's."""
        trial.arguments += [
            "--chaos",
            self.chaos,
            "--chaos-seed",
            str(trial.chance.randrange(1 << 30)),
        ]

    def finish(self, trial: Trial) -> None:
        """Count the faults of the report."""
        trial.injections = [f"{fault['fault']}: {fault['task']}" for fault in reported(trial)]


@register
class SlowMapper(_Injected):
    name = "slow-mapper"
    says = "some attempts are far slower than the others; a backup overtakes them"
    chaos = "slow=0.08"


@register
class Duplicate(_Injected):
    name = "duplicate-delivery"
    says = "attempts are carried out twice, under the same name"
    chaos = "duplicate=0.3"


@register
class Everything(_Injected):
    name = "everything-at-once"
    says = "killed, hung, slow, failing, doubled and damaged attempts together"
    chaos = "kill=0.15,hang=0.05,slow=0.05,error=0.1,duplicate=0.1,corrupt=0.05"
    shows = "TaskLost|InjectedFault|CorruptBlock|OutputLost|slower|output lost|^\\[\\]$"


SPARED = Setting(job="Poisoned", text="poison", parameters=("spared=true",))


class _Poison(Fault):
    """The job always fails on some records of its input."""

    quiet = SPARED

    def prepare(self, trial: Trial) -> None:
        """Use the text with these records."""
        for number in POISON_LINES:
            trial.injected(f"poison in line {number}")


@register
class PoisonSkipped(_Poison):
    name = "poison-records-skipped"
    says = (
        "the job's code fails on three records, and the run may set some aside (--skip-bad-records)"
    )
    setting = Setting(job="Poisoned", text="poison", arguments=("--skip-bad-records", "3"))
    shows = "record skipped.*record skipped.*record skipped"


@register
class PoisonFails(_Poison):
    name = "poison-records"
    says = "the job's code fails on three records, and the run may set none aside"
    setting = Setting(job="Poisoned", text="poison")
    expected = "fails loudly"
    message = r"this line is poison.*text\.txt at byte \d+"
