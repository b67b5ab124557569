"""Faults of the network between the driver and the services."""

from __future__ import annotations

from typing import Any, ClassVar

from tests.faults.fault import NO_FAULTS, Fault, Setting, register
from tests.faults.network import Trouble
from tests.faults.proxied_driver import VARIABLE
from tests.faults.trial import Trial

PROXIED = Setting(launcher="tests.faults.proxied_driver")


def troubled(trial: Trial, **trouble: Any) -> None:
    """Put proxies with this fault between the trial's driver and its services."""
    settings = Trouble(
        seed=trial.chance.randrange(1 << 30), log=trial.folder / "network.log", **trouble
    )
    trial.environment[VARIABLE] = settings.model_dump_json()


class _NetworkFault(Fault):
    """A fault that a proxy makes."""

    setting = PROXIED
    trouble: ClassVar[dict[str, Any]]

    def prepare(self, trial: Trial) -> None:
        """Configure the proxies; they choose the moment."""
        troubled(trial, from_request=trial.chance.randint(0, 5), **self.trouble)

    def finish(self, trial: Trial) -> None:
        """Count the proxies' log."""
        log = trial.folder / "network.log"
        trial.injections = log.read_text().splitlines() if log.exists() else []


@register
class Garbage(_NetworkFault):
    name = "garbage-response"
    says = (
        "requests are answered with bytes that are no HTTP, no JSON, no event, or only half of one"
    )
    trouble: ClassVar = {"kind": "garbage"}
    shows = "TaskLost"


@register
class Reset(_NetworkFault):
    name = "connection-reset"
    says = "connections are reset at a random byte of the answer"
    trouble: ClassVar = {"kind": "reset"}
    shows = "TaskLost"


@register
class HalfOpen(_NetworkFault):
    name = "half-open-connection"
    says = "the answer stops in the middle, and the connection stays open for ever"
    setting = Setting(launcher=PROXIED.launcher, arguments=NO_FAULTS)
    quiet = PROXIED
    trouble: ClassVar = {"kind": "silence", "most": 2}
    shows = "TaskLost|slower than its backup"


@register
class Trickle(_NetworkFault):
    name = "trickling-answer"
    says = "an answer comes byte by byte, and never becomes an event"
    setting = Setting(launcher=PROXIED.launcher, arguments=NO_FAULTS)
    quiet = PROXIED
    trouble: ClassVar = {"kind": "trickle", "most": 2}
    shows = "TaskLost|slower than its backup"


@register
class OneRefuses(_NetworkFault):
    name = "one-service-refuses-the-key"
    says = "one of the mappers answers 401 from some task on, as a container with an old key does"
    trouble: ClassVar = {"kind": "unauthorized", "most": 1, "share": 1.0}
    shows = "does not accept our signature"

    def prepare(self, trial: Trial) -> None:
        """Inject it in the map stage."""
        troubled(trial, from_request=trial.chance.randint(0, 5), **self.trouble)


@register
class LookFails(_NetworkFault):
    name = "look-up-fails"
    says = "two of three look-ups of the fleet fail, after the first of each run"
    trouble: ClassVar = {"kind": "look", "share": 0.67}
    shows = r"^\[\]$"

    def prepare(self, trial: Trial) -> None:
        """Inject it after the first good look-up."""
        troubled(trial, from_request=3, **self.trouble)


@register
class OddException(_NetworkFault):
    name = "unforeseen-exception"
    says = "attempts end with an unforeseen exception inside the driver"
    trouble: ClassVar = {"kind": "odd", "share": 0.15}
    shows = "TaskLost"


@register
class ServerError(_NetworkFault):
    name = "http-500"
    says = "requests are answered with 500"
    trouble: ClassVar = {"kind": "error"}
    shows = "TaskLost.*answered 500"


@register
class Storm(_NetworkFault):
    name = "http-503-storm"
    says = "every request is answered with 503 for four seconds; none of it counts as a failure"
    trouble: ClassVar = {"kind": "full", "seconds": 4.0}
    shows = r"^\[\]$"


@register
class Refused(_NetworkFault):
    name = "mappers-refuse-connections"
    says = "all connections to the mappers are cut, and new ones refused, for ten seconds"
    trouble: ClassVar = {"kind": "refused", "seconds": 10.0, "most": 1, "share": 1.0}
    shows = "nothing had begun"

    def prepare(self, trial: Trial) -> None:
        """Inject it at any time of the map stage, also when only one task is left."""
        troubled(trial, from_request=trial.chance.randint(0, 11), **self.trouble)


@register
class ScaledIn(_NetworkFault):
    name = "scale-in-mid-task"
    says = "a mapper disappears from the fleet while it has a task"
    trouble: ClassVar = {"kind": "leaves", "most": 1}
    shows = "TaskLost"

    def prepare(self, trial: Trial) -> None:
        """Inject it in the map stage, where one mapper stays."""
        troubled(trial, share=1.0, from_request=trial.chance.randint(0, 8), **self.trouble)


@register
class LateLoser(_NetworkFault):
    name = "late-loser"
    says = (
        "an attempt that the driver has given up for a backup goes on, and writes after the winner"
    )
    setting = Setting(launcher=PROXIED.launcher)
    trouble: ClassVar = {"kind": "lingers", "most": 1}
    shows = "slower than its backup"


@register
class LateDuplicate(_NetworkFault):
    name = "duplicate-delivered-late"
    says = (
        "the same signed message reaches that service, or another one, "
        "a second time when its task is done"
    )
    trouble: ClassVar = {"kind": "repeats", "most": 8, "share": 0.5}
