"""Whether a replica is ready."""

from __future__ import annotations

import pytest

from examples.serving.router.decisions.readiness import Probe, Readiness, after_probe, is_lost


@pytest.mark.parametrize(
    ("probes", "ready"),
    [
        ([], False),
        (["absent"], False),
        (["not ready"], False),
        (["ready"], True),
        (["ready", "silent"], True),
        (["ready", "silent", "silent"], False),
        (["ready", "silent", "ready", "silent"], True),
        (["ready", "not ready"], False),
        (["ready", "absent"], False),
        (["silent", "ready"], True),
        (["silent"], False),
        (["ready", "silent", "silent", "ready"], True),
    ],
)
def test_readiness_after_probes(probes: list[Probe], ready: bool) -> None:
    """A clear answer counts at once, and a silence the second time."""
    state = Readiness()
    for probe in probes:
        state = after_probe(state, probe)
    assert state.ready is ready


@pytest.mark.parametrize(
    ("probes", "lost"),
    [
        (["ready", "absent"], True),
        (["ready", "silent", "silent"], True),
        (["ready", "silent"], False),
        # it drains, and still answers what it has
        (["ready", "not ready"], False),
        (["absent"], False),
    ],
)
def test_what_is_in_flight_is_lost_with_its_replica(probes: list[Probe], lost: bool) -> None:
    """Requests at a replica that is gone or hangs are tried elsewhere; a draining one answers."""
    before = after = Readiness()
    for probe in probes:
        before, after = after, after_probe(after, probe)
    assert is_lost(before, after, probes[-1]) is lost
