"""Inject faults into this worker. Nothing here runs unless the service's settings allow it."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable

from mapreduce.errors import InjectedFault, UsageError
from mapreduce.storage import Storage
from mapreduce.wire.messages import Fault, SplitResult, TaskResult

_NAP_S = 0.05


def check_allowed(fault: Fault | None, *, allowed: bool) -> None:
    """Refuse a fault if the service's settings do not allow injection.

    Raises:
        UsageError: they do not.
    """
    if fault is not None and not allowed:
        raise UsageError(
            "this service refuses fault injection; set MAPREDUCE_CHAOS=true in its environment"
        )


def before_task(fault: Fault | None, fall_silent: Callable[[], None]) -> None:
    """Inject the fault of the time before and during a task.

    Args:
        fault: the fault, if any.
        fall_silent: ends the heartbeat.

    Raises:
        InjectedFault: the fault is an error.
    """
    if fault is None:
        return
    if fault.kind == "kill" and fault.when == "before":
        _die()
    elif fault.kind == "kill" and fault.when == "during":
        timer = threading.Timer(fault.seconds, _die)
        timer.daemon = True
        timer.start()
    elif fault.kind == "hang":
        # the driver must notice the hang by the silence, so the heartbeat ends first
        fall_silent()
        while True:
            time.sleep(_NAP_S)
    elif fault.kind == "slow":
        time.sleep(fault.seconds)
    elif fault.kind == "error":
        raise InjectedFault("fault injection made this attempt fail")


def after_task(fault: Fault | None, result: TaskResult, storage: Storage) -> None:
    """Inject the fault of the time after a task's result."""
    if fault is None:
        return
    if fault.kind == "kill":
        _die()
    if fault.kind == "corrupt" and not isinstance(result, SplitResult):
        content = bytearray(storage.read(result.url))
        if content:
            content[len(content) // 2] ^= 0xFF
            storage.write(result.url, bytes(content))


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)
