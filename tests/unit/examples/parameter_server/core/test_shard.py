"""One server's range in training."""

from __future__ import annotations

import numpy as np
import pytest

from examples.parameter_server.compress import Payload
from examples.parameter_server.core import ledger
from examples.parameter_server.core.shard import APPLIED, KEPT_CUTS, Cut, Shard, in_all
from examples.parameter_server.core.spec import RunSpec

SPEC = RunSpec(clocks=50, micro_batches=3, learning_rate=1.0, momentum=0.0, checkpoint_every=2)
SIZE = 2


def _shard(spec: RunSpec = SPEC, cut: Cut | None = None) -> Shard:
    return Shard(spec, cut or Cut(0, np.zeros(SIZE), np.zeros(SIZE)))


def _dense(*values: float) -> Payload:
    return Payload(len(values), np.array(values))


def _fill(shard: Shard, clock: int) -> None:
    for micro_batch in range(SPEC.micro_batches):
        assert APPLIED == shard.push(clock, micro_batch, clock, _dense(3.0, 6.0))


def test_a_clock_is_applied_when_all_its_gradients_are_there() -> None:
    """Before the last gradient the parameters are unchanged, after it they have moved by the
    mean.
    """
    shard = _shard()
    shard.push(0, 2, 0, _dense(1.0, 0.0))
    shard.push(0, 0, 0, _dense(2.0, 0.0))
    assert (0, 0.0) == (shard.version, shard.theta[0])
    shard.push(0, 1, 0, _dense(3.0, 3.0))
    assert (1, -2.0, -1.0) == (shard.version, *shard.theta)


def test_a_later_clock_waits_for_the_earlier_one() -> None:
    """SSP holds a complete clock until the one before it is applied; then both are."""
    shard = _shard(SPEC.model_copy(update={"staleness": 1}))
    for micro_batch in range(3):
        shard.push(1, micro_batch, 0, _dense(3.0, 3.0))
    assert 0 == shard.version
    _fill(shard, 0)
    assert 2 == shard.version
    assert 6 == shard.applied


def test_asp_applies_each_gradient_at_once() -> None:
    """Without a bound nothing is held."""
    shard = _shard(SPEC.model_copy(update={"staleness": None}))
    shard.push(7, 1, 0, _dense(3.0, 3.0))
    assert -1.0 == shard.theta[0]
    assert (0, 1, 1) == (shard.version, shard.updates, shard.applied)
    assert ((7, 1),) == shard.ahead


@pytest.mark.parametrize(
    ("clock", "micro_batch", "version", "payload", "verdict"),
    [
        (1, 0, 1, _dense(1.0, 1.0), ledger.DUPLICATE),
        (0, 0, 0, _dense(1.0, 1.0), ledger.DUPLICATE),
        (2, 0, 1, _dense(1.0, 1.0), ledger.STALE),
        (2, 0, 3, _dense(1.0, 1.0), ledger.STALE),
        (2, 0, 2, _dense(1.0, float("nan")), ledger.NOT_FINITE),
        (2, 0, 2, _dense(float("-inf"), 1.0), ledger.NOT_FINITE),
        (2, 0, 2, _dense(1.0), ledger.MALFORMED),
        (2, 3, 2, _dense(1.0, 1.0), ledger.MALFORMED),
        (2, -1, 2, _dense(1.0, 1.0), ledger.MALFORMED),
        (50, 0, 2, _dense(1.0, 1.0), ledger.MALFORMED),
        (2, 0, 2, Payload(2, np.ones(1), np.array([2], np.uint32)), ledger.MALFORMED),
    ],
)
def test_refused(
    clock: int, micro_batch: int, version: int, payload: Payload, verdict: str
) -> None:
    """What cannot be added is refused for its reason, and changes nothing."""
    shard = _shard()
    _fill(shard, 0)
    _fill(shard, 1)
    before = shard.theta.tobytes()
    assert verdict == shard.push(clock, micro_batch, version, payload)
    assert APPLIED == shard.push(2, 0, 2, _dense(0.0, 0.0))
    assert before == shard.theta.tobytes()


def test_the_parameters_of_before_are_kept() -> None:
    """A range gives its present and its last parameters, and no others."""
    shard = _shard()
    _fill(shard, 0)
    _fill(shard, 1)
    found = [shard.at(version) for version in (2, 1, 0, 3)]
    assert [-6.0, -3.0] == [each[0] for each in found[:2] if each is not None]
    assert [None, None] == found[2:]


def test_a_duplicate_is_not_added_twice() -> None:
    """Only the first gradient of a micro-batch counts."""
    shard = _shard()
    assert APPLIED == shard.push(0, 0, 0, _dense(3.0, 3.0))
    assert ledger.DUPLICATE == shard.push(0, 0, 0, _dense(300.0, 3.0))
    shard.push(0, 1, 0, _dense(0.0, 0.0))
    shard.push(0, 2, 0, _dense(0.0, 0.0))
    assert -1.0 == shard.theta[0]


def test_cuts_are_made_by_the_clock() -> None:
    """A cut each `checkpoint_every` clocks, of the parameters of that moment; old ones go."""
    shard = _shard()
    for clock in range(2 * KEPT_CUTS + 2):
        _fill(shard, clock)
    assert [4, 6, 8, 10] == sorted(shard.cuts)
    assert -12.0 == shard.cuts[4].theta[0]


def test_a_cut_can_be_wanted() -> None:
    """A drain wants one at another clock, later or now."""
    shard = _shard()
    shard.want_cut(1)
    _fill(shard, 0)
    assert 1 in shard.cuts
    _fill(shard, 1)
    _fill(shard, 2)
    shard.want_cut(3)
    assert -9.0 == shard.cuts[3].theta[0]


def test_it_goes_on_from_a_cut_with_the_same_bits() -> None:
    """Training from a cut ends where training without a break ends."""
    spec = SPEC.model_copy(update={"momentum": 0.9, "learning_rate": 0.3})
    whole, first = _shard(spec), _shard(spec)
    for clock in range(2):
        _fill(whole, clock)
        _fill(first, clock)
    second = _shard(spec, first.cuts[2])
    for clock in (2, 3):
        _fill(whole, clock)
        _fill(second, clock)
    assert whole.theta.tobytes() == second.theta.tobytes()
    assert whole.applied == second.applied


def test_asp_goes_on_with_what_is_ahead() -> None:
    """A gradient that a cut contains beyond its clock is not added again."""
    spec = SPEC.model_copy(update={"staleness": None})
    shard = _shard(spec)
    shard.push(4, 1, 0, _dense(3.0, 3.0))
    shard.want_cut(0)
    again = _shard(spec, shard.cuts[0])
    assert ledger.DUPLICATE == again.push(4, 1, 0, _dense(3.0, 3.0))
    assert (1, -1.0) == (again.applied, again.theta[0])


def test_divergence_is_seen() -> None:
    """Finite gradients can still make parameters that are not."""
    shard = _shard(SPEC.model_copy(update={"learning_rate": 1e300}))
    for micro_batch in range(3):
        shard.push(0, micro_batch, 0, _dense(1e200, 0.0))
    assert not shard.is_finite


def test_what_all_ranges_contain() -> None:
    """A micro-batch that one range lacks is leased again."""
    assert frozenset({(3, 1)}) == in_all([[(3, 1), (3, 2)], [(3, 1)], [(2, 0), (3, 1)]])
    assert frozenset() == in_all([])
