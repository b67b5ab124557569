"""The progress of a run in a notebook: one line that is drawn anew."""

from __future__ import annotations

import sys
from types import SimpleNamespace
from typing import Any

import pytest

from driver.api.progress import NotebookView, StandardErrorView, view_of
from driver.plan import events
from driver.plan.events import Event

HAPPENED: tuple[Event, ...] = (
    events.Starting(at=0.0, what="the services start"),
    events.RunStarted(at=1.0, run="run-1", job="J", target="local", inputs=1, size_bytes=100),
    events.StageStarted(at=1.0, stage="map", tasks=2, reused=0, size_bytes=100),
    events.AttemptStarted(at=1.0, task="map-0", attempt=1, endpoint="m"),
    events.AttemptDone(at=2.0, task="map-0", attempt=1, endpoint="m", seconds=1.0, size_bytes=50),
)


class _Screen:
    """Keeps what is displayed."""

    def __init__(self) -> None:
        self.shown: list[dict[str, str]] = []
        self.updated = 0

    def display(self, data: dict[str, str], **_: Any) -> _Screen:
        self.shown.append(data)
        return self

    def update(self, data: dict[str, str], **_: Any) -> None:
        self.updated += 1
        self.shown[0] = data


@pytest.fixture
def screen() -> _Screen:
    """Return a screen with nothing on it."""
    return _Screen()


def _view(screen: _Screen, *happened: Event) -> NotebookView:
    view = NotebookView(screen.display, wall=lambda: 3.0)
    view.start()
    for event in happened:
        view(event)
    view.tick()
    return view


def test_the_line_shows_stage_and_share(screen: _Screen) -> None:
    """The line shows the run, the stage, its tasks, and a bar of what is read."""
    _view(screen, *HAPPENED)
    (data,) = screen.shown
    assert data["text/plain"].startswith("run-1: map: 1/2 tasks")
    assert 'value="0.500"' in data["text/html"]


def test_nothing_new_draws_nothing(screen: _Screen) -> None:
    """A look at which nothing has happened draws nothing."""
    view = _view(screen, *HAPPENED)
    before = screen.updated
    view.tick()
    assert before == screen.updated


@pytest.mark.parametrize(
    ("end", "words"),
    [
        (events.RunDone(at=4.0, run="run-1", seconds=3.0), "done in 3.0 s"),
        (events.RunFailed(at=4.0, run="run-1", kind="StageFailed", message="no"), "failed"),
        (events.RunInterrupted(at=4.0, run="run-1", why="x"), "the same call goes on"),
    ],
)
def test_the_end_is_said(screen: _Screen, end: Event, words: str) -> None:
    """The last words of the line say how the run ended."""
    _view(screen, *HAPPENED, end).stop()
    assert words in screen.shown[0]["text/plain"]


def test_text_of_others_is_escaped(screen: _Screen) -> None:
    """A message of a job is no markup, and has no escape codes."""
    failed = events.AttemptFailed(
        at=2.5, task="map-1", attempt=1, endpoint="m", kind="E", message="<b>\x1b[31m", then="again"
    )
    view = _view(screen, *HAPPENED, failed)
    assert "&lt;b&gt;" in screen.shown[0]["text/html"]
    assert "\x1b" not in screen.shown[0]["text/plain"]
    view.uploading("<x>", 1, 2)
    view.say("a note\x1b")
    assert {"text/plain": "a note\\x1b"} == screen.shown[-1]


def test_uploads_are_shown(screen: _Screen) -> None:
    """Before the first stage, the line shows the upload."""
    view = _view(screen)
    view.uploading("in.txt", 1, 2)
    view.tick()
    assert "upload: in.txt, 1 B of 2 B" == screen.shown[0]["text/plain"]


def test_the_view_follows_the_place(monkeypatch: pytest.MonkeyPatch, screen: _Screen) -> None:
    """In a kernel it is a display, elsewhere standard error, and none if none is wanted."""
    monkeypatch.delitem(sys.modules, "IPython", raising=False)
    assert view_of(wanted=False) is None
    assert isinstance(view_of(wanted=True), StandardErrorView)
    display = SimpleNamespace(display=screen.display)
    for shell, kind in ((SimpleNamespace(kernel=1), NotebookView), (None, StandardErrorView)):
        here = SimpleNamespace(get_ipython=lambda shell=shell: shell, display=display)
        monkeypatch.setitem(sys.modules, "IPython", here)
        monkeypatch.setitem(sys.modules, "IPython.display", display)
        assert isinstance(view_of(wanted=True), kind)


def test_standard_error_gets_notes(capsys: pytest.CaptureFixture[str]) -> None:
    """Outside a notebook a note is a line on standard error, and standard output stays empty."""
    view = StandardErrorView()
    view.say("a note\x1b")
    view.tick()
    said = capsys.readouterr()
    assert ("", "a note\\x1b\n") == (said.out, said.err)
