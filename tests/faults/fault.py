"""A fault: its name, its sentence, the expected outcomes, and how it is injected into a run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal, TypeVar

if TYPE_CHECKING:
    from tests.faults.trial import Trial

Expected = Literal["survives", "fails loudly", "either"]
Launcher = Literal[
    "driver",
    "tests.faults.proxied_driver",
    "tests.faults.skewed_driver",
    "tests.faults.mortal_driver",
    "tests.faults.rekeyed_driver",
    "tests.faults.multipart_driver",
]
NO_FAULTS = ("--chaos", "kill=0")
"""Fault injection without a fault: a service is lost after 3 seconds of silence, not 20."""


class Missed(Exception):
    """The moment for the fault did not come: the run ended before it."""


class Skipped(Exception):
    """This machine lacks a requirement of the fault."""


@dataclass(frozen=True, slots=True)
class Setting:
    """How a run is started; it is compared with a run without faults of the same setting.

    Attributes:
        launcher: the module that is run: the driver, or a variant that is behind proxies, has a
        wrong
            clock, kills itself, changes its key, or writes to S3 in parts.
        job: the job's class in `jobs/paced.py`.
        parameters: the job's parameters.
        s3: whether the store and the input are in S3.
        text: the name of one of the suite's texts.
        arguments: further arguments of the command.
        verb: the command: `plan` only plans the run, and the fault starts its drivers.
    """

    launcher: Launcher = "driver"
    job: str = "Paced"
    parameters: tuple[str, ...] = ()
    s3: bool = False
    text: Literal["plain", "poison"] = "plain"
    arguments: tuple[str, ...] = ()
    verb: Literal["run", "plan"] = "run"


class Fault:
    """One kind of fault. Each round makes a new one.

    Attributes:
        name: for `--only` and the table.
        says: the fault, in one sentence.
        expected: the right outcomes.
        setting: how the run is started.
        quiet: the setting of the run without the fault, if it is not `setting` without its
        arguments.
        message: a regular expression that the error of a failed run must match.
        shows: a regular expression that the recoveries in a report must match.
    """

    name: ClassVar[str]
    says: ClassVar[str]
    expected: ClassVar[Expected] = "survives"
    setting: ClassVar[Setting] = Setting()
    quiet: ClassVar[Setting | None] = None
    message: ClassVar[str] = r"error: "
    shows: ClassVar[str] = ""

    def prepare(self, trial: Trial) -> None:
        """Prepare arguments, environment and folder, before the command starts."""

    def inject(self, trial: Trial) -> None:
        """Inject the fault while the command runs, and record it with `trial.injected`.

        Raises:
            Missed: the moment did not come.
        """

    def finish(self, trial: Trial) -> None:
        """Undo the preparation after all commands have ended; count injections that others made."""

    def is_right(self, parts: Sequence[bytes], answer: Sequence[bytes]) -> bool:
        """Return whether the parts of a result are right, given those of the run without faults."""
        return list(parts) == list(answer)


FAULTS: dict[str, type[Fault]] = {}
Kind = TypeVar("Kind", bound=type[Fault])


def register(kind: Kind) -> Kind:
    """Add a fault to the suite."""
    assert kind.name not in FAULTS, kind.name
    FAULTS[kind.name] = kind
    return kind


def all_faults() -> Mapping[str, type[Fault]]:
    """Return every fault, by name."""
    from tests.faults import kinds

    assert kinds
    return FAULTS


def quiet_of(kind: type[Fault]) -> Setting:
    """Return the setting of the run with which a fault is compared."""
    return kind.quiet or kind.setting
