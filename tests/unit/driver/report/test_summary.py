"""The summary of a run, with any keys, values, counters and paths."""

from __future__ import annotations

import io
import unicodedata
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

from driver.report.document import InjectedFault, Recovery, Report, Timings
from driver.report.summary import COUNTERS_SHOWN, summary
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


def _shown(report: Report, *, urls: bool = True, markup: bool = False) -> str:
    screen = io.StringIO()
    made = summary(report, urls=urls)
    if made.top is not None:
        Console(file=screen, width=200, markup=markup, emoji=False).print(made.top)
    return "\n".join([screen.getvalue(), *made.lines])


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
    screen = _shown(_report("[/nope][bold]x[/]"), markup=True)
    assert screen.count("[/nope][bold]x[/]") > 10


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


def test_a_speed_up_is_shown_where_it_means_something() -> None:
    """Two seconds of fresh map tasks show a speed-up; less, slower, or reused work does not."""

    def times(serial: float, wall: float, reused: int = 0) -> bool:
        made = Timings(
            start=0, split=0, map_serial_sum=serial, map_wall=wall, reduce=0, end_to_end=wall,
            speed_up=serial / wall if wall else 0.0,
        )  # fmt: skip
        return " s of tasks, 4.0 x)" in _shown(_report("k", timings=made, reused_tasks=reused))

    assert [True, False, False, False, False] == [
        times(8.0, 2.0),
        times(1.0, 0.5),
        times(8.0, 9.0),
        times(8.0, 2.0, reused=1),
        times(0.0, 0.0),
    ]


def test_a_lost_output_is_counted_once() -> None:
    """A lost output counts once, as redone, and the time of the reduces that met it counts."""
    met = Recovery(task="reduce-0", what="OutputLost", why="gone", then="again", cost_s=1.5)
    redone = Recovery(task="map-1", what="output lost", why="gone", then="done again")
    assert "recovered 1 x output lost; 1.5 s of work wasted" in _shown(
        _report("k", recoveries=(met, redone))
    )
    assert "recovered 1 x OutputLost; 1.5 s" in _shown(_report("k", recoveries=(met,)))


def test_injected_faults_are_counted_by_kind() -> None:
    """Injected faults are counted by their kind."""
    faults = [InjectedFault(task="map-0", attempt="0", fault=kind) for kind in ("kill", "error")]
    shown = _shown(_report("k", faults=(*faults, *faults[:1])))
    assert "injected  3 faults: 1 error, 2 kill" in shown


def test_many_urls_are_one_line() -> None:
    """The result is one line: its URL, or the folder of its parts."""
    one = _shown(_report("k", result_urls=("file:///a/r.json",)), urls=False)
    two = _shown(_report("k", result_urls=("s3://b/r/0", "s3://b/r/1")), urls=False)
    assert "result    file:///a/r.json" in one
    assert "result    2 parts in s3://b/r/" in two
    assert "chunks" not in two
