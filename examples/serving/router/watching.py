"""Keep the list of replicas, and each one's readiness, true: look up, and probe, again and again.

No failure here ends anything: a look-up that fails leaves the list as it is, and a port without a
container is just not there.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from http import HTTPStatus

import structlog

from examples.serving.router.connections import Address, NotThere, Request, Unanswered
from examples.serving.router.decisions.canary import Group
from examples.serving.router.decisions.readiness import (
    Probe,
    after_probe,
    is_lost,
    was_silent,
)
from examples.serving.router.discovery import Lookup, LookupFailed
from examples.serving.router.replicas import Replica, Replicas
from examples.serving.wire import READY

log = structlog.get_logger()
_PROBE = Request("GET", READY.encode(), (), b"")


class Watch:
    """Looks up and probes the replicas.

    Args:
        replicas: kept up to date.
        lookups: one for each group.
        probe_s: seconds between two probes of a replica, and for the answer to one.
        discover_s: seconds between two look-ups.
        changed: called when a replica becomes ready or unready.
        lookup_failed: called for each look-up that failed.
    """

    def __init__(
        self,
        replicas: Replicas,
        lookups: Mapping[Group, Lookup],
        probe_s: float,
        discover_s: float,
        changed: Callable[[], None] = lambda: None,
        lookup_failed: Callable[[], None] = lambda: None,
    ) -> None:
        self._replicas = replicas
        self._lookups = lookups
        self._probe_s = probe_s
        self._discover_s = discover_s
        self._changed = changed
        self._lookup_failed = lookup_failed
        self._probing: dict[Replica, asyncio.Task[None]] = {}
        self._loops: list[asyncio.Task[None]] = []
        self._failing: set[Group] = set()

    async def start(self) -> None:
        """Look up and probe once, then go on in the background."""
        for group in self._lookups:
            await self._look_up(group)
        await asyncio.gather(*self._probing.values())
        self._loops = [asyncio.create_task(self._probe_all())]
        self._loops += [asyncio.create_task(self._keep_list(group)) for group in self._lookups]

    async def stop(self) -> None:
        """End all background work."""
        tasks = [*self._loops, *self._probing.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def probe_soon(self, replica: Replica) -> None:
        """Probe a replica now, unless a probe is on its way."""
        if replica not in self._probing:
            task = asyncio.create_task(self._probe(replica))
            self._probing[replica] = task
            task.add_done_callback(lambda _: self._probing.pop(replica, None))

    def note(self, replica: Replica, probe: Probe) -> None:
        """Take an answer to a probe into account, or what a request has shown in its place."""
        before = replica.readiness
        replica.readiness = after = after_probe(before, probe)
        others = sum(each.readiness.ready for each in self._replicas.ready(replica.group))
        if is_lost(before, after, probe, others):
            replica.connections.abort()
        if before.ready != after.ready:
            log.info(
                "a replica is ready" if after.ready else "a replica is not ready",
                replica=str(replica.address),
                group=replica.group,
                probe=probe,
            )
            self._changed()

    async def _probe_all(self) -> None:
        while True:
            await asyncio.sleep(self._probe_s)
            for replica in self._replicas:
                self.probe_soon(replica)

    async def _probe(self, replica: Replica) -> None:
        began = asyncio.get_running_loop().time()
        try:
            async with asyncio.timeout(self._probe_s):
                answer = await replica.probes.send(_PROBE)
        except TimeoutError:
            if was_silent(asyncio.get_running_loop().time() - began, self._probe_s):
                self.note(replica, "silent")
        except NotThere:
            self.note(replica, "absent")
        except Unanswered as exc:
            if replica.readiness.ready:
                log.warning("a replica does not answer its probe", error=str(exc))
            self.note(replica, "silent")
        else:
            self.note(replica, "ready" if answer.status == HTTPStatus.OK else "not ready")

    async def _keep_list(self, group: Group) -> None:
        while True:
            await asyncio.sleep(self._discover_s)
            await self._look_up(group)

    async def _look_up(self, group: Group) -> None:
        try:
            addresses = await asyncio.to_thread(self._lookups[group])
        except (LookupFailed, OSError, ValueError) as exc:
            self._lookup_failed()
            if group not in self._failing:  # once, not every two seconds
                self._failing.add(group)
                log.warning("the list of replicas stays as it is", group=group, error=str(exc))
            return
        self._failing.discard(group)
        self._take(group, addresses)

    def _take(self, group: Group, addresses: tuple[Address, ...]) -> None:
        for replica in self._replicas.update(group, addresses):
            self.probe_soon(replica)
