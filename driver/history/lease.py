"""The lease of a run: which driver carries it out, and whether that driver is still there.

The driver renews it all the time. Its age is counted from when the store has written it, by the
store's clock, so that a wrong clock of the driver's machine does not count.
"""

from __future__ import annotations

import os
import secrets
import socket
from dataclasses import dataclass

from driver.plan.run_state import RunState
from driver.program.command_name import COMMAND
from driver.text import NAME_LIMIT, storable
from mapreduce.errors import InputChanged, LeaseTaken, ObjectExists, ObjectMissing
from mapreduce.storage import ObjectInfo, Storage
from mapreduce.wire import keys
from mapreduce.wire.messages import Message

LEASE_S = 12.0
"""How long a lease holds after each renewal: two renewals in S3 may fail, and a driver that is
killed is known to be lost within 15 seconds."""
LOCAL_RHYTHM_S = 2.0
S3_RHYTHM_S = 5.0
"""Seconds between two renewals, and between two segments of events: each is a request to S3."""


class Lease(Message):
    """What a driver writes into its lease; `nonce` tells it from every other driver."""

    host: str
    process: int
    nonce: str

    @classmethod
    def of_this_process(cls) -> Lease:
        """Return the lease of a driver in this process."""
        host = storable(socket.gethostname(), NAME_LIMIT)
        return cls(host=host, process=os.getpid(), nonce=secrets.token_hex(8))


def rhythm_s(store: str) -> float:
    """Return how often the driver of a run in this store renews its lease, in seconds."""
    return S3_RHYTHM_S if store.startswith("s3://") else LOCAL_RHYTHM_S


def is_held(renewed: float, now: float) -> bool:
    """Return whether a lease that was renewed at a time still holds."""
    return now - renewed < LEASE_S


def state_without_end(renewed: float, now: float) -> RunState:
    """Return the state of a run that has no record of its end.

    Args:
        renewed: when its lease was written. Without one, when it was planned: a run of the first
            seconds has none yet, and one of an older version never had.
        now: the time; both in seconds since the epoch.
    """
    return "running" if is_held(renewed, now) else "lost"


@dataclass
class LeaseWatch:
    """Tells a live run from a lost one by watching its lease, whatever the clocks say.

    A lease that has changed while it was watched holds from then on. Until it has changed, the
    store's clock counts, but not longer than a lease holds.

    Args:
        since: when the watch begins, by a clock that only goes forward, in seconds.
    """

    since: float
    _version: tuple[str, float] | None = None
    _changed: bool = False

    def is_live(self, lease: ObjectInfo | None, created: float, wall: float, now: float) -> bool:
        """Return whether the run's driver is there.

        Args:
            lease: as the store has it now; None without one.
            created: when the run was planned.
            wall: the time, in seconds since the epoch.
            now: the time by the clock of `since`.
        """
        # each renewal writes the same bytes, which in S3 have the same ETag
        version = (lease.etag, lease.modified) if lease else ("", 0.0)
        if self._version is not None and version != self._version:
            self._changed, self.since = True, now
        self._version = version
        watched = now - self.since < LEASE_S
        return watched and (self._changed or is_held(lease.modified if lease else created, wall))


@dataclass
class HeldLease:
    """The lease of this driver on one run. Two drivers never both hold it.

    Args:
        storage: the store's.
        url: of the lease.
        lease: its content.
    """

    storage: Storage
    url: str
    lease: Lease
    _etag: str = ""

    def renew(self, now: float) -> None:
        """Take the lease, or renew it.

        Args:
            now: the time; a lease that another driver has let run out by then is taken.

        Raises:
            LeaseTaken: another driver holds it.
            StorageError: the store failed; the lease is as it was.
        """
        content = self.lease.model_dump_json().encode()
        try:
            written = (
                self.storage.replace(self.url, content, self._etag)
                if self._etag
                else self.storage.create(self.url, content)
            )
        except (InputChanged, ObjectExists):
            # a request that was sent twice finds its own first copy
            written = self._taken_back(content, now)
        self._etag = written.etag

    def release(self) -> None:
        """Delete the lease; raises `StorageError`."""
        if self._etag:
            self.storage.delete([self.url])
            self._etag = ""

    def _taken_back(self, content: bytes, now: float) -> ObjectInfo:
        try:
            found = self.storage.head(self.url)
            holder = Lease.model_validate_json(self.storage.read(self.url, etag=found.etag))
        except ObjectMissing:
            return self.storage.create(self.url, content)
        except ValueError:
            holder = None
        if holder == self.lease:
            return found
        if holder is not None and is_held(found.modified, now):
            raise LeaseTaken(
                f"another driver carries out this run: process {holder.process} on {holder.host}; "
                f"this one has stopped; see: {COMMAND} status"
            )
        return self.storage.replace(self.url, content, found.etag)


def lease_of(storage: Storage, store: str, run: str) -> ObjectInfo | None:
    """Return the object of a run's lease; None without one."""
    try:
        return storage.head(keys.run_lease(store, run))
    except ObjectMissing:
        return None


def sign_of_life(storage: Storage, store: str, run: str) -> ObjectInfo | None:
    """Return the object that says when a run's driver was last seen: its lease, or before that the
    object by which it began a plan; None without both.
    """
    found = lease_of(storage, store, run)
    if found is not None:
        return found
    try:
        return storage.head(keys.run_file(store, run, keys.BEGUN))
    except ObjectMissing:
        return None
