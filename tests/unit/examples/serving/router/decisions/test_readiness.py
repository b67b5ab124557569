"""Whether a replica is ready."""

from __future__ import annotations

import pytest

from examples.serving.router.decisions.readiness import (
    Probe,
    Readiness,
    after_answer,
    after_probe,
    is_lost,
    was_silent,
)


@pytest.mark.parametrize(
    ("probes", "ready"),
    [
        ([], False),
        (["absent"], False),
        (["not ready"], False),
        (["ready"], True),
        (["ready", "silent"], True),
        (["ready", "silent", "silent"], True),
        (["ready", "silent", "silent", "silent"], False),
        (["ready", "silent", "silent", "ready", "silent", "silent"], True),
        (["ready", "not ready"], False),
        (["ready", "absent"], False),
        (["silent", "ready"], True),
        (["silent"], False),
        (["ready", "silent", "silent", "silent", "ready"], True),
    ],
)
def test_readiness_after_probes(probes: list[Probe], ready: bool) -> None:
    """A clear answer counts at once, and a silence the third time."""
    state = Readiness()
    for probe in probes:
        state = after_probe(state, probe)
    assert state.ready is ready


@pytest.mark.parametrize(
    ("probes", "lost"),
    [
        (["ready", "absent"], True),
        (["ready", "silent", "silent", "silent"], True),
        (["ready", "silent", "silent"], False),
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
    assert is_lost(before, after, probes[-1], others=1) is lost
    # with nowhere else to go, requests stay where they are
    assert not is_lost(before, after, probes[-1], others=0)


@pytest.mark.parametrize(
    ("probes", "suspect"),
    [
        (["silent"] * 5, False),
        (["ready", "silent"], False),
        (["ready", *["silent"] * 3], True),
        (["ready", *["silent"] * 9], True),
        (["ready", *["silent"] * 3, "absent"], False),
        (["ready", *["silent"] * 3, "not ready"], False),
        (["ready", *["silent"] * 3, "ready"], False),
    ],
)
def test_only_a_replica_that_was_ready_and_went_silent_is_a_suspect(
    probes: list[Probe], suspect: bool
) -> None:
    """One that says that it is not ready, or is not there, gets no request in any case."""
    state = Readiness()
    for probe in probes:
        state = after_probe(state, probe)
    assert state.suspect is suspect


def test_an_answer_ends_silence() -> None:
    """A replica that answers requests is not hung, whatever its probes say."""
    silent = after_probe(after_probe(Readiness(ready=True), "silent"), "silent")
    assert after_answer(silent) == Readiness(ready=True)
    assert after_answer(after_probe(silent, "silent")) == Readiness(ready=True)
    assert after_answer(Readiness()) == Readiness()


@pytest.mark.parametrize(
    ("waited_s", "counts"), [(1.0, True), (1.01, True), (1.5, True), (1.51, False), (9.0, False)]
)
def test_a_late_router_blames_no_replica(waited_s: float, counts: bool) -> None:
    """A limit of a second that is noticed after two says nothing of the replica."""
    assert was_silent(waited_s, 1.0) is counts
