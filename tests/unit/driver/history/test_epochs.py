"""The epochs of a run: at most one answer counts, whatever its drivers do."""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from hypothesis.strategies import integers

from driver.history.epochs import Epochs, Taken
from driver.history.lease import LEASE_S
from driver.history.run_names import epoch_of
from driver.history.run_store import RunStore
from mapreduce.errors import DataError, LeaseTaken, UsageError
from mapreduce.storage import open_storage
from mapreduce.wire import keys
from tests.simulation.memory_store import MemoryStorage
from tests.unit.driver.cloud.loopback_aws import running_loopback_aws
from tests.unit.driver.samples import run_plan

RUN = "run-20260101-000000-calm-owl"
SECOND, THIRD = f"{RUN}-epoch-2", f"{RUN}-epoch-3"


@pytest.fixture(params=["folder", "s3"])
def epochs(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Epochs]:
    """The epochs of the runs in an empty store."""
    if request.param == "folder":
        yield Epochs(open_storage(), f"file://{tmp_path}")
        return
    with running_loopback_aws() as aws:
        monkeypatch.setenv("AWS_ENDPOINT_URL", aws.endpoint)
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAOLD")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "x")
        yield Epochs(open_storage(), "s3://bucket")


def _later() -> float:
    return time.time() + 2 * LEASE_S


def test_epochs_are_taken_in_order(epochs: Epochs) -> None:
    """The second driver has epoch 2, and the one that goes on with it has epoch 3."""
    assert Taken(SECOND) == epochs.take(RUN, time.time())
    assert Taken(THIRD) == epochs.take(SECOND, time.time())


def test_a_slot_that_was_just_taken_is_left_to_its_driver(epochs: Epochs) -> None:
    """Its driver has no lease yet, so the slot holds as long as a lease; then it is skipped."""
    epochs.take(RUN, time.time())
    taken = epochs.storage.head(keys.epoch_slot(epochs.store, RUN, 2)).modified
    with pytest.raises(UsageError, match="another driver goes on with"):
        epochs.take(RUN, taken + LEASE_S - 1)
    assert Taken(THIRD) == epochs.take(RUN, taken + LEASE_S + 1)


def test_a_driver_that_was_superseded_commits_nothing(epochs: Epochs) -> None:
    """A take before the commit wins."""
    epochs.take(RUN, time.time())
    with pytest.raises(LeaseTaken, match="epoch 2"):
        epochs.close(RUN, b"late")
    epochs.close(SECOND, b"answer")


def test_a_committed_run_is_not_gone_on_with(epochs: Epochs) -> None:
    """A commit before the take wins, at any time, and the taker gets the answer."""
    epochs.close(RUN, b"answer")
    assert Taken(RUN, "answer") == epochs.take(RUN, time.time())
    assert Taken(RUN, "answer") == epochs.take(RUN, _later())


def test_an_answer_is_that_of_the_epoch_that_committed(epochs: Epochs) -> None:
    """A driver that still takes the first epoch for the newest does not give it another answer."""
    epochs.take(RUN, time.time())
    epochs.close(SECOND, b"answer")
    assert Taken(SECOND, "answer") == epochs.take(RUN, _later())


def test_a_driver_may_commit_the_same_answer_twice(epochs: Epochs) -> None:
    """The same content is no other answer; other content is."""
    epochs.close(RUN, b"answer")
    epochs.close(RUN, b"answer")
    with pytest.raises(LeaseTaken):
        epochs.close(RUN, b"other")


def test_a_repeated_request_finds_its_own_copy(
    epochs: Epochs, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If the answer to a create is lost, the repeated one finds the driver's own slot."""
    monkeypatch.setattr(secrets, "token_hex", lambda _: "5e" * 8)
    assert epochs.take(RUN, time.time()) == epochs.take(RUN, time.time()) == Taken(SECOND)


def test_a_damaged_slot_is_named(epochs: Epochs) -> None:
    """A slot that cannot be read is an error with its URL: it may hold the answer."""
    epochs.storage.write(keys.epoch_slot(epochs.store, RUN, 2), b"{")
    with pytest.raises(DataError, match=r"0002\.json is damaged"):
        epochs.take(RUN, _later())
    with pytest.raises(DataError, match=r"0002\.json is damaged"):
        epochs.close(RUN, b"answer")


class _Drivers(RuleBasedStateMachine):
    """Drivers of one run whose steps come in any order; one that pauses has no step for a while,
    and one that dies has no more.
    """

    def __init__(self) -> None:
        super().__init__()
        # the memory store has no times, so that each slot counts as old and may be skipped
        self.runs = RunStore(MemoryStorage(lambda *_: "", vouching=True), "file:///store")
        self.runs.write(RUN, "plan.json", run_plan(run=RUN))
        self.taken, self.begun, self.closed = {RUN}, [RUN], list[str]()
        self.seen = b""

    @rule()
    def take(self) -> None:
        """Take the epoch after the newest."""
        try:
            name = self.runs.take_epoch(self.runs.resolve(RUN))
        except UsageError:
            assert self.closed
            return
        assert not self.closed
        assert name not in self.taken
        self.taken.add(name)

    @precondition(lambda self: self.taken.difference(self.begun))
    @rule(pick=integers(0, 9))
    def write_plan(self, pick: int) -> None:
        """Write the plan of an epoch that was taken."""
        waiting = sorted(self.taken.difference(self.begun))
        name = waiting[pick % len(waiting)]
        self.runs.write(name, "plan.json", run_plan(run=name))
        self.begun.append(name)

    @rule(pick=integers(0, 9))
    def write_part(self, pick: int) -> None:
        """Write a part to the folder of an epoch, also of a stale one."""
        name = self.begun[pick % len(self.begun)]
        url = keys.result(self.runs.store, name, 0, whole=True)
        self.runs.storage.write(url, name.encode())

    @rule(pick=integers(0, 9))
    def close(self, pick: int) -> None:
        """Commit an epoch, and do not write `_SUCCESS` yet; only the newest one can."""
        name = self.begun[pick % len(self.begun)]
        newest = max(epoch_of(each)[1] for each in self.taken)
        try:
            Epochs(self.runs.storage, self.runs.store).close(name, name.encode())
        except LeaseTaken:
            assert epoch_of(name)[1] < newest
            return
        assert epoch_of(name)[1] == newest
        self.closed.append(name)

    @precondition(lambda self: self.closed)
    @rule()
    def write_success(self) -> None:
        """Write `_SUCCESS`, as the driver does that has committed."""
        name = self.closed[-1]
        self.runs.storage.write(keys.success(self.runs.store, name), name.encode())

    @invariant()
    def one_answer(self) -> None:
        """At most one epoch is committed, readers resolve to it, and its answer stays."""
        assert len(set(self.closed)) <= 1
        newest = max(self.begun, key=lambda name: epoch_of(name)[1])
        assert self.runs.resolve(RUN) == newest == self.runs.resolve(None)
        for name in self.begun:
            url = keys.success(self.runs.store, name)
            if list(self.runs.storage.list(url)):
                content = self.runs.storage.read(url)
                self.seen = self.seen or content
                assert content == self.closed[0].encode() == self.seen
                assert name == newest == self.closed[0]


_Drivers.TestCase.settings = settings(max_examples=60, stateful_step_count=25, deadline=None)
TestDrivers = _Drivers.TestCase
