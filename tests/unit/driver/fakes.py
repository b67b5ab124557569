"""Fake endpoints, and a transport with a script: no process, no socket, no waiting."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncGenerator, Callable, Iterable, Sequence

from driver.plan.tasks import AnyTask, TaskSpec
from driver.transport.base import Heard, NoSlot, NotReached, unheard
from driver.transport.endpoint import Endpoint
from mapreduce.errors import TaskLost
from mapreduce.wire import keys
from mapreduce.wire.messages import (
    AnyEvent,
    AttemptId,
    BlocksSum,
    Cost,
    Done,
    Failed,
    MapResult,
    MapTask,
    Progress,
    RangeRead,
    Split,
    StageName,
    Started,
    TaskError,
)
from tests.unit.driver.samples import JOB

ANY_ATTEMPT = AttemptId(run="run-1", stage="map", index=0, attempt="0")
Answer = Callable[[int], "Done | Failed | TaskLost | NoSlot"]


class FakeFleet:
    """Endpoints that a test may change during the stage."""

    refresh_s = 0.0

    def __init__(self, *endpoints: Endpoint) -> None:
        self.now = list(endpoints)
        self.unreached = ""
        self.asked_why: list[tuple[str, ...]] = []

    async def endpoints(self, stage: StageName) -> list[Endpoint]:
        """Return the current endpoints."""
        return list(self.now)

    async def why_gone(self, stage: StageName, names: Sequence[str]) -> dict[str, str]:
        """Return that each was scaled in."""
        return dict.fromkeys(names, "scaled in")

    async def why_unreached(self, stage: StageName, names: Sequence[str]) -> str:
        """Return the cause that a test has set, and note the names."""
        self.asked_why.append(tuple(names))
        return self.unreached


class FakeTransport:
    """Answers by script: `script[(task index, attempt)]` for a task, else `default`. It records all
    requests.
    """

    def __init__(
        self, script: dict[tuple[int, int], Failed | TaskLost | NoSlot] | None = None
    ) -> None:
        self.script = dict(script or {})
        self.asked: list[tuple[str, int]] = []
        self.running: defaultdict[str, int] = defaultdict(int)
        self.most_running: defaultdict[str, int] = defaultdict(int)
        self.attempts: defaultdict[int, int] = defaultdict(int)
        self.before_answer: Callable[[], None] = lambda: None
        self.cancelled = 0
        self.hanging: set[tuple[int, int]] = set()
        """(task index, attempt) of attempts that send heartbeats for ever and do nothing."""

    async def run(
        self, endpoint: Endpoint, task: AnyTask, heard: Heard = unheard
    ) -> AsyncGenerator[AnyEvent, None]:
        """Answer one attempt."""
        assert isinstance(task, MapTask)
        self.asked.append((endpoint.name, task.index))
        attempt = self.attempts[task.index] = self.attempts[task.index] + 1
        self.running[endpoint.name] += 1
        self.most_running[endpoint.name] = max(
            self.most_running[endpoint.name], self.running[endpoint.name]
        )
        try:
            if isinstance(out := self.script.get((task.index, attempt)), NotReached):
                raise out
            yield Started(attempt=AttemptId.of(task), worker=1)
            await asyncio.sleep(0)
            self.before_answer()
            while (task.index, attempt) in self.hanging:
                yield Progress(attempt=AttemptId.of(task), bytes=0, records=0)
                await asyncio.sleep(0)
            answer = self.script.get(
                (task.index, attempt), Done(attempt=AttemptId.of(task), result=result_of(task))
            )
            if isinstance(answer, TaskLost | NoSlot):
                raise answer
            yield answer.model_copy(update={"attempt": AttemptId.of(task)})
        except (GeneratorExit, asyncio.CancelledError):
            self.cancelled += 1
            raise
        finally:
            self.running[endpoint.name] -= 1


def result_of(task: MapTask) -> MapResult:
    """Return a result that names its task and attempt."""
    return MapResult(
        url=keys.map_attempt(task.store, task.run, task.index, task.attempt),
        etag="e",
        size=1,
        pieces=tuple(
            RangeRead(source=piece.source, start=piece.start, bytes_owned=piece.length)
            for piece in task.split.pieces
        ),
        records_in=1,
        records_out=1,
        blocks=BlocksSum(partitions=1, digest="d", seal=1),
        counters={},
        cost=Cost(seconds=0.1, peak_memory_bytes=1),
    )


def map_specs(sizes: Iterable[int]) -> list[TaskSpec]:
    """Return map tasks of these sizes."""

    def spec(index: int, size: int) -> TaskSpec:
        def message(attempt: str) -> MapTask:
            split = Split(index=index, pieces=())
            return MapTask(
                run="run-1",
                attempt=attempt,
                store="file:///store",
                index=index,
                job=JOB,
                split=split,
                partitions=1,
            )

        return TaskSpec("map", index, f"{index:064x}", size, message)

    return [spec(index, size) for index, size in enumerate(sizes)]


def failed(kind: str, message: str = "it broke") -> Failed:
    """Return a failure of this kind; the transport adds the attempt."""
    return Failed(attempt=ANY_ATTEMPT, error=TaskError(kind=kind, message=message))
