"""A server's range: one generation after the other."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from examples.parameter_server.checkpoint import Runs
from examples.parameter_server.compress import Payload
from examples.parameter_server.core.shard import Cut
from examples.parameter_server.core.spec import RunSpec
from examples.parameter_server.holder import Holder
from examples.parameter_server.wire import ps_pb2 as ps
from examples.parameter_server.wire.calls import OldGeneration
from examples.parameter_server.wire.tensors import fill
from mapreduce.storage import open_storage
from services.shell.serve import State

SPEC = RunSpec(model="waiting:0", clocks=5, micro_batches=1)
LIMIT_S = 30


class SlowOnce(Holder):
    """A range whose first read of the store waits."""

    begun = threading.Event()
    goes_on = threading.Event()

    def _cut(self, *arguments: Any) -> Cut:
        if not self.begun.is_set():
            self.begun.set()
            assert self.goes_on.wait(LIMIT_S)
        return super()._cut(*arguments)


def _restore(number: int) -> ps.RestoreRequest:
    generation = ps.Generation(run="run", number=number)
    return ps.RestoreRequest(generation=generation, spec=SPEC.model_dump_json())


def test_a_restore_that_is_late_sets_nothing_back(tmp_path: Path) -> None:
    """A read of the store that ends after the next generation has begun changes nothing."""

    async def body() -> None:
        holder = SlowOnce(Runs(open_storage(), f"file://{tmp_path}"), State())
        late = asyncio.create_task(holder.restore(_restore(1)))
        await asyncio.to_thread(holder.begun.wait, LIMIT_S)
        await holder.restore(_restore(2))
        push = ps.PushRequest(generation=ps.Generation(run="run", number=2))
        push.micro_batch.SetInParent()
        fill(push, Payload(2410, np.ones(2410)))
        assert "applied" == holder.push(push)
        holder.goes_on.set()
        with pytest.raises(OldGeneration):
            await late
        assert 1 == holder.version
        with pytest.raises(OldGeneration):
            await holder.restore(_restore(2))
        assert 1 == holder.version

    asyncio.run(body())
