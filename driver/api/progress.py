"""Shows a run's progress: in a notebook one line that changes; else on standard error."""

from __future__ import annotations

import queue
import sys
import time
from collections.abc import Callable
from html import escape
from typing import Any, Protocol

from driver.plan import events
from driver.plan.events import Event
from driver.report.console import RunView
from driver.report.event_text import failed_text
from driver.report.fold import RunFold
from driver.report.progress import progress_text, stage_name
from driver.report.standard_error import console
from driver.targets.watched import View
from driver.text import bytes_text, shown


class Display(Protocol):
    """What `IPython.display.display` returns with a `display_id`."""

    def update(self, data: dict[str, str], *, raw: bool) -> None:
        """Show other data in its place."""


class TickingView(View, Protocol):
    """A view that shows what has happened when `tick` is called, in the caller's thread."""

    def tick(self) -> None:
        """Show what has happened."""

    def say(self, text: str) -> None:
        """Show a note."""


def view_of(*, wanted: bool) -> TickingView | None:
    """Return what shows the progress; None where none is wanted."""
    if not wanted:
        return None
    display = _notebook()
    return StandardErrorView() if display is None else NotebookView(display)


def _notebook() -> Callable[..., Any] | None:
    """Return `display` in a kernel of Jupyter; None in a terminal or a script."""
    ipython: Any = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    if shell is None or not hasattr(shell, "kernel"):
        return None
    from IPython.display import display  # it is loaded already

    show: Callable[..., Any] = display
    return show


class StandardErrorView(RunView):
    """The progress of the command line, for a script or a REPL."""

    def __init__(self) -> None:
        self._shown = console()
        super().__init__(self._shown)

    def tick(self) -> None:
        """Do nothing: a thread of `rich` draws."""

    def say(self, text: str) -> None:
        """Print a line."""
        self._shown.print(shown(text), soft_wrap=True)


class NotebookView:
    """One line with a bar, which the caller's thread draws: a kernel knows only its cell.

    Args:
        display: `IPython.display.display`.
        wall: the time, in seconds since the epoch.
    """

    def __init__(self, display: Callable[..., Any], wall: Callable[[], float] = time.time) -> None:
        self._display = display
        self._wall = wall
        self._handle: Display | None = None
        self._events: queue.SimpleQueue[Event] = queue.SimpleQueue()
        self._fold = RunFold()
        self._run = self._doing = self._trouble = self._drawn = ""
        self._is_over = False

    def start(self) -> None:
        """Draw the line."""
        self._draw("the job and its inputs are checked", None)

    def stop(self) -> None:
        """Draw what has happened last."""
        self.tick()

    def __call__(self, event: Event) -> None:
        """Keep an event until it is drawn; any thread may call this."""
        self._events.put(event)

    def uploading(self, name: str, sent: int, size: int) -> None:
        """Show how far the upload of an input is."""
        self._doing = f"upload: {shown(name, 60)}, {bytes_text(sent)} of {bytes_text(size)}"

    def say(self, text: str) -> None:
        """Show a note below the line."""
        self._display({"text/plain": shown(text)}, raw=True)

    def tick(self) -> None:
        """Draw the line anew, if anything has happened."""
        while not self._events.empty():
            self._take(self._events.get())
        stage = self._fold.stage
        if stage is None or self._is_over:
            self._draw(self._doing, 1.0 if self._is_over else None)
            return
        share = stage.bytes_done / stage.size_bytes if stage.size_bytes else 1.0
        self._draw(f"{stage_name(stage)}: {progress_text(stage, self._wall())}", min(1.0, share))

    def _take(self, event: Event) -> None:
        self._fold(event)
        match event:
            case events.Starting():
                self._doing = shown(event.what)
            case events.RunStarted() if not self._run:
                self._run = shown(event.run)
            case events.AttemptFailed():
                self._trouble = shown(failed_text(event), 200)
            case events.RunDone():
                self._over(f"done in {event.seconds:.1f} s")
            case events.RunFailed():
                self._over("failed")
            case events.RunInterrupted() | events.RunPaused():
                self._over("stopped; the same call goes on")
            case _:
                pass

    def _over(self, how: str) -> None:
        self._doing, self._is_over = how, True

    def _draw(self, what: str, share: float | None) -> None:
        text = f"{self._run}: {what}" if self._run else what
        if self._trouble and not self._is_over:
            text += f" ({self._trouble})"
        if text == self._drawn:
            return
        self._drawn = text
        value = "" if share is None else f' value="{share:.3f}"'
        data = {
            "text/plain": text,
            "text/html": f"<progress{value}></progress> <code>{escape(text)}</code>",
        }
        if self._handle is None:
            self._handle = self._display(data, raw=True, display_id=True)
        else:
            self._handle.update(data, raw=True)
