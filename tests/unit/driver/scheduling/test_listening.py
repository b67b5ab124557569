"""The answer to one attempt, in virtual time: every answer ends in bounded time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator

import pytest

from driver.plan.tasks import AnyTask
from driver.scheduling.listening import EVENTS_AT_ONCE, Ears, listen
from driver.scheduling.policy import RetryPolicy
from driver.transport.base import Heard, unheard
from driver.transport.endpoint import Endpoint
from mapreduce.errors import TaskLost
from mapreduce.wire.messages import (
    PRINTED_LINES,
    AnyEvent,
    AttemptId,
    Done,
    MapResult,
    MapTask,
    Progress,
    Said,
    Started,
)
from tests.simulation.virtual_time import VirtualLoop, run_virtually
from tests.unit.driver.fakes import map_specs, result_of

POLICY = RetryPolicy()
ENDPOINT = Endpoint("mapper-0", "", 1)


class _Scripted:
    """A transport that sends scripted events, each after some seconds."""

    def __init__(self, *said: tuple[float, AnyEvent], ends: bool = True, uploads: int = 0) -> None:
        self._said = said
        self._ends = ends
        self._uploads = uploads
        self.closed = False

    async def run(
        self, endpoint: Endpoint, task: AnyTask, heard: Heard = unheard
    ) -> AsyncGenerator[AnyEvent, None]:
        """Send the events."""
        try:
            for _ in range(self._uploads):
                await asyncio.sleep(15.0)
                heard()
            for after, event in self._said:
                await asyncio.sleep(after)
                yield event
            while not self._ends:
                await asyncio.sleep(1e5)
        finally:
            self.closed = True


def _task() -> MapTask:
    task = map_specs([1])[0].message("0")
    assert isinstance(task, MapTask)
    return task


def _listen(transport: _Scripted) -> tuple[object, float]:
    loop = VirtualLoop(1e6)
    ears = Ears(loop.time, lambda: None, lambda _: None, lambda _: None, lambda _: None)
    return run_virtually(loop, listen(transport, ENDPOINT, _task(), POLICY, ears)), loop.time()


STARTED = Started(attempt=AttemptId.of(_task(), "1" * 32), worker=1)


def _progress(done: int) -> Progress:
    return Progress(attempt=STARTED.attempt, bytes=done, records=done)


def test_a_result_comes_through() -> None:
    """A result after heartbeats is returned, and the transport is closed."""
    result = result_of(_task())
    transport = _Scripted(
        (1, STARTED), (15, _progress(1)), (15, Done(attempt=STARTED.attempt, result=result))
    )
    found, _ = _listen(transport)
    assert isinstance(found, MapResult)
    assert result == found
    assert transport.closed


def test_silence_ends() -> None:
    """Silence ends the attempt, for example on a half-open connection."""
    transport = _Scripted((1, STARTED), ends=False)
    with pytest.raises(TaskLost, match="mapper-0 said nothing for 20 s"):
        _listen(transport)
    assert transport.closed


def test_a_long_upload_is_no_silence() -> None:
    """A long upload of the request counts as activity."""
    result = result_of(_task())
    found, seconds = _listen(
        _Scripted((1, STARTED), (1, Done(attempt=STARTED.attempt, result=result)), uploads=20)
    )
    assert result == found
    assert seconds >= 300


def test_progress_that_stands_still_ends() -> None:
    """Heartbeats without progress end the attempt."""
    with pytest.raises(TaskLost, match="made no progress for 600 s"):
        _listen(_Scripted((1, STARTED), *[(10.0, _progress(5))] * 100))


def test_progress_that_moves_does_not() -> None:
    """An attempt with progress goes on for any time."""
    result = result_of(_task())
    beats = [(15.0, _progress(number)) for number in range(500)]
    found, seconds = _listen(
        _Scripted((1, STARTED), *beats, (1, Done(attempt=STARTED.attempt, result=result)))
    )
    assert result == found
    assert seconds > 5000


def test_a_flood_of_events_ends() -> None:
    """Too many events end the attempt."""
    with pytest.raises(TaskLost, match=r"sent \d+ events"):
        _listen(
            _Scripted(
                (1, STARTED), *[(0.0, _progress(number)) for number in range(EVENTS_AT_ONCE * 2)]
            )
        )


def test_an_answer_to_another_task_is_lost() -> None:
    """Events of another task end the attempt as lost."""
    other = STARTED.model_copy(
        update={"attempt": STARTED.attempt.model_copy(update={"run": "run-2"})}
    )
    with pytest.raises(TaskLost):
        _listen(_Scripted((1, other)))


def test_what_a_job_prints_is_passed_on_within_its_limit() -> None:
    """Printed lines reach the listener; an endpoint that sends more than a service does is lost."""
    heard: list[Said] = []
    loop = VirtualLoop(1e6)
    ears = Ears(loop.time, lambda: None, lambda _: None, lambda _: None, heard.append)
    said = Said(attempt=STARTED.attempt, lines=("a line",) * (PRINTED_LINES // 2))
    done = Done(attempt=STARTED.attempt, result=result_of(_task()))
    transport = _Scripted((1, said), (1, STARTED), (1, said), (1, done))
    run_virtually(loop, listen(transport, ENDPOINT, _task(), POLICY, ears))
    assert [said, said] == heard
    with pytest.raises(TaskLost, match=r"sent 1500 lines that the job has printed"):
        _listen(_Scripted((1, said), (1, STARTED), (1, said), (1, said), (1, done)))
