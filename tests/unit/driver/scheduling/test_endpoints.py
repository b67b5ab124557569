"""The choice of the endpoint for a task."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from driver.scheduling.endpoints import Endpoints, Slots
from driver.scheduling.policy import RetryPolicy, usable_slots
from driver.transport.endpoint import Endpoint

POLICY = RetryPolicy()


def _fleet(*slots: int) -> Endpoints:
    endpoints = Endpoints(POLICY)
    endpoints.update([Endpoint(f"e{number}", "", count) for number, count in enumerate(slots)], 0.0)
    return endpoints


def _take(endpoints: Endpoints, **how: object) -> str | None:
    slots = endpoints.pick(0.0, **how)  # type: ignore[arg-type]
    if slots is None:
        return None
    slots.busy += 1
    endpoints.changed(slots)
    return slots.endpoint.name


def test_the_one_with_the_most_free_slots_is_first() -> None:
    """The endpoint with the smallest busy share of its slots is chosen; none if all are full."""
    endpoints = _fleet(1, 2)
    assert ["e0", "e1", "e1", None] == [_take(endpoints) for _ in range(4)]


def test_where_a_task_has_failed_is_the_last_resort() -> None:
    """An endpoint where the task failed is chosen last, and one where it runs never."""
    endpoints = _fleet(1, 1)
    assert "e1" == _take(endpoints, avoid={"e0"})
    assert None is _take(endpoints, avoid={"e1"}, besides="e0")
    assert "e0" == _take(endpoints, avoid={"e0"})


def test_one_that_is_left_alone_comes_back_in_time() -> None:
    """A paused endpoint is not chosen before its return, whose time is known."""
    endpoints = _fleet(1)
    slots = endpoints.pick(0.0)
    assert slots is not None
    slots.quiet_until = 5.0
    endpoints.changed(slots)
    assert (None, 5.0) == (endpoints.pick(4.9), endpoints.next_return(4.9))
    assert slots is endpoints.pick(5.0)
    assert None is endpoints.next_return(5.0)


def test_one_that_is_gone_is_not_chosen_even_when_its_task_ends_later() -> None:
    """An endpoint that is gone is not chosen, even when its task ends later."""
    endpoints = _fleet(1)
    slots = endpoints.pick(0.0)
    assert slots is not None
    assert ((), ("e0",)) == endpoints.update([], 0.0)
    endpoints.changed(slots)
    assert None is endpoints.pick(0.0)
    assert (("e0",), ()) == endpoints.update([Endpoint("e0", "", 1)], 0.0)
    assert "e0" == _take(endpoints)


STEPS = st.tuples(st.integers(0, 4), st.sampled_from(["take", "end", "fail", "well", "quiet"]))


@given(st.lists(STEPS))
def test_it_chooses_as_a_look_at_all_would(steps: list[tuple[int, str]]) -> None:
    """The choice equals a scan of all endpoints: fewest failures, then most usable slots, then the
    first.
    """
    endpoints, now = _fleet(1, 2, 3, 4, 5), 0.0
    everyone = _all_slots(endpoints)
    for number, step in steps:
        now += 1
        slots: Slots | None = everyone[number]
        if step == "take":
            free = [
                s
                for s in everyone
                if s.quiet_until <= now and s.busy < usable_slots(_count(s), s.failures, POLICY)
            ]
            expected = min(
                free, key=lambda s: (s.failures, s.busy / _count(s), s.number), default=None
            )
            slots = endpoints.pick(now)
            assert expected is slots
        if slots is not None:
            slots.busy += {"take": 1, "end": -(slots.busy > 0)}.get(step, 0)
            slots.failures = {"fail": slots.failures + 1, "well": 0}.get(step, slots.failures)
            slots.quiet_until = now + number if step == "quiet" else slots.quiet_until
            endpoints.changed(slots)


def _count(slots: Slots) -> int:
    """Return the number of tasks that the endpoint takes."""
    return slots.endpoint.slots


def _all_slots(endpoints: Endpoints) -> list[Slots]:
    """Return every endpoint: fill all slots, then free them."""
    found: dict[int, Slots] = {}
    while slots := endpoints.pick(0.0):
        found[slots.number] = slots
        slots.busy += 1
        endpoints.changed(slots)
    for slots in found.values():
        slots.busy = 0
        endpoints.changed(slots)
    return [found[number] for number in sorted(found)]
