"""The interface of a transport: sends a task to an endpoint, and returns the task's events."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from typing import Protocol

from driver.plan.tasks import AnyTask
from driver.transport.endpoint import Endpoint
from mapreduce.errors import MapReduceError, TaskLost
from mapreduce.wire.messages import AnyEvent

Heard = Callable[[], None]


def unheard() -> None:
    """Note nothing: the caller does not limit the silence."""


class NoSlot(MapReduceError):
    """The endpoint has no free slot now.

    Args:
        retry_after_s: after how many seconds to ask again.
    """

    def __init__(self, retry_after_s: float) -> None:
        super().__init__(f"no free slot, ask again in {retry_after_s:g} s")
        self.retry_after_s = retry_after_s


class NotReached(TaskLost):
    """The endpoint could not be connected to, so that nothing of the task has begun."""


class Transport(Protocol):
    """Sends tasks to endpoints."""

    def run(
        self, endpoint: Endpoint, task: AnyTask, heard: Heard = unheard
    ) -> AsyncGenerator[AnyEvent, None]:
        """Yield the task's events; the last is `Done` or `Failed`.

        Closing the iterator cancels the task.

        Args:
            endpoint: the service.
            task: the task.
            heard: called whenever the endpoint has taken in some of the request. The caller limits
                the time of the answer.

        Raises:
            NoSlot: the endpoint is full.
            NotReached: it cannot be connected to.
            TaskLost: it went silent, or sent something that is not an event.
        """
