"""Which sections a page is sent."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from driver.web.changes import message, shown_id

NAMES = st.sampled_from(["verdict", "timeline", "tasks", "ledger"])
SECTIONS = st.dictionaries(NAMES, st.text(max_size=5), min_size=1)


def test_only_what_has_changed_is_sent() -> None:
    """A message holds the changed section alone, and replaces the element with its id."""
    before = {"verdict": "<p>1</p>", "tasks": "<p>2</p>"}
    found = message({**before, "tasks": "<p>3</p>"}, shown_id(before))
    assert found is not None
    assert ("tasks",) == found.names
    expected = '<hx-partial hx-target="#tasks" hx-swap="outerMorph"><p>3</p></hx-partial>'
    assert expected == found.html


def test_a_page_that_shows_all_is_sent_nothing() -> None:
    """There is no message without a change."""
    assert message({"verdict": "x"}, shown_id({"verdict": "x"})) is None


@given(SECTIONS, st.text())
def test_a_page_of_which_nothing_is_known_is_sent_all(sections: dict[str, str], shown: str) -> None:
    """An id of any other form counts as a page that shows nothing."""
    found = message(sections, shown)
    assert found is not None
    assert tuple(sections) == found.names


@given(st.lists(SECTIONS, min_size=1), st.data())
def test_messages_lead_to_what_is_shown_now(
    readings: list[dict[str, str]], data: st.DataObject
) -> None:
    """Whatever messages a page misses at a restart, the last one leaves it as a new page is."""
    page, shown = dict(readings[0]), shown_id(readings[0])
    for reading in [*readings, readings[-1]]:
        latest = {**page, **reading}
        if reading is not readings[-1] and data.draw(st.booleans()):
            continue  # the server was away
        found = message(latest, shown)
        for name in found.names if found else ():
            page[name] = latest[name]
        shown = found.id if found else shown
        assert latest == page
        assert message(latest, shown) is None
