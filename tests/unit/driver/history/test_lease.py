"""The lease of a run: one driver holds it, and its age tells a live run from a lost one."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from driver.history.lease import (
    LEASE_S,
    LOCAL_RHYTHM_S,
    S3_RHYTHM_S,
    HeldLease,
    Lease,
    LeaseWatch,
    lease_of,
    rhythm_s,
    state_without_end,
)
from mapreduce.errors import InputChanged, LeaseTaken
from mapreduce.storage import ObjectInfo, open_storage
from mapreduce.wire import keys

RUN = "run-20260101-000000-calm-owl"


@pytest.fixture
def store(tmp_path: Path) -> str:
    """The URL of an empty store."""
    return f"file://{tmp_path}"


def _lease(store: str) -> HeldLease:
    return HeldLease(open_storage(), keys.run_lease(store, RUN), Lease.of_this_process())


def _renewed(store: str) -> float:
    found = lease_of(open_storage(), store, RUN)
    assert found is not None
    return found.modified


def test_a_killed_driver_is_lost_within_fifteen_seconds() -> None:
    """Two renewals in S3 may fail before a lease has run out."""
    assert 2 * S3_RHYTHM_S < LEASE_S < 15
    assert (S3_RHYTHM_S, LOCAL_RHYTHM_S) == (rhythm_s("s3://bucket"), rhythm_s("file:///a"))


@given(st.floats(0, 2e9), st.floats(-1000, 1000))
def test_a_run_without_an_end_is_running_while_its_lease_holds(renewed: float, age: float) -> None:
    """The state depends on the lease's age alone."""
    expected = "running" if (renewed + age) - renewed < LEASE_S else "lost"
    assert expected == state_without_end(renewed, renewed + age)


def test_a_lease_is_renewed_by_its_driver(store: str) -> None:
    """A driver takes a lease that does not exist, renews it, and deletes it."""
    lease = _lease(store)
    assert lease_of(lease.storage, store, RUN) is None
    for _ in range(3):
        lease.renew(_renewed(store) if lease_of(lease.storage, store, RUN) else 0.0)
    lease.release()
    lease.release()
    assert lease_of(lease.storage, store, RUN) is None


def test_two_drivers_never_both_hold_a_lease(store: str) -> None:
    """A second driver is refused while the lease holds; once it has run out, it takes it, and the
    first one is refused.
    """
    first, second = _lease(store), _lease(store)
    first.renew(0.0)
    with pytest.raises(LeaseTaken, match=f"process {os.getpid()} on .*see: python -m driver"):
        second.renew(_renewed(store) + LEASE_S - 1)
    second.renew(_renewed(store) + LEASE_S)
    with pytest.raises(LeaseTaken):
        first.renew(_renewed(store))
    second.renew(_renewed(store))


def test_a_lease_that_has_run_out_is_taken_again_by_its_driver(store: str) -> None:
    """A driver that wakes renews its own lease, however old it is."""
    lease = _lease(store)
    lease.renew(0.0)
    lease.renew(_renewed(store) + 3600)


def test_a_lease_that_was_deleted_is_written_again(store: str) -> None:
    """A lease that another program has deleted is taken again."""
    lease = _lease(store)
    lease.renew(0.0)
    lease.storage.delete([lease.url])
    lease.renew(0.0)
    assert lease_of(lease.storage, store, RUN) is not None


@pytest.mark.parametrize("content", [b"", b"{}", b"[1]", b"\xff"])
def test_an_object_that_is_no_lease_is_replaced(store: str, content: bytes) -> None:
    """Other content at the lease's place holds nothing."""
    lease = _lease(store)
    lease.storage.write(lease.url, content)
    lease.renew(0.0)
    assert lease.lease == Lease.model_validate_json(lease.storage.read(lease.url))


class _SentTwice:
    """A storage whose conditional writes are sent twice, as a client does without an answer."""

    def __init__(self) -> None:
        self._storage = open_storage()

    def create(self, url: str, data: bytes, *, durable: bool = False) -> ObjectInfo:
        """Create twice."""
        self._storage.create(url, data)
        return self._storage.create(url, data)

    def replace(self, url: str, data: bytes, etag: str) -> ObjectInfo:
        """Replace twice."""
        self._storage.replace(url, data, etag)
        return self._storage.replace(url, data, etag)

    def __getattr__(self, name: str) -> object:
        return getattr(self._storage, name)


def test_a_write_that_was_sent_twice_is_ones_own(store: str) -> None:
    """A driver that finds its own nonce holds the lease."""
    lease = _lease(store)
    lease.storage = _SentTwice()  # type: ignore[assignment]
    for _ in range(3):
        lease.renew(0.0)


def test_of_two_that_take_a_lease_at_once_one_fails(store: str) -> None:
    """A lease that changes while it is taken is not taken."""
    held, late = _lease(store), _lease(store)
    held.renew(0.0)
    plain = late.storage

    class _Overtaken(_SentTwice):
        def replace(self, url: str, data: bytes, etag: str) -> ObjectInfo:
            plain.write(url, b"another driver")
            return plain.replace(url, data, etag)

    late.storage = _Overtaken()  # type: ignore[assignment]
    with pytest.raises(InputChanged):
        late.renew(_renewed(store) + LEASE_S)


def _info(etag: str, modified: float) -> ObjectInfo:
    return ObjectInfo("file:///lease", 1, etag, modified=modified)


@pytest.mark.parametrize("skew", [-7200.0, -20.0, 0.0, 20.0, 7200.0])
def test_a_lease_that_changes_is_live_whatever_the_clocks_say(skew: float) -> None:
    """A watched run is live while its lease changes, and lost a lease's time after it stopped."""
    watch, start = LeaseWatch(since=100.0), 1_700_000_000.0
    for second in range(40):
        lease = _info(f"e{second // 5}", start + 5 * (second // 5))
        live = watch.is_live(lease, 0.0, start + second + skew, 100.0 + second)
        if second >= 5:
            assert live
    last = _info("e7", start + 35)
    seen = [watch.is_live(last, 0.0, start + at + skew, 100.0 + at) for at in range(40, 60)]
    assert [at < 35 + LEASE_S for at in range(40, 60)] == seen


def test_the_first_look_goes_by_the_stores_clock() -> None:
    """Before a lease has changed, its age counts; without a lease, that of the plan."""
    assert LeaseWatch(0.0).is_live(_info("e", 1000.0), 0.0, 1005.0, 0.0)
    assert not LeaseWatch(0.0).is_live(_info("e", 1000.0), 0.0, 1100.0, 0.0)
    assert LeaseWatch(0.0).is_live(None, 1000.0, 1005.0, 0.0)
    assert not LeaseWatch(0.0).is_live(None, 1000.0, 1100.0, 0.0)


def test_a_renewal_with_the_same_etag_is_one() -> None:
    """S3 gives the same bytes the same ETag, so a new time tells of a renewal too."""
    watch = LeaseWatch(since=0.0)
    for second in range(0, 60, 5):
        lease = ObjectInfo("s3://b/lease.json", 10, "same", modified=1000.0 + second)
        # the watcher's clock is an hour ahead
        assert watch.is_live(lease, 0.0, 4600.0 + second, float(second)) == (second > 0)
    assert not watch.is_live(lease, 0.0, 4680.0, 80.0)
