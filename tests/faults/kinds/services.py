"""Whole services die, freeze or get the signal to end."""

from __future__ import annotations

import signal
import time

from tests.faults.fault import NO_FAULTS, Fault, Missed, Setting, register
from tests.faults.kinds.network import troubled
from tests.faults.trial import MAPPERS, Trial

AWAY_S = 10.0


@register
class ServiceKilled(Fault):
    name = "mapper-service-killed"
    says = "a whole mapper service gets SIGKILL"
    shows = "TaskLost"

    def inject(self, trial: Trial) -> None:
        """Kill one service; its fork server and worker end with it."""
        trial.in_map_stage()
        trial.signal(trial.services("mapper")[:1], signal.SIGKILL, "a mapper service")


@register
class ReducerServiceKilled(Fault):
    name = "reducer-service-killed"
    says = "the only reducer service gets SIGKILL while it reduces"
    shows = "TaskLost"

    def inject(self, trial: Trial) -> None:
        """Kill one service."""
        trial.in_reduce_stage()
        trial.signal(trial.services("reducer"), signal.SIGKILL, "the reducer service")


@register
class ServiceFrozen(Fault):
    name = "mapper-service-frozen"
    says = "a mapper service and its worker stop for good (SIGSTOP), as in a frozen container"
    setting = Setting(arguments=NO_FAULTS)
    quiet = Setting()
    shows = "TaskLost|slower than its backup"

    def inject(self, trial: Trial) -> None:
        """Stop one service and all its processes."""
        trial.in_map_stage()
        service = trial.services("mapper")[0]
        family = [*service.children(recursive=True), service]
        trial.signal(family, signal.SIGSTOP, "a process of a mapper service")


@register
class AllMappersGone(Fault):
    name = "all-mappers-gone"
    says = f"all mapper services are killed, and none comes back for {AWAY_S:g} seconds"

    def inject(self, trial: Trial) -> None:
        """Kill all mappers; the supervisor is stopped and does not start them again."""
        trial.in_map_stage()
        supervisor = trial.supervisor()
        supervisor.suspend()
        try:
            trial.signal(trial.services("mapper"), signal.SIGKILL, "a mapper service")
            time.sleep(AWAY_S)
        finally:
            supervisor.resume()


@register
class MappersKilledAgain(Fault):
    name = "mapper-services-killed-often"
    says = "mapper services are killed again and again for some seconds, now this one, now that one"
    expected = "either"
    message = r"error: .*TaskLost"

    def inject(self, trial: Trial) -> None:
        """Kill six mappers in turn; a task that loses four attempts may fail the run."""
        trial.in_map_stage(latest=2)
        for _ in range(6):
            try:
                trial.signal(trial.services("mapper")[:1], signal.SIGKILL, "a mapper service")
            except Missed:
                continue
            trial.pause(0.2, 0.6)


@register
class ServiceDrained(Fault):
    name = "mapper-service-terminated"
    says = "a mapper service gets SIGTERM, as before a Spot interruption, and may finish its task"
    setting = Setting(launcher="tests.faults.proxied_driver")

    def prepare(self, trial: Trial) -> None:
        """Use services that drain, as in AWS."""
        troubled(trial, kind="none", drain_s=10.0)

    def inject(self, trial: Trial) -> None:
        """Send SIGTERM to one or all services."""
        trial.in_map_stage()
        count = trial.chance.randint(1, MAPPERS)
        trial.signal(trial.services("mapper")[:count], signal.SIGTERM, "a mapper service")


@register
class FleetKilled(Fault):
    name = "all-services-killed"
    says = "the process that starts the services gets SIGKILL, and all services end with it"
    expected = "fails loudly"
    message = r"error: .*(services have ended|TaskLost|does not answer)"

    def inject(self, trial: Trial) -> None:
        """Kill the supervisor."""
        trial.in_map_stage()
        trial.signal([trial.supervisor()], signal.SIGKILL, "the services' supervisor")
