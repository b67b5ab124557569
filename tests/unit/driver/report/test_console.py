"""The display of a run, with any data."""

from __future__ import annotations

import io
import re
import unicodedata
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

from driver.plan import events
from driver.plan.events import Event, EventLog
from driver.report.console import RunView

ANY_TEXT = st.text(st.characters(exclude_categories=[]), max_size=40) | st.sampled_from(
    [
        "[/nope]",
        "[bold]x[/]",
        "[link=http://evil]x[/link]",
        ":smile:",
        "\x1b[2J",
        "\x1b]0;own\x07",
        "\x9b2J",
        "\u202e",
    ]
)
OURS = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|[\r\n]")
CODES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
"""The codes with which rich moves the cursor and sets colours."""


def _events(text: str) -> list[Event]:
    """Return every kind of event, with the text in each of its texts."""
    start = {"run": text, "job": text, "target": text, "inputs": 1, "size_bytes": 1}
    attempt = {"task": text, "attempt": 1, "endpoint": text}
    return [
        events.RunStarted(at=0.0, **start),  # type: ignore[arg-type]
        events.FleetChanged(at=0.0, stage="map", appeared=(text,)),
        events.StageStarted(at=0.0, stage="map", tasks=2, reused=0, size_bytes=10),
        events.AttemptStarted(at=0.0, backup=True, **attempt),  # type: ignore[arg-type]
        events.AttemptProgress(at=0.0, task=text, attempt=1, bytes=1, records=1, status=text),
        events.AttemptFailed(at=0.0, kind=text, message=text, then=text, **attempt),  # type: ignore[arg-type]
        events.CircuitOpened(at=0.0, endpoint=text, failures=3, pause_s=1.0),
        events.CircuitClosed(at=0.0, endpoint=text),
        events.OutputsRedone(at=0.0, tasks=(text,), why=text),
        events.RecordSkipped(at=0.0, task=text, place=text, message=text),
        events.FleetChanged(at=0.0, stage="map", appeared=(text,), gone=(text,), why={text: text}),
        events.AttemptDone(at=0.0, seconds=1.0, size_bytes=10, **attempt),  # type: ignore[arg-type]
        events.StageDone(at=0.0, stage="map", seconds=1.0),
    ]


def _shown(text: str, *, terminal: bool) -> tuple[str, EventLog]:
    screen = io.StringIO()
    view = RunView(Console(file=screen, force_terminal=terminal, width=200, no_color=not terminal))
    log = EventLog([view])
    view.start()
    for event in _events(text):
        log(event)
    view.uploading(text, 5, 10)
    view.uploading(text, 10, 10)
    view.stop()
    return screen.getvalue(), log


@settings(max_examples=25, deadline=None)
@given(ANY_TEXT, st.booleans())
def test_no_text_of_a_run_is_obeyed(text: str, terminal: bool) -> None:
    """No text in an event reaches the terminal as a code, and nothing raises."""
    screen, log = _shown(text, terminal=terminal)
    assert log.notes == ()
    rest = OURS.sub("", screen) if terminal else screen.replace("\n", "")
    assert [
        char for char in rest if unicodedata.category(char)[0] == "C" or char in "\u2028\u2029"
    ] == []


@pytest.mark.parametrize("terminal", [True, False])
def test_markup_in_data_is_text(terminal: bool) -> None:
    """Markup in a job's name is shown as text."""
    screen, _ = _shown("[bold]x[/nope]:smile:", terminal=terminal)
    assert OURS.sub("", screen).count("[bold]x[/nope]:smile:") >= 10


def test_the_first_line_of_a_long_message_is_shown_with_how_much_is_cut() -> None:
    """A long message is cut to a limit, with the number of characters left out."""
    screen, _ = _shown("y" * 10_000_000, terminal=False)
    assert len(screen) < 50_000
    assert "more characters)" in screen


def _map_stage(kept: int = 0) -> Event:
    return events.StageStarted(at=1.0, stage="map", tasks=3, reused=0, size_bytes=30, kept=kept)


def _screen(happened: Sequence[Event], *, terminal: bool, width: int = 100) -> str:
    screen = io.StringIO()
    console = Console(file=screen, force_terminal=terminal, width=width, no_color=True)
    view = RunView(console)
    view.start()
    for event in happened:
        view(event)
    view.stop()
    return CODES.sub("", screen.getvalue()).replace("\r", "\n")


def test_a_failed_stage_looks_like_one() -> None:
    """A run that fails, pauses or is interrupted leaves a cross at its stage, and no spinner."""
    failed = events.RunFailed(at=2.0, run="r", kind="JobFailed", message="no")
    assert "✗ map" in _screen([_map_stage(), failed], terminal=True)
    assert "✓ map" not in _screen([_map_stage(), failed], terminal=True)
    assert "map: ended at 0/3 tasks" in _screen([_map_stage(), failed], terminal=False)


def test_a_stage_that_runs_again_says_so() -> None:
    """The second pass has a line of its own, with what it keeps of the first."""
    done = events.StageDone(at=2.0, stage="map", seconds=1.0)
    screen = _screen([_map_stage(), done, _map_stage(kept=2), done], terminal=False)
    assert screen == "map: 0/3 tasks in 1.0 s\nmap: 2/3 tasks, again: 2 kept in 1.0 s\n"


def test_the_start_has_a_line_until_the_first_stage() -> None:
    """What the start waits for is shown, and how long it took when the first stage begins."""
    starting = [
        events.Starting(at=0.0, what="the job is checked"),
        events.Starting(at=1.0, what="the services start"),
    ]
    assert "the services start" in _screen(starting, terminal=True)
    assert "✓ start" in _screen([*starting, _map_stage()], terminal=True)


@pytest.mark.parametrize("width", [60, 100])
def test_a_bar_is_one_line(width: int) -> None:
    """However much there is to say of a stage, its line does not wrap."""
    attempts = [
        events.AttemptStarted(at=1.0, task=f"map-{n}", attempt=1, endpoint="mapper-0")
        for n in range(3)
    ]
    progress = events.AttemptProgress(at=9.0, task="map-0", attempt=1, bytes=5, records=1)
    screen = _screen([_map_stage(kept=1), *attempts, progress], terminal=True, width=width)
    lines = screen.split("\n")
    assert max(map(len, lines)) <= width
    assert any("map" in line and "1/3 tasks" in line for line in lines)
