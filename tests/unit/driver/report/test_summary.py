"""The summary of a run, with any keys, values, counters and paths."""

from __future__ import annotations

import io
import unicodedata
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

from driver.report.document import Recovery, Report
from driver.report.summary import COUNTERS_SHOWN, print_summary
from tests.unit.driver.samples import empty_report

ANY_TEXT = st.text(st.characters(exclude_categories=[]), max_size=40) | st.sampled_from(
    [
        "[/nope]",
        "[bold]x[/]",
        "[link=http://evil]x[/link]",
        ":smile:",
        "\x1b[2J",
        "\x9b2J",
        "\u202e",
    ]
)


def _report(text: str, **changes: Any) -> Report:
    recovery = Recovery(
        task=text, attempt=1, endpoint=text, what=text, why=text, then=text, cost_s=1.0
    )
    report = empty_report(
        run_id=text,
        chunk_urls=(text,),
        map_urls=(text,),
        result_urls=(text,) * 5,
        top=((text, 5), (5, text), (None, [text]), (True, 1.5)),
        counters={text: 1},
        recoveries=(recovery,),
        notes=(text,),
    )
    return report.model_copy(update=changes)


def _shown(report: Report) -> str:
    screen = io.StringIO()
    print_summary(report, Console(file=screen, width=200, markup=False, emoji=False))
    return screen.getvalue()


@settings(max_examples=50, deadline=None)
@given(ANY_TEXT)
def test_no_text_of_a_report_is_obeyed(text: str) -> None:
    """No text in a report reaches the terminal as a code."""
    screen = _shown(_report(text)).replace("\n", "")
    assert [
        char for char in screen if unicodedata.category(char)[0] == "C" or char in "\u2028\u2029"
    ] == []


def test_markup_in_a_key_is_shown() -> None:
    """Markup in a key is shown as text, also by a console with markup."""
    screen = io.StringIO()
    print_summary(_report("[/nope][bold]x[/]"), Console(file=screen, width=200))
    assert screen.getvalue().count("[/nope][bold]x[/]") > 10


def test_numbers() -> None:
    """Integers are shown in groups of digits; a huge one and True are not."""
    screen = _shown(_report("k", top=(("a", 1234567), ("b", 10**10_000), ("c", True))))
    assert "1,234,567" in screen
    assert "too long to show" in screen
    assert "True" in screen


def test_a_thousand_counters_are_not_all_shown() -> None:
    """Only some of a thousand counters are shown, with the number of the others."""
    screen = _shown(_report("k", counters={f"c{number}": 1 for number in range(1000)}))
    assert screen.count("counter ") == COUNTERS_SHOWN
    assert "and 950 counters more" in screen
