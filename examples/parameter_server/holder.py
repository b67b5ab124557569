"""One server's range behind its calls: restore, fetch, push, checkpoint."""

from __future__ import annotations

import asyncio
import time

import numpy as np

from examples.parameter_server.change import Change
from examples.parameter_server.checkpoint import Manifest, Runs
from examples.parameter_server.core.ranges import ranges
from examples.parameter_server.core.shard import Cut, Shard
from examples.parameter_server.core.spec import RunSpec
from examples.parameter_server.models import model_named
from examples.parameter_server.wire import ps_pb2 as ps
from examples.parameter_server.wire.calls import OldGeneration
from examples.parameter_server.wire.tensors import packed, payload_of
from mapreduce.errors import TaskLost
from services.shell.serve import State

MANIFEST_S = 2.0
"""What server 0 gets to make a cut of the parts, before a server that ends is gone."""


class Holder:
    """The range of a server.

    Args:
        runs: the store.
        state: of the process: whether it is about to end.
    """

    def __init__(self, runs: Runs, state: State) -> None:
        self._runs = runs
        self._state = state
        self._generation = ("", 0)
        self._newest = ("", 0)
        self._number = 0
        self._shard: Shard | None = None
        self._left_at_s: float | None = None
        self._changed = Change()

    @property
    def may_end(self) -> bool:
        """Whether nothing is lost if the process ends now: no training, or its cut is written."""
        if self._shard is None or self._shard.is_done:
            return True
        return self._left_at_s is not None and time.monotonic() - self._left_at_s > MANIFEST_S

    @property
    def version(self) -> int:
        """Clocks that are applied in the range."""
        return self._shard.version if self._shard else 0

    async def restore(self, request: ps.RestoreRequest) -> ps.RestoreReply:
        """Begin a generation from a cut, or from the first parameters.

        Raises:
            OldGeneration: the range has begun this generation or a later one.
        """
        generation = (request.generation.run, request.generation.number)
        if generation[0] == self._newest[0] and generation <= self._newest:
            raise OldGeneration(f"generation {generation[1]} is over")
        self._newest = generation
        spec = RunSpec.model_validate_json(request.spec)
        cut = await asyncio.to_thread(self._cut, spec, request.shard, request.manifest)
        if self._newest != generation:  # a slow read must not set a later generation back
            raise OldGeneration(f"generation {generation[1]} is over")
        self._generation, self._number = generation, request.shard
        self._shard = Shard(spec, cut)
        self._changed.tell()
        ahead = [ps.MicroBatch(clock=clock, number=number) for clock, number in cut.ahead]
        return ps.RestoreReply(ahead=ahead)

    async def fetch(self, request: ps.FetchRequest) -> ps.FetchReply:
        """Return the parameters of the range: the version wanted, or any that the worker lacks."""
        shard = self._current(request.generation)
        if request.HasField("version"):
            theta = shard.at(request.version)
            if theta is None:
                return ps.FetchReply(version=shard.version)
            return ps.FetchReply(version=request.version, updates=-1, values=packed(theta))
        values = None if request.updates == shard.updates else packed(shard.theta)
        return ps.FetchReply(version=shard.version, updates=shard.updates, values=values)

    def push(self, request: ps.PushRequest) -> str:
        """Add a gradient; return the verdict."""
        shard = self._current(request.generation)
        before = shard.version
        verdict = shard.push(
            request.micro_batch.clock,
            request.micro_batch.number,
            request.version,
            payload_of(request),
        )
        if shard.version != before:
            self._changed.tell()
        return verdict

    async def checkpoint(self, request: ps.CheckpointRequest) -> ps.CheckpointReply:
        """Write the range at a version to the store, once it has that version."""
        end_s = time.monotonic() + request.wait_s
        shard = self._current(request.generation)
        shard.want_cut(request.version)
        while request.version not in shard.cuts:
            if shard.version > request.version or time.monotonic() >= end_s:
                raise TaskLost(f"there is no cut at {request.version}: this is {shard.version}")
            await self._changed.wait(end_s - time.monotonic())
            shard = self._current(request.generation)
        run, number = self._generation
        cut = shard.cuts[request.version]
        part = await asyncio.to_thread(self._runs.write_part, run, number, self._number, cut)
        if self._state.draining:
            self._left_at_s = time.monotonic()
        return ps.CheckpointReply(part=part.model_dump_json())

    async def status(self, request: ps.ShardStatusRequest) -> ps.ShardStatusReply:
        """Return which generation the range belongs to, and how far it is."""
        del request
        if self._shard is None:
            return ps.ShardStatusReply(draining=self._state.draining)
        run, number = self._generation
        return ps.ShardStatusReply(
            generation=ps.Generation(run=run, number=number),
            version=self._shard.version,
            applied=self._shard.applied,
            is_finite=self._shard.is_finite,
            draining=self._state.draining,
        )

    def _current(self, generation: ps.Generation) -> Shard:
        if self._shard is None or (generation.run, generation.number) != self._generation:
            raise OldGeneration(
                f"generation {generation.number} of {generation.run!r} is not in training here"
            )
        return self._shard

    def _cut(self, spec: RunSpec, number: int, manifest: str) -> Cut:
        if manifest:
            found = Manifest.model_validate_json(manifest)
            return self._runs.read_part(found.parts[number], found.version)
        model = model_named(spec.model)
        start, end = ranges(model.parameters, spec.servers)[number]
        theta = model.init(spec.seed)[start:end]
        return Cut(0, theta, np.zeros_like(theta))
