"""Fault injection: sends tasks with faults. The same seed injects the same faults."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator
from contextlib import aclosing

from driver.plan.events import FaultInjected, Observer
from driver.plan.fault_rates import DUPLICATE, KILL, Chaos
from driver.plan.tasks import AnyTask
from driver.transport.base import Heard, Transport, unheard
from driver.transport.endpoint import Endpoint
from mapreduce.errors import TaskLost
from mapreduce.wire.messages import AnyEvent, Failed

HEARTBEAT_TIMEOUT_S = 3.0
"""The time-out of silence under fault injection: many attempts hang, and each costs this time."""


class ChaosTransport:
    """Sends tasks on with their faults; a duplicated task runs twice, one after the other.

    Args:
        inner: the transport that reaches the endpoints.
        chaos: the faults.
        emit: receives an event for each fault.
    """

    def __init__(self, inner: Transport, chaos: Chaos, emit: Observer) -> None:
        self._inner = inner
        self._chaos = chaos
        self._emit = emit

    async def run(
        self, endpoint: Endpoint, task: AnyTask, heard: Heard = unheard
    ) -> AsyncGenerator[AnyEvent, None]:
        """Yield the task's events."""
        kind = self._chaos.kind(task)
        if kind is not None:
            name = f"{task.stage}-{getattr(task, 'index', 0)}"
            self._emit(FaultInjected(at=time.time(), task=name, attempt=task.attempt, fault=kind))
        if kind == DUPLICATE:
            await self._again(endpoint, task, heard)
        elif kind is not None:
            task = task.model_copy(update={"fault": self._chaos.fault(kind, task)})
        async with aclosing(self._inner.run(endpoint, task, heard)) as answers:
            async for event in answers:
                yield _explained(event) if kind == KILL and isinstance(event, Failed) else event

    async def _again(self, endpoint: Endpoint, task: AnyTask, heard: Heard) -> None:
        """Run the same attempt once and drop its answer: its objects exist when it runs again."""
        async with aclosing(self._inner.run(endpoint, task, heard)) as answers:
            async for _ in answers:
                heard()


def _explained(failed: Failed) -> Failed:
    """Return the failure of a killed worker with its cause: the service took it for a lack of
    memory.
    """
    if failed.error.kind != TaskLost.__name__:
        return failed
    told = "fault injection killed the worker (SIGKILL)"
    return failed.model_copy(update={"error": failed.error.model_copy(update={"message": told})})
