"""All servers as server 0 sees them at the end of a run."""

from __future__ import annotations

import asyncio
from pathlib import Path

import numpy as np
import pytest

from examples.parameter_server.checkpoint import Runs
from examples.parameter_server.compress import Payload
from examples.parameter_server.core.spec import RunSpec
from examples.parameter_server.holder import Holder
from examples.parameter_server.servers import Servers
from examples.parameter_server.wire import ps_pb2 as ps
from examples.parameter_server.wire.tensors import fill
from mapreduce.errors import JobFailed, LedgerError, TaskLost
from mapreduce.storage import open_storage
from services.shell.serve import State

SPEC = RunSpec(model="waiting:0", clocks=1, micro_batches=1, learning_rate=1e308)


@pytest.mark.parametrize(
    ("gradient", "restored", "error", "words"),
    [
        (1e10, 1, JobFailed, "not finite after clock 1: the model has diverged"),
        (None, 1, LedgerError, "has applied 0 gradients where the run has 1"),
        (1.0, 2, TaskLost, "lost after the last clock"),
        (1.0, 1, None, ""),
    ],
)
def test_a_run_is_done_when_each_range_has_all_gradients_and_is_finite(
    gradient: float | None,
    restored: int,
    error: type[Exception] | None,
    words: str,
    tmp_path: Path,
) -> None:
    """A model that diverges in its last clock is none."""

    async def body() -> None:
        holder = Holder(Runs(open_storage(), f"file://{tmp_path}"), State())
        servers = Servers(holder, ())
        current = await servers.restore("run", 1, SPEC, None)
        if gradient is not None:
            push = ps.PushRequest(generation=ps.Generation(run="run", number=1))
            push.micro_batch.SetInParent()
            fill(push, Payload(2410, np.full(2410, gradient)))
            assert "applied" == holder.push(push)
        if restored > 1:
            await servers.restore("run", restored, SPEC, None)
        if error is None:
            await servers.check_done(current)
            return
        with pytest.raises(error, match=words):
            await servers.check_done(current)

    asyncio.run(body())
