"""Runs one task after another in this process: breakpoints work, in the job's own file.

Nothing is isolated: what one task changes in the process, the next one sees.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence

from driver.plan.tasks import AnyTask
from driver.transport.base import Heard, unheard
from driver.transport.endpoint import Endpoint
from driver.transport.printed import printed
from mapreduce.engine import TaskContext, run_task
from mapreduce.engine.run import task_error
from mapreduce.wire.messages import AnyEvent, AttemptId, Done, Failed, Said, StageName, Started


class InlineFleet:
    """One endpoint for every stage: this process."""

    refresh_s = 3600.0

    async def endpoints(self, stage: StageName) -> list[Endpoint]:
        return [Endpoint("inline", "inline:", 1)]

    async def why_gone(self, stage: StageName, names: Sequence[str]) -> dict[str, str]:
        return {}

    async def why_unreached(self, stage: StageName, names: Sequence[str]) -> str:
        return ""


class InlineTransport:
    """Calls the engine directly.

    Args:
        context: the context of every task.
    """

    def __init__(self, context: TaskContext) -> None:
        self._context = context

    async def run(
        self, endpoint: Endpoint, task: AnyTask, heard: Heard = unheard
    ) -> AsyncGenerator[AnyEvent, None]:
        attempt = AttemptId.of(task)
        yield Started(attempt=attempt, worker=0)
        last: Done | Failed
        with printed() as lines:
            try:
                last = Done(attempt=attempt, result=run_task(task, self._context))
            except Exception as exc:  # noqa: BLE001 - any error of a task is its answer
                last = Failed(attempt=attempt, error=task_error(exc))
        said, left_out = lines.take()
        if said or left_out:
            yield Said(attempt=attempt, lines=said, left_out=left_out)
        yield last
