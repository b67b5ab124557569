"""Unauthorised callers, operators and suspended machines disturb a run."""

from __future__ import annotations

import json
import signal
import socket
import threading
import time
from contextlib import suppress
from typing import ClassVar

import psutil

from tests.faults.fault import Expected, Fault, Missed, Setting, register
from tests.faults.rekeyed_driver import VARIABLE
from tests.faults.trial import Trial

CALLERS = 400
FLOOD_S = 5.0
PAUSE_S = 30.0
RUBBISH = (b"GET /metrics HTTP/1.1\r\n", b"\x16\x03\x01", b"POST /map HT")


@register
class FloodOfCallers(Fault):
    name = "flood-of-callers"
    says = (
        f"callers without the key, {CALLERS} at a time, "
        "connect to each mapper service and send rubbish"
    )

    def inject(self, trial: Trial) -> None:
        """Send requests from several threads during some seconds of the map stage."""
        trial.in_map_stage(latest=3)
        ports = {port for service in trial.services("mapper") for port in _ports(service)}
        over = threading.Event()
        threads = [threading.Thread(target=self._flood, args=(trial, port, over)) for port in ports]
        for thread in threads:
            thread.start()
        trial.pause(FLOOD_S, FLOOD_S)
        over.set()
        for thread in threads:
            thread.join()
        if not ports:
            raise Missed("no service listens")

    def _flood(self, trial: Trial, port: int, over: threading.Event) -> None:
        held: list[socket.socket] = []
        while not over.is_set():
            with suppress(OSError):
                caller = socket.create_connection(("127.0.0.1", port), timeout=1)
                held.append(caller)
                if len(held) % 3 == 0:
                    caller.sendall(
                        trial.chance.choice(
                            (b"GET /metrics HTTP/1.1\r\n", b"\x16\x03\x01", b"POST /map HT")
                        )
                    )
            if len(held) >= CALLERS:
                held.pop(0).close()
                time.sleep(0.002)
        trial.injected(f"a flood of callers at port {port}")
        for caller in held:
            caller.close()


@register
class KeyRotated(Fault):
    name = "key-rotated"
    says = "the services' signing key is changed while maps are running; the driver has the old one"
    expected = "fails loudly"
    message = r"error: .*another signing key"
    setting = Setting(launcher="tests.faults.rekeyed_driver")

    def prepare(self, trial: Trial) -> None:
        """Let the driver watch a file."""
        trial.environment[VARIABLE] = str(trial.folder / "rotated")

    def inject(self, trial: Trial) -> None:
        """Create the file."""
        trial.in_map_stage()
        (trial.folder / "rotated").touch()
        trial.injected("the key was rotated")

    def finish(self, trial: Trial) -> None:
        """Check for exit code 3, as for a key that is wrong from the start."""
        code = trial.commands[-1].process.returncode if trial.commands else None
        assert not trial.injections or code in (0, 3, None), f"exit {code}"


class _ClockJump(Fault):
    """The driver's clock jumps while maps run."""

    setting = Setting(launcher="tests.faults.skewed_driver")
    message = r"error: .*clock"
    jumps_s: ClassVar[tuple[int, ...]]

    def prepare(self, trial: Trial) -> None:
        """Let the driver watch a file."""
        self._jump_s = trial.chance.choice(self.jumps_s)
        trial.environment["MAPREDUCE_TEST_SKEW_S"] = str(self._jump_s)
        trial.environment["MAPREDUCE_TEST_SKEW_FROM"] = str(trial.folder / "jump")

    def inject(self, trial: Trial) -> None:
        """Create the file."""
        trial.in_map_stage()
        (trial.folder / "jump").touch()
        trial.injected(f"the driver's clock jumped by {self._jump_s} s")


@register
class ClockJump(_ClockJump):
    name = "clock-jump"
    says = "the driver's clock jumps by an hour while maps are running, forth or back"
    expected = "fails loudly"
    jumps_s = (-3600, 3600)


@register
class SmallClockJump(_ClockJump):
    name = "clock-jump-small"
    says = (
        "the driver's clock jumps by some seconds while maps are running, as a time server sets it"
    )
    jumps_s = (-20, -2, 2)


@register
class DriverPaused(Fault):
    name = "driver-paused"
    says = (
        f"the driver is stopped for {PAUSE_S:g} seconds (SIGSTOP), as when a laptop sleeps, "
        "and goes on"
    )
    expected: ClassVar[Expected] = "survives"

    def inject(self, trial: Trial) -> None:
        """Pause the driver alone; its services continue."""
        trial.in_map_stage()
        driver = psutil.Process(trial.commands[-1].process.pid)
        try:
            driver.send_signal(signal.SIGSTOP)
            time.sleep(PAUSE_S)
            driver.send_signal(signal.SIGCONT)
        except psutil.NoSuchProcess:
            raise Missed("the run was over") from None
        trial.injected("SIGSTOP and SIGCONT to the driver")

    def finish(self, trial: Trial) -> None:
        """Check that no attempt failed: the driver has read what the services sent meanwhile."""
        command = trial.commands[-1] if trial.commands else None
        if command is not None and trial.injections and command.process.returncode == 0:
            lost = [
                each
                for each in json.loads(command.out.read_bytes())["recoveries"]
                if each["what"] == "TaskLost"
            ]
            assert not lost, f"attempts were counted as failed: {lost}"


def _ports(service: psutil.Process) -> list[int]:
    try:
        found = service.net_connections("tcp4")
    except psutil.Error:
        return []
    return [each.laddr.port for each in found if each.status == psutil.CONN_LISTEN]
