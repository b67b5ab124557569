"""What a fault is: a name, a sentence, what is right to come of it, and how it is done to a run."""

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
DRILL = ("--chaos", "kill=0")
"""A drill with no fault of its own: three seconds of silence are death, not twenty."""


class Missed(Exception):
    """The moment for the fault did not come: the run was over before."""


class Skipped(Exception):
    """This machine lacks what the fault takes."""


@dataclass(frozen=True, slots=True)
class Setting:
    """How a run is started; each setting has a quiet run of its own to be compared with.

    Attributes:
        launcher: the module that is run: the driver, or one behind proxies, with a wrong clock,
            that kills itself, has another key after a while, or writes to S3 in parts.
        job: the job's class in `jobs/paced.py`.
        parameters: the job's.
        s3: the store and the input are in S3.
        text: which of the suite's texts.
        arguments: more of the command.
    """

    launcher: Launcher = "driver"
    job: str = "Paced"
    parameters: tuple[str, ...] = ()
    s3: bool = False
    text: Literal["plain", "poison"] = "plain"
    arguments: tuple[str, ...] = ()


class Fault:
    """One kind of fault. Each round makes a new one.

    Attributes:
        name: for `--only` and the table.
        says: what is done, in one sentence.
        expected: what is right to come of it.
        setting: how the run is started.
        quiet: the run without the fault, when it is not `setting` without its arguments.
        message: a regular expression that the error must match, when the run fails.
        shows: a regular expression that the report's recoveries must match, when the run survives.
    """

    name: ClassVar[str]
    says: ClassVar[str]
    expected: ClassVar[Expected] = "survives"
    setting: ClassVar[Setting] = Setting()
    quiet: ClassVar[Setting | None] = None
    message: ClassVar[str] = r"error: "
    shows: ClassVar[str] = ""

    def prepare(self, trial: Trial) -> None:
        """Before the command starts: what belongs into its arguments, its environment, its
        folder.
        """

    def inject(self, trial: Trial) -> None:
        """While the command runs. Says `trial.injected(...)` of each thing that it has done; may
        raise `Missed`.
        """

    def finish(self, trial: Trial) -> None:
        """When all commands have ended: takes away what it put up, counts what others have injected
        for it.
        """

    def is_right(self, parts: Sequence[bytes], answer: Sequence[bytes]) -> bool:
        """Whether the parts of a result are right, given those of the quiet run."""
        return list(parts) == list(answer)


FAULTS: dict[str, type[Fault]] = {}
Kind = TypeVar("Kind", bound=type[Fault])


def register(kind: Kind) -> Kind:
    """Makes a fault part of the suite."""
    assert kind.name not in FAULTS, kind.name
    FAULTS[kind.name] = kind
    return kind


def all_faults() -> Mapping[str, type[Fault]]:
    """Every fault, by name."""
    from tests.faults import kinds

    assert kinds
    return FAULTS


def quiet_of(kind: type[Fault]) -> Setting:
    """The setting of the quiet run that a fault is compared with."""
    return kind.quiet or kind.setting
