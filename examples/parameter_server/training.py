"""A run from its start to its end at server 0: generations, cuts, the proof at the end.

A server that is lost takes its range with it. Then all servers go back to the last cut, as the next
generation of the run, and calls of the one before are refused.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from typing import Literal

import structlog

from examples.parameter_server.change import Change
from examples.parameter_server.checkpoint import Manifest, Outcome, Part, Runs, fingerprint
from examples.parameter_server.core.generation import Generation
from examples.parameter_server.core.ledger import check
from examples.parameter_server.core.shard import in_all
from examples.parameter_server.core.spec import Counts, RunSpec
from examples.parameter_server.core.workers import Workers
from examples.parameter_server.models import evaluated, model_named
from examples.parameter_server.progress import Progress
from examples.parameter_server.servers import Servers, belongs, check_finite
from mapreduce.errors import (
    JobFailed,
    LeaseTaken,
    LedgerError,
    MapReduceError,
    ObjectExists,
    OutputLost,
    TaskLost,
    UsageError,
)
from services.shell.serve import State

TICK_S = 0.1
ABANDON_S = 8.0
PAUSE_S = 0.5
"""Between two looks at the other servers, and before a failed step is tried again."""
End = Literal["done", "lost", "left"]
log = structlog.get_logger()


class Training:
    """The runs of a deployment, one after the other.

    Args:
        servers: all of them.
        runs: the store.
        state: of the process.
        workers: those heard of.
        progress: what is told.
        changed: told of each gradient.
    """

    def __init__(
        self,
        servers: Servers,
        runs: Runs,
        state: State,
        workers: Workers,
        progress: Progress,
        changed: Change,
    ) -> None:
        self._servers = servers
        self._runs = runs
        self._state = state
        self._workers = workers
        self._progress = progress
        self._changed = changed
        self._submitted: asyncio.Queue[tuple[str, RunSpec]] = asyncio.Queue()
        self._has_left = False
        self._abandoned = False
        self.current: Generation | None = None

    @property
    def may_end(self) -> bool:
        """Whether nothing is lost if the process ends now."""
        return self._has_left or self.current is None

    async def submit(self, run: str, spec: RunSpec) -> None:
        """Write a run to the store, and begin it."""
        self._progress.begin(run, spec)
        self._abandoned = False
        try:
            await asyncio.to_thread(self._runs.create, run, spec)
        except MapReduceError:
            self._progress.change("idle")
            raise
        self._submitted.put_nowait((run, spec))

    async def abandon(self) -> None:
        """Give up the run in progress, if there is one; it counts as failed.

        Raises:
            TaskLost: it has not ended in time.
        """
        self._abandoned = True
        end_s = time.monotonic() + ABANDON_S
        while self._progress.is_busy:
            if time.monotonic() > end_s:
                raise TaskLost(f"run {self._progress.run} has not ended yet; repeat the command")
            await self._changed.wait(TICK_S)

    def _check_abandoned(self) -> None:
        if self._abandoned:
            raise JobFailed("it was given up: train --abandon")

    async def work(self) -> None:
        """Carry out runs, beginning with one that an earlier process has left; never returns."""
        found = await self._left_over()
        while True:
            run, spec = found or await self._submitted.get()
            found = None
            try:
                await self._carry_out(run, spec)
            except LeaseTaken as exc:
                log.warning("another server 0 carries out the run", run=run, error=str(exc))
                self._progress.leave(str(exc))
            except MapReduceError as exc:
                log.warning("a run cannot go on; trying again", run=run, error=str(exc))
                self._progress.trouble("store", str(exc))
                await asyncio.sleep(PAUSE_S)
                found = run, spec
            finally:
                self.current = None
                self._changed.tell()

    async def _left_over(self) -> tuple[str, RunSpec] | None:
        while True:
            try:
                found = await asyncio.to_thread(self._runs.unfinished)
            except MapReduceError as exc:
                if self._progress.trouble("store", f"the store does not answer: {exc}"):
                    log.warning("the store does not answer; trying again", error=str(exc))
                await asyncio.sleep(PAUSE_S)
                continue
            self._progress.clear("store")
            if found:
                self._progress.begin(*found)
            else:
                self._progress.change("idle")
            return found

    async def _carry_out(self, run: str, spec: RunSpec) -> None:
        while True:
            try:
                current = await self._begin(run, spec)
                self.current = current
                self._changed.tell()
                ended = await self._tend(current)
                current.ledger.close()
                if ended == "done":
                    await self._finish(current)
                    return
            except (JobFailed, LedgerError) as exc:
                await self._fail(run, spec, str(exc))
                return
            if ended == "left":
                self._has_left = True
                await asyncio.Event().wait()  # until the process ends

    async def _begin(self, run: str, spec: RunSpec) -> Generation:
        """Return a new generation, with all servers at the last whole cut."""
        while True:
            try:
                await self._check_servers(spec)
                return await self._restored(run, spec)
            except (JobFailed, LeaseTaken):
                raise
            except MapReduceError as exc:
                if self._progress.trouble("server", str(exc)):
                    log.warning("the run cannot begin; trying again", error=str(exc))
            await asyncio.sleep(PAUSE_S)

    async def _check_servers(self, spec: RunSpec) -> None:
        """Check that all servers of a run answer, before a generation is claimed.

        Raises:
            JobFailed: the run is given up.
            MapReduceError: a server does not answer, or there are too few.
        """
        self._check_abandoned()
        if spec.servers > len(self._servers):
            raise UsageError(
                f"the run has {spec.servers} servers, and there are {len(self._servers)}; start as "
                "many, or give the run up: train --abandon"
            )
        for found in await self._servers.look(spec.servers):
            if isinstance(found, MapReduceError):
                raise found

    async def _restored(self, run: str, spec: RunSpec) -> Generation:
        """Return a generation at the newest cut that is whole.

        Each try has a number of its own: a server may still be at work for the one before.
        """
        cuts = await asyncio.to_thread(lambda: [*self._runs.cuts(run)])
        for cut in (*cuts, None):
            number = await asyncio.to_thread(self._runs.claim_generation, run)
            try:
                current = await self._servers.restore(run, number, spec, cut)
            except OutputLost as exc:
                log.warning("a cut is lost; taking the one before", error=str(exc))
                continue
            self._progress.clear("server")
            self._progress.clear("store")
            self._progress.restored(number, cut.version if cut else -1)
            self._progress.change("training" if cut else "waiting")
            log.info("a generation begins", run=run, generation=number, clock=current.version)
            return current
        raise OutputLost(f"run {run} cannot begin: no server can make the first parameters")

    async def _tend(self, current: Generation) -> End:
        """Make cuts and look after the servers until the generation is over."""
        cutting: asyncio.Task[bool] | None = None
        every = current.spec.checkpoint_every
        looked_at_s, cut_due = 0.0, current.version // every * every + every
        try:
            while True:
                now_s = time.monotonic()
                current.leases.expire(now_s)
                self._check_abandoned()
                if current.problem:
                    raise JobFailed(current.problem)
                if current.is_lost:
                    log.warning("gradients are stale again and again", clock=current.version)
                    return "lost"
                if now_s - looked_at_s >= PAUSE_S:
                    looked_at_s = now_s
                    self._look_for_workers(current, now_s)
                    if await self._is_lost(current):
                        return "lost"
                if current.leases.is_done:
                    if cutting is not None:
                        await cutting
                    return "done"
                if cutting is not None and cutting.done():
                    await cutting  # raises if another server 0 carries out the run
                    cutting = None
                if current.version >= cut_due and cutting is None:
                    cutting = asyncio.create_task(
                        self._try_cut(current, current.version // every * every)
                    )
                    cut_due = current.version // every * every + every
                if self._state.draining and await self._left(current):
                    return "left"
                await self._changed.wait(TICK_S)
        finally:
            if cutting is not None:
                cutting.cancel()

    async def _left(self, current: Generation) -> bool:
        """Return whether there is a cut of all that was begun, so that the process may end."""
        version = current.leases.stop()
        if current.version < version:
            return False
        return self._progress.cut == version or await self._try_cut(current, version)

    async def _is_lost(self, current: Generation) -> bool:
        """Return whether a server has lost its range."""
        silent, version = "", current.version
        for shard, found in enumerate(await self._servers.look(current.spec.servers)):
            if isinstance(found, MapReduceError):
                silent = silent or f"server {shard}: {found}"
                continue
            # a gradient reaches server 0 last, so no range may be behind it
            if not belongs(found, current) or found.version < version:
                log.warning("a server has lost its range", shard=shard, clock=found.version)
                return True
            check_finite(found)
            if found.draining:
                await self._left(current)
        if not silent:
            self._progress.clear("server")
        elif self._progress.trouble("server", silent):
            log.warning("a server does not answer", error=silent)
        return False

    def _look_for_workers(self, current: Generation, now_s: float) -> None:
        if self._workers.count(now_s) or current.leases.is_done:
            self._progress.clear("workers")
        elif self._progress.trouble("workers", "there is no worker; waiting for one"):
            log.warning("there is no worker; waiting for one", clock=current.version)

    async def _try_cut(self, current: Generation, version: int) -> bool:
        """Make a cut; return whether there is one: training goes on without it."""
        try:
            await self._cut(current, version)
        except LeaseTaken:
            raise
        except MapReduceError as exc:
            self._progress.trouble("cut", f"no cut at clock {version}: {exc}")
            log.warning("no cut; training goes on", clock=version, error=str(exc))
            return False
        return True

    async def _cut(self, current: Generation, version: int) -> tuple[Part, ...]:
        parts = await self._servers.parts(current, version)
        shared = in_all(part.ahead for part in parts)
        manifest = Manifest(
            version=version,
            generation=current.number,
            parts=parts,
            counts=current.ledger.at_cut(version * current.spec.micro_batches + len(shared)),
        )
        with suppress(ObjectExists):  # the same cut, with an earlier ledger
            await asyncio.to_thread(self._runs.commit, current.run, manifest)
        try:
            await asyncio.to_thread(self._runs.prune, current.run)
        except MapReduceError as exc:
            log.warning("older cuts are not deleted", error=str(exc))
        self._progress.record_cut(version)
        self._progress.clear("cut")
        log.info("a cut is whole", clock=version, generation=current.number)
        return parts

    async def _finish(self, current: Generation) -> None:
        """Prove the account, write the last cut, and mark the run as done."""
        spec = current.spec
        self._progress.change("writing")
        check(current.ledger.counts, spec.clocks * spec.micro_batches)
        parts = await self._cut(current, spec.clocks)
        await self._servers.check_done(current)
        theta = await asyncio.to_thread(self._runs.parameters, parts)
        evaluation = await asyncio.to_thread(evaluated, model_named(spec.model), theta)
        await self._end(
            Outcome(
                run=current.run,
                spec=spec,
                version=spec.clocks,
                counts=current.ledger.counts,
                sha256=fingerprint(theta),
                evaluation=evaluation,
                parts=parts,
            ),
            current.number,
        )

    async def _fail(self, run: str, spec: RunSpec, problem: str) -> None:
        version, counts, number = 0, Counts(), None
        if current := self.current:
            current.ledger.close()
            version, counts, number = current.version, current.ledger.counts, current.number
        await self._end(
            Outcome(run=run, spec=spec, version=version, counts=counts, problem=problem), number
        )

    async def _end(self, outcome: Outcome, generation: int | None) -> None:
        loss = self.current.loss if self.current else None
        while True:
            try:
                # a server 0 that was replaced may have ended the run: the first mark counts
                outcome = await asyncio.to_thread(self._runs.end, outcome, generation)
                break
            except LeaseTaken:
                raise
            except MapReduceError as exc:
                self._progress.trouble("store", str(exc))
                log.warning("the end is not written; trying again", error=str(exc))
                await asyncio.sleep(PAUSE_S)
        self._progress.end(outcome, loss)
        log.info("the run is over", run=outcome.run, sha256=outcome.sha256, **outcome.evaluation)
