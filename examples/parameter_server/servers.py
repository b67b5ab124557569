"""All servers as server 0 sees them: its own range directly, the others by call."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from examples.parameter_server.checkpoint import Manifest, Part
from examples.parameter_server.core.generation import Generation
from examples.parameter_server.core.shard import in_all
from examples.parameter_server.core.spec import RunSpec
from examples.parameter_server.holder import Holder
from examples.parameter_server.wire import ps_pb2 as ps
from examples.parameter_server.wire.client import AsyncPeer
from mapreduce.errors import JobFailed, LedgerError, MapReduceError, TaskLost

LOOK_S = 3.0
RESTORE_S = 30.0
CUT_S = 30.0


class Servers:
    """The servers of a deployment.

    Args:
        holder: server 0's own range.
        others: servers 1 and on.
    """

    def __init__(self, holder: Holder, others: Sequence[AsyncPeer]) -> None:
        self._holder = holder
        self._others = others

    def __len__(self) -> int:
        return 1 + len(self._others)

    async def restore(
        self, run: str, number: int, spec: RunSpec, cut: Manifest | None
    ) -> Generation:
        """Return a new generation, with the run's servers at a cut or at the first parameters.

        After an error some servers may still restore: the next try needs another number.

        Raises:
            OutputLost: the cut is not whole any more.
            MapReduceError: a server does not answer, or cannot read its part.
        """
        requests = [
            ps.RestoreRequest(
                generation=ps.Generation(run=run, number=number),
                spec=spec.model_dump_json(),
                shard=shard,
                manifest=cut.model_dump_json() if cut else "",
            )
            for shard in range(spec.servers)
        ]
        replies = await asyncio.gather(
            self._holder.restore(requests[0]),
            *(
                peer.call(request, ps.RestoreReply, RESTORE_S)
                for peer, request in zip(
                    self._others[: spec.servers - 1], requests[1:], strict=True
                )
            ),
        )
        shared = in_all([(each.clock, each.number) for each in reply.ahead] for reply in replies)
        return Generation(
            run, number, spec, cut.version if cut else 0, shared, cut.counts if cut else None
        )

    async def look(self, servers: int) -> list[ps.ShardStatusReply | MapReduceError]:
        """Return the status of the first servers, or why there is none."""
        return await asyncio.gather(*(self._look(shard) for shard in range(servers)))

    async def parts(self, current: Generation, version: int) -> tuple[Part, ...]:
        """Return the parts of a cut, each written by its server.

        Raises:
            MapReduceError: a server does not answer, has no such version, or cannot write.
        """
        request = ps.CheckpointRequest(
            generation=ps.Generation(run=current.run, number=current.number),
            version=version,
            wait_s=CUT_S / 2,
        )
        replies = await asyncio.gather(
            self._holder.checkpoint(request),
            *(
                peer.call(request, ps.CheckpointReply, CUT_S)
                for peer in self._others[: current.spec.servers - 1]
            ),
        )
        return tuple(Part.model_validate_json(reply.part) for reply in replies)

    async def check_done(self, current: Generation) -> None:
        """Check that each server has applied every gradient of the run once, to finite parameters.

        Raises:
            LedgerError: one has not.
            JobFailed: the model has diverged.
            MapReduceError: one does not answer, or has lost its range.
        """
        gradients = current.spec.clocks * current.spec.micro_batches
        for shard, found in enumerate(await self.look(current.spec.servers)):
            if isinstance(found, MapReduceError):
                raise found
            if not belongs(found, current):
                raise TaskLost(f"server {shard} was lost after the last clock")
            check_finite(found)
            if found.applied != gradients:
                raise LedgerError(
                    f"server {shard} has applied {found.applied} gradients where the run has "
                    f"{gradients}: the model is not marked as done; train again"
                )

    async def _look(self, shard: int) -> ps.ShardStatusReply | MapReduceError:
        request = ps.ShardStatusRequest()
        try:
            if shard == 0:
                return await self._holder.status(request)
            return await self._others[shard - 1].call(request, ps.ShardStatusReply, LOOK_S)
        except MapReduceError as exc:
            return exc


def belongs(found: ps.ShardStatusReply, current: Generation) -> bool:
    """Return whether a server's range is of a generation."""
    return (found.generation.run, found.generation.number) == (current.run, current.number)


def check_finite(found: ps.ShardStatusReply) -> None:
    """Check that the parameters of a range are finite.

    Raises:
        JobFailed: one is not.
    """
    if not found.is_finite:
        raise JobFailed(
            f"the parameters are not finite after clock {found.version}: the model has diverged; "
            "lower --learning-rate"
        )
