"""How one task reaches an endpoint and its events come back: over HTTP, or within this process."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from typing import Protocol

from driver.plan.tasks import AnyTask
from driver.transport.endpoint import Endpoint
from mapreduce.errors import MapReduceError, TaskLost
from mapreduce.wire.messages import Done, Failed, Progress, Started

Heard = Callable[[], None]


def unheard() -> None:
    """Note nothing: the caller does not ask how far the request is."""


class NoSlot(MapReduceError):
    """The endpoint has no free slot now.

    Args:
        retry_after_s: when to ask it again.
    """

    def __init__(self, retry_after_s: float) -> None:
        super().__init__(f"no free slot, ask again in {retry_after_s:g} s")
        self.retry_after_s = retry_after_s


class NotReached(TaskLost):
    """The endpoint could not be connected to, so that nothing of the task has begun."""


class Transport(Protocol):
    """Asks an endpoint to carry out a task."""

    def run(
        self, endpoint: Endpoint, task: AnyTask, heard: Heard = unheard
    ) -> AsyncGenerator[Started | Progress | Done | Failed, None]:
        """Yield the task's events; the last is `Done` or `Failed`. Closing the iterator cancels the task.

        Args:
            endpoint: who is asked.
            task: for what.
            heard: is called whenever the endpoint has taken in some of the request. The time that it takes to answer
                is the caller's to limit.

        Raises:
            NoSlot: the endpoint is full.
            NotReached: it cannot be connected to.
            TaskLost: it went silent, or answered with what is no event.
        """
