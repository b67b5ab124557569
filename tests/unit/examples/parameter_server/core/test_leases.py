"""Which worker computes which micro-batch."""

from __future__ import annotations

import pytest

from examples.parameter_server.core.leases import ATTEMPTS, Lease, Leases
from examples.parameter_server.core.spec import RunSpec

SPEC = RunSpec(clocks=3, micro_batches=2, lease_s=30)


def _granted(leases: Leases, worker: str = "a", now_s: float = 0.0) -> Lease:
    lease = leases.grant(worker, now_s)
    assert lease is not None
    return lease


def test_leases_go_out_in_order_and_stop_at_the_clock() -> None:
    """BSP leases the micro-batches of one clock, and the next only when all of them are in."""
    leases = Leases(SPEC)
    first, second = _granted(leases), _granted(leases)
    assert [(0, 0), (0, 1)] == [first.task, second.task]
    assert leases.grant("a", 0.0) is None
    leases.finish(second, 1.0)
    assert leases.grant("a", 1.0) is None
    leases.finish(first, 1.0)
    assert 1 == leases.version
    assert (1, 0) == _granted(leases).task


def test_staleness_lets_clocks_begin_early() -> None:
    """SSP 1 leases two clocks at once, and ASP all."""
    counts = {}
    for staleness in (0, 1, None):
        leases = Leases(SPEC.model_copy(update={"staleness": staleness}))
        counts[staleness] = sum(leases.grant("a", 0.0) is not None for _ in range(10))
    assert {0: 2, 1: 4, None: 6} == counts


def test_an_expired_lease_goes_to_another_worker() -> None:
    """After its time a micro-batch is leased again, and the late gradient counts if it is first."""
    leases = Leases(SPEC)
    slow = _granted(leases, "slow", 0.0)
    _granted(leases, "b", 29.0)
    leases.expire(29.9)
    assert leases.grant("b", 29.9) is None
    leases.expire(30.0)
    again = _granted(leases, "b", 30.0)
    assert slow.task == again.task
    assert leases.finish(slow, 31.0)
    assert not leases.finish(again, 32.0)


def test_an_expired_lease_goes_out_once() -> None:
    """A lease that stays unanswered does not make copies at each look."""
    leases = Leases(SPEC)
    _granted(leases, "slow", 0.0)
    other = _granted(leases, "b", 29.0)
    for now_s in (30.0, 31.0, 32.0):
        leases.expire(now_s)
    leases.finish(other, 33.0)
    assert (0, 0) == _granted(leases, "b", 33.0).task
    assert leases.grant("b", 33.0) is None


def test_a_worker_that_leaves_hands_back() -> None:
    """Its micro-batches go out again at once; other workers keep theirs."""
    leases = Leases(SPEC)
    mine = _granted(leases, "leaving")
    _granted(leases, "b")
    assert (mine,) == leases.hand_back("leaving")
    assert mine.task == _granted(leases, "b").task
    assert leases.find(mine.number) is None


def test_an_idle_worker_repeats_a_slow_micro_batch() -> None:
    """A backup goes out after twice the median, to another worker, and only one."""
    leases = Leases(SPEC)
    quick, slow = _granted(leases, "quick"), _granted(leases, "slow")
    leases.finish(quick, 1.0)
    assert leases.grant("quick", 2.0) is None
    assert leases.grant("slow", 2.1) is None
    assert slow.task == _granted(leases, "quick", 2.1).task
    assert leases.grant("third", 9.0) is None


def test_a_finished_micro_batch_is_not_repeated() -> None:
    """The lease that lost stays open, and no backup of it goes out."""
    leases = Leases(SPEC)
    quick, slow = _granted(leases, "quick"), _granted(leases, "slow")
    leases.finish(quick, 1.0)
    backup = _granted(leases, "quick", 3.0)
    assert leases.finish(backup, 4.0)
    first, second = _granted(leases, "quick", 4.0), _granted(leases, "quick", 4.0)
    assert (1, 1) == (first.clock, second.clock)
    assert leases.find(slow.number) == slow
    leases.finish(first, 5.0)
    assert leases.grant("quick", 5.5) is None


def test_backups_can_be_switched_off() -> None:
    """Without backups an idle worker waits."""
    leases = Leases(SPEC.model_copy(update={"backups": False}))
    quick = _granted(leases, "quick")
    _granted(leases, "slow")
    leases.finish(quick, 1.0)
    assert leases.grant("quick", 20.0) is None


def test_a_micro_batch_is_refused_so_often_and_no_more() -> None:
    """A gradient that is unusable goes out again; the last attempt says that it was the last."""
    leases = Leases(SPEC)
    told = [leases.refuse(_granted(leases)) for _ in range(ATTEMPTS)]
    assert [True] * (ATTEMPTS - 1) + [False] == told


def test_it_goes_on_from_a_cut() -> None:
    """Clocks of the cut are not leased again, nor the micro-batches that every range contains."""
    leases = Leases(SPEC, 1, [(1, 0), (2, 1)])
    task = _granted(leases)
    assert (1, 1) == task.task
    leases.finish(task, 1.0)
    assert (2, 0) == _granted(leases).task
    assert ((2, 1),) == leases.applied


def test_a_cut_that_has_all_of_a_clock_is_beyond_it() -> None:
    """A clock whose micro-batches are all in a cut is over."""
    assert 2 == Leases(SPEC, 1, [(1, 0), (1, 1)]).version


def test_stop_ends_at_a_whole_clock() -> None:
    """A drain lets begun clocks end and begins none."""
    leases = Leases(SPEC.model_copy(update={"clocks": 9, "staleness": 1}))
    begun = [_granted(leases) for _ in range(3)]
    assert 2 == leases.stop()
    begun.append(_granted(leases))
    assert leases.grant("a", 0.0) is None
    for lease in begun:
        leases.finish(lease, 1.0)
    assert 2 == leases.version
    assert leases.grant("a", 1.0) is None


@pytest.mark.parametrize("version", [0, 2])
def test_stop_before_a_clock_began_ends_at_once(version: int) -> None:
    """Between two clocks there is nothing to wait for."""
    assert version == Leases(SPEC, version).stop()
