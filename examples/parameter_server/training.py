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
from examples.parameter_server.core.spec import RunSpec
from examples.parameter_server.core.workers import Workers
from examples.parameter_server.models import model_named
from examples.parameter_server.progress import Progress
from examples.parameter_server.servers import Servers, belongs
from mapreduce.errors import JobFailed, LedgerError, MapReduceError, ObjectExists, OutputLost
from services.shell.serve import State

TICK_S = 0.1
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
        self.current: Generation | None = None

    @property
    def may_end(self) -> bool:
        """Whether nothing is lost if the process ends now."""
        return self._has_left or self.current is None

    async def submit(self, run: str, spec: RunSpec) -> None:
        """Write a run to the store, and begin it."""
        self._progress.begin(run, spec)
        try:
            await asyncio.to_thread(self._runs.create, run, spec)
        except MapReduceError:
            self._progress.change("idle")
            raise
        self._submitted.put_nowait((run, spec))

    async def work(self) -> None:
        """Carry out runs, beginning with one that an earlier process has left; never returns."""
        found = await self._left_over()
        while True:
            run, spec = found or await self._submitted.get()
            found = None
            try:
                await self._carry_out(run, spec)
            except (JobFailed, LedgerError) as exc:
                await self._fail(str(exc))
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
            current = await self._begin(run, spec)
            self.current = current
            self._changed.tell()
            ended = await self._tend(current)
            current.ledger.close()
            if ended == "done":
                await self._finish(current)
                return
            if ended == "left":
                self._has_left = True
                await asyncio.Event().wait()  # until the process ends

    async def _begin(self, run: str, spec: RunSpec) -> Generation:
        """Return a new generation, with all servers at the last whole cut."""
        number = await asyncio.to_thread(self._runs.claim_generation, run)
        while True:
            cuts = await asyncio.to_thread(lambda: [*self._runs.cuts(run)])
            for cut in (*cuts, None):
                try:
                    current = await self._servers.restore(run, number, spec, cut)
                except OutputLost as exc:
                    log.warning("a cut is lost; taking the one before", error=str(exc))
                    continue
                except MapReduceError as exc:
                    if self._progress.trouble("server", str(exc)):
                        log.warning("a server cannot begin; trying again", error=str(exc))
                    await asyncio.sleep(PAUSE_S)
                    break
                self._progress.clear("server")
                self._progress.clear("store")
                self._progress.restored(number, cut.version if cut else -1)
                self._progress.change("training" if cut else "waiting")
                log.info("a generation begins", run=run, generation=number, clock=current.version)
                return current

    async def _tend(self, current: Generation) -> End:
        """Make cuts and look after the servers until the generation is over."""
        cutting: asyncio.Task[bool] | None = None
        every = current.spec.checkpoint_every
        looked_at_s, cut_due = 0.0, current.version // every * every + every
        try:
            while True:
                now_s = time.monotonic()
                current.leases.expire(now_s)
                if current.problem:
                    raise JobFailed(current.problem)
                if now_s - looked_at_s >= PAUSE_S:
                    looked_at_s = now_s
                    self._look_for_workers(current, now_s)
                    if await self._is_lost(current):
                        return "lost"
                if current.leases.is_done:
                    if cutting is not None:
                        await cutting
                    return "done"
                if current.version >= cut_due and (cutting is None or cutting.done()):
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
        silent = ""
        for shard, found in enumerate(await self._servers.look(current.spec.servers)):
            if isinstance(found, MapReduceError):
                silent = silent or f"server {shard}: {found}"
                continue
            if not belongs(found, current):
                return True
            if not found.is_finite:
                raise JobFailed(
                    f"the parameters are not finite after clock {found.version}: the model has "
                    "diverged; lower --learning-rate"
                )
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
        evaluation = await asyncio.to_thread(model_named(spec.model).evaluate, theta)
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
            current,
        )

    async def _fail(self, problem: str) -> None:
        current = self.current
        assert current is not None, "only a generation fails"
        current.ledger.close()
        outcome = Outcome(
            run=current.run,
            spec=current.spec,
            version=current.version,
            counts=current.ledger.counts,
            problem=problem,
        )
        await self._end(outcome, current)

    async def _end(self, outcome: Outcome, current: Generation) -> None:
        while True:
            try:
                await asyncio.to_thread(self._runs.end, outcome)
                break
            except MapReduceError as exc:
                self._progress.trouble("store", str(exc))
                log.warning("the end is not written; trying again", error=str(exc))
                await asyncio.sleep(PAUSE_S)
        self._progress.end(outcome, current)
        log.info("the run is over", run=outcome.run, sha256=outcome.sha256, **outcome.evaluation)
