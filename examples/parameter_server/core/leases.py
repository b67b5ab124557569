"""Which worker computes which micro-batch: leases, as map tasks are leased to mappers.

Leases go out in order of clock and number. A micro-batch is leased again when its lease expires or
is handed back, or when its gradient is refused; a worker that would have nothing to do repeats a
slow one (a backup). The first gradient of a micro-batch counts, whichever lease it comes by.
"""

from __future__ import annotations

import heapq
from collections import defaultdict, deque
from collections.abc import Iterable
from dataclasses import dataclass
from statistics import median

from examples.parameter_server.core.clock import may_begin
from examples.parameter_server.core.spec import RunSpec

MicroBatch = tuple[int, int]
"""Clock, and number in the clock."""
BACKUP_AFTER = 2.0
"""A lease is slow after so many medians of the latest durations (MapReduce's backups: the same)."""
LEAST_BACKUP_S = 0.1
SAMPLE = 64
COPIES = 2
ATTEMPTS = 4
"""After so many refused gradients of one micro-batch the run fails: workers are not the cause."""


@dataclass(frozen=True, slots=True)
class Lease:
    """A worker's order to compute one micro-batch."""

    number: int
    clock: int
    micro_batch: int
    worker: str
    granted_at_s: float

    @property
    def task(self) -> MicroBatch:
        """The micro-batch."""
        return self.clock, self.micro_batch


class Leases:
    """The leases of one generation of a run.

    Args:
        spec: of the run.
        first_clock: clocks before it are applied.
        applied: micro-batches of later clocks that are applied too.
    """

    def __init__(
        self, spec: RunSpec, first_clock: int = 0, applied: Iterable[MicroBatch] = ()
    ) -> None:
        self._spec = spec
        self._done: defaultdict[int, set[int]] = defaultdict(set)
        for clock, micro_batch in applied:
            self._done[clock].add(micro_batch)
        self._fresh: MicroBatch = (first_clock, 0)
        self._again: list[MicroBatch] = []
        self._leases: dict[int, Lease] = {}
        self._copies: defaultdict[MicroBatch, set[int]] = defaultdict(set)
        self._refusals: defaultdict[MicroBatch, int] = defaultdict(int)
        self._durations_s: deque[float] = deque(maxlen=SAMPLE)
        self._numbers = 0
        self._stop_clock = spec.clocks
        self.version = first_clock
        self._advance()

    @property
    def is_done(self) -> bool:
        """Whether all gradients of the run are in."""
        return self.version >= self._spec.clocks

    @property
    def applied(self) -> tuple[MicroBatch, ...]:
        """The finished micro-batches of clocks that are not complete, in order."""
        return tuple(
            sorted((clock, each) for clock, numbers in self._done.items() for each in numbers)
        )

    def find(self, number: int) -> Lease | None:
        """Return an open lease."""
        return self._leases.get(number)

    def held_by(self, worker: str, now_s: float) -> Lease | None:
        """Return a worker's lease that is open, has not expired, and is of use."""
        for lease in self._leases.values():
            is_of_use = not self._is_done(lease.task) and not self._is_expired(lease.number, now_s)
            if lease.worker == worker and is_of_use:
                return lease
        return None

    def grant(self, worker: str, now_s: float) -> Lease | None:
        """Return a new lease; None if there is nothing to compute now.

        Args:
            worker: the worker's name.
            now_s: the time.
        """
        task = self._next_again() or self._next_fresh()
        if task is None and self._spec.backups:
            task = self._slow(worker, now_s)
        if task is None:
            return None
        self._numbers += 1
        lease = Lease(self._numbers, *task, worker, now_s)
        self._leases[lease.number] = lease
        self._copies[task].add(lease.number)
        return lease

    def finish(self, lease: Lease, now_s: float) -> bool:
        """Record a gradient; return whether it is the first of its micro-batch."""
        self._close(lease)
        if self._is_done(lease.task):
            return False
        self._durations_s.append(now_s - lease.granted_at_s)
        self._done[lease.clock].add(lease.micro_batch)
        self._refusals.pop(lease.task, None)
        self._advance()
        return True

    def put_back(self, lease: Lease) -> None:
        """End a lease without a gradient; its micro-batch goes to another worker."""
        self._close(lease)
        if not self._is_done(lease.task) and not self._copies.get(lease.task):
            heapq.heappush(self._again, lease.task)

    def refuse(self, lease: Lease) -> bool:
        """End a lease whose gradient is unusable; return False if that is the last attempt."""
        self.put_back(lease)
        if self._is_done(lease.task):
            return True
        self._refusals[lease.task] += 1
        return self._refusals[lease.task] < ATTEMPTS

    def hand_back(self, worker: str) -> tuple[Lease, ...]:
        """End all leases of a worker that leaves; return them."""
        returned = tuple(lease for lease in self._leases.values() if lease.worker == worker)
        for lease in returned:
            self.put_back(lease)
        return returned

    def expire(self, now_s: float) -> None:
        """Put the micro-batches of expired leases up again.

        The leases stay open: a gradient that comes late still counts if it is the first.
        """
        for task in tuple(self._copies):
            numbers = self._copies[task]
            if numbers and all(self._is_expired(number, now_s) for number in numbers):
                numbers.clear()
                if not self._is_done(task):
                    heapq.heappush(self._again, task)

    def stop(self) -> int:
        """Begin no further clock; return the version that the begun ones lead to."""
        clock, micro_batch = self._fresh
        self._stop_clock = min(self._stop_clock, max(clock + (micro_batch > 0), self.version))
        return self._stop_clock

    def _is_expired(self, number: int, now_s: float) -> bool:
        lease = self._leases.get(number)
        return lease is None or now_s - lease.granted_at_s >= self._spec.lease_s

    def _close(self, lease: Lease) -> None:
        self._leases.pop(lease.number, None)
        self._copies[lease.task].discard(lease.number)
        if not self._copies[lease.task]:
            del self._copies[lease.task]

    def _is_done(self, task: MicroBatch) -> bool:
        return task[0] < self.version or task[1] in self._done[task[0]]

    def _advance(self) -> None:
        while len(self._done[self.version]) == self._spec.micro_batches:
            del self._done[self.version]
            self.version += 1

    def _next_again(self) -> MicroBatch | None:
        while self._again:
            task = heapq.heappop(self._again)
            if not self._is_done(task) and not self._copies.get(task):
                return task
        return None

    def _next_fresh(self) -> MicroBatch | None:
        while self._fresh[0] < self._stop_clock and may_begin(
            self._fresh[0], self.version, self._spec.staleness
        ):
            task = clock, micro_batch = self._fresh
            last = micro_batch + 1 == self._spec.micro_batches
            self._fresh = (clock + 1, 0) if last else (clock, micro_batch + 1)
            if not self._is_done(task):
                return task
        return None

    def _slow(self, worker: str, now_s: float) -> MicroBatch | None:
        """Return the earliest micro-batch that takes long, has one lease, and another worker."""
        if not self._durations_s:
            return None
        limit_s = max(LEAST_BACKUP_S, BACKUP_AFTER * median(self._durations_s))
        slow = [
            lease.task
            for lease in self._leases.values()
            if now_s - lease.granted_at_s > limit_s
            and lease.worker != worker
            and lease.number in self._copies.get(lease.task, ())
            and len(self._copies[lease.task]) < COPIES
            and not self._is_done(lease.task)
        ]
        return min(slow, default=None)
