"""The HTML of the pages of runs and jobs."""

from __future__ import annotations

import pytest

from driver.web.overview import ROWS_SHOWN, Choice, RunRow
from driver.web.pages import (
    BARS_SHOWN,
    duration_text,
    live_head,
    message_page,
    overview_page,
    overview_sections,
    title_element,
    usd_text,
    when_text,
)

ROWS = [
    RunRow(
        run=f"run-{number}", state="done", job="Count", created=60.0 * number, seconds=number + 1.0
    )
    for number in range(300)
]


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [(None, ""), (0.04, "0.0 s"), (12.34, "12.3 s"), (185, "3:05"), (3723, "1:02:03")],
)
def test_durations(seconds: float | None, expected: str) -> None:
    """Short times have a digit behind the point, long ones colons, unknown ones nothing."""
    assert expected == duration_text(seconds)


@pytest.mark.parametrize(
    ("usd", "expected"), [(None, ""), (0.0, "$0.0000"), (0.01234, "$0.0123"), (12.5, "$12.50")]
)
def test_prices(usd: float | None, expected: str) -> None:
    """Cents have four digits behind the point."""
    assert expected == usd_text(usd)


@pytest.mark.parametrize("created", [0.0, 1e300, float("inf")])
def test_a_time_outside_the_calendar_is_empty(created: float) -> None:
    """No time in a record makes the page fail."""
    assert "" == when_text(created)


def test_a_long_list_is_cut_with_a_word() -> None:
    """The page of many runs has the newest rows, and says how many are left out."""
    sections = overview_sections(ROWS, Choice())
    assert ["list", "jobs"] == list(sections)
    assert ROWS_SHOWN == sections["list"].count('<tr><th scope="row">')
    assert "100 older ones are not shown" in sections["list"]
    assert "run-299" in sections["list"]
    assert "run-0<" not in sections["list"]


def test_the_page_of_a_job_has_its_runs_over_time() -> None:
    """The newest runs of a job are bars, oldest first, the longest one full."""
    history = overview_sections(ROWS, Choice(job="Count"))["history"]
    assert BARS_SHOWN == history.count("<rect")
    assert 1 == history.count('width="100.0"')
    assert history.index("run-240") < history.index("run-299")


def test_an_empty_store_says_what_to_do() -> None:
    """Without a run the page has the command that makes one."""
    page = overview_page("file:///store", overview_sections([], Choice()), Choice())
    assert "python -m driver run --input FILE" in page


def test_text_in_titles_and_messages_is_escaped() -> None:
    """A title and a message hold text, whatever it is."""
    assert "<title>&lt;b&gt;\\x1b</title>" == title_element("<b>\x1b")
    assert "<b>" not in message_page("file:///store", "Title", "<b>")


def test_the_scripts_are_not_deferred() -> None:
    """A deferred htmx would begin before its extension for streams is there, and open none."""
    head = live_head()
    assert 3 == head.count("<script src=")
    assert "defer" not in head
    assert head.index("htmx.min.js") < head.index("hx-sse.min.js")
