"""Shows a run's progress on standard error: bars in a terminal, plain lines elsewhere.

It takes events live, from a run in this process, or from the records of one elsewhere.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TaskID, TextColumn
from rich.spinner import Spinner
from rich.table import Column
from rich.text import Text

from driver.plan import events
from driver.plan.events import Event
from driver.report.event_text import event_text, failed_text, fleet_changes
from driver.report.fold import RunFold
from driver.report.model import StageModel
from driver.report.progress import progress_text, seconds_text, stage_name
from driver.text import CELL_LIMIT, MESSAGE_LIMIT, bytes_text, plural, shown

PLAIN_EVERY_S = 5.0
BAR_WIDTH = 24

_GREEN = (events.CircuitClosed, events.SignedIn)
_CYAN = (events.FleetScaled, events.FleetComing, events.FleetLeft)


class RunView:
    """Shows events between `start` and `stop`; `stop` restores the terminal."""

    def __init__(self, console: Console, now: Callable[[], float] = time.monotonic) -> None:
        self._console = console
        self._fold = RunFold()
        self._began: float | None = None
        self._looked: set[str] = set()
        self._said: set[str] = set()
        self._bars: _Bars | _Lines = (
            _Bars(console, now) if console.is_terminal else _Lines(console, now)
        )

    def start(self) -> None:
        """Begin to show progress."""
        self._bars.start()

    def stop(self) -> None:
        """Restore the terminal."""
        self._bars.stop()

    def __call__(self, event: Event) -> None:
        self._fold(event)
        stage = self._fold.stage
        if self._began is None:
            self._began = event.at
        match event:
            case events.Starting():
                self._bars.starting(event.what, event.at - self._began)
            case events.RunStarted():
                self._run_started(event)
            case events.StageStarted() if stage:
                self._looked.discard(event.stage)
                self._bars.stage(stage, event.at)
            case events.StageDone() if stage:
                self._bars.stage_done(stage)
            case events.AttemptFailed():
                self._warn(failed_text(event))
            case events.FleetChanged():
                self._fleet_changed(event)
            case events.RunFailed() | events.RunInterrupted() | events.RunPaused():
                self._bars.over()
            case _:
                self._say_of(event)
        if isinstance(event, _OF_ATTEMPTS) and stage:
            self._bars.progress(stage, event.at)

    def uploading(self, name: str, sent: int, size: int) -> None:
        """Show how far the upload of an input is."""
        self._bars.uploading(name, sent, size)

    def _run_started(self, event: events.RunStarted) -> None:
        inputs = f"{plural(event.inputs, 'input')}, {bytes_text(event.size_bytes)}"
        described = shown(f": {event.job} over {inputs}, {event.target}")
        self._say(Text.assemble((shown(event.run), "bold"), described))

    def _say_of(self, event: Event) -> None:
        """Say a rare event's words; why jobs are imported anew once a run, not once a stage."""
        text = event_text(event)
        if text is None or (isinstance(event, events.ImportedAnew) and text in self._said):
            return
        self._said.add(text)
        style = "green" if isinstance(event, _GREEN) else "yellow"
        if isinstance(event, _CYAN):
            style = "red" if text.startswith("error") else "cyan"
        self._warn(text, style)

    def _fleet_changed(self, event: events.FleetChanged) -> None:
        """Show which endpoints left, and which appeared after the stage's first look-up."""
        for text, is_good in fleet_changes(event, is_first=event.stage not in self._looked):
            self._warn(text, "green" if is_good else "yellow")
        self._looked.add(event.stage)

    def _warn(self, text: str, style: str = "yellow") -> None:
        self._say(Text(f"  {shown(text, MESSAGE_LIMIT)}", style=style))

    def _say(self, text: Text) -> None:
        self._console.print(text, soft_wrap=True)


_OF_ATTEMPTS = (
    events.AttemptStarted,
    events.AttemptRefused,
    events.AttemptProgress,
    events.AttemptDone,
    events.AttemptFailed,
    events.AttemptCancelled,
)


class _Sign(ProgressColumn):
    """A spinner while a stage runs, then how it ended."""

    def __init__(self) -> None:
        super().__init__()
        self._spinner = Spinner("dots")

    def render(self, task: Task) -> Text:
        sign = task.fields["sign"]
        if sign:
            return Text(sign, style="green" if sign == "✓" else "red")
        shape = self._spinner.render(task.get_time())
        return shape if isinstance(shape, Text) else Text()


class _Elapsed(ProgressColumn):
    """The seconds of a stage: those at its last event, and the time since then while it runs."""

    def __init__(self, now: Callable[[], float]) -> None:
        super().__init__()
        self._now = now

    def render(self, task: Task) -> Text:
        seconds, since = task.fields["seconds"], task.fields["since"]
        running = 0.0 if task.fields["sign"] else self._now() - since
        return Text(f"{seconds_text(seconds + running):>7}", style="dim")


class _Bars:
    """One bar for each pass of a stage, for a terminal."""

    def __init__(self, console: Console, now: Callable[[], float]) -> None:
        self._now = now
        self._progress = Progress(
            _Sign(),
            TextColumn("{task.description:<7}", markup=False),
            BarColumn(bar_width=min(BAR_WIDTH, max(4, console.width // 5))),
            _Elapsed(now),
            TextColumn(
                "{task.fields[text]}",
                markup=False,
                table_column=Column(no_wrap=True, overflow="ellipsis", ratio=1),
            ),
            console=console,
            expand=True,
        )
        self._last: TaskID | None = None
        self._starting: TaskID | None = None
        self._uploads: dict[str, TaskID] = {}

    def start(self) -> None:
        self._progress.start()

    def stop(self) -> None:
        self._end_start("✗")
        self._progress.stop()

    def starting(self, what: str, seconds: float) -> None:
        if self._starting is None:
            self._starting = self._add("start", None, "")
        self._progress.update(self._starting, text=shown(what), seconds=seconds, since=self._now())

    def uploading(self, name: str, sent: int, size: int) -> None:
        if name not in self._uploads:
            self._uploads[name] = self._add("upload", size, "")
        task = self._uploads[name]
        text = f"{shown(name, CELL_LIMIT)} {bytes_text(sent)}"
        self._progress.update(task, completed=sent, text=text)
        if sent == size:
            self._end(task, "✓")

    def stage(self, stage: StageModel, at: float) -> None:
        self._end_start("✓")
        total = max(stage.size_bytes, 1)
        self._last = self._add(stage_name(stage), total, progress_text(stage, at))

    def progress(self, stage: StageModel, at: float) -> None:
        if self._last is not None:
            self._progress.update(
                self._last,
                completed=min(stage.bytes_done, stage.size_bytes),
                text=progress_text(stage, at),
                seconds=at - stage.started,
                since=self._now(),
            )

    def stage_done(self, stage: StageModel) -> None:
        if self._last is not None:
            text, seconds = progress_text(stage, stage.started), stage.seconds or 0.0
            self._progress.update(
                self._last, completed=max(stage.size_bytes, 1), text=text, seconds=seconds
            )
            self._end(self._last, "✓", seconds)
            self._last = None

    def over(self) -> None:
        """Show that the stage that runs, if any, has ended without its result."""
        self._end_start("✗")
        if self._last is not None:
            self._end(self._last, "✗")
            self._last = None

    def _add(self, name: str, total: int | None, text: str) -> TaskID:
        now = self._now()
        return self._progress.add_task(
            name, total=total, text=text, sign="", seconds=0.0, since=now
        )

    def _end_start(self, sign: str) -> None:
        """End the line of the start; one that fails keeps what it was doing."""
        if self._starting is None:
            return
        if sign == "✓":
            self._progress.update(self._starting, total=1, completed=1, text="")
        self._end(self._starting, sign)
        self._starting = None

    def _end(self, task: TaskID, sign: str, seconds: float | None = None) -> None:
        fields = self._progress.tasks[self._progress.task_ids.index(task)].fields
        if seconds is None:
            seconds = fields["seconds"] + self._now() - fields["since"]
        self._progress.update(task, sign=sign, seconds=seconds)


class _Lines:
    """A line when a stage ends, and every few seconds between: for logs and CI."""

    def __init__(self, console: Console, now: Callable[[], float]) -> None:
        self._console = console
        self._now = now
        self._said = 0.0
        self._running: StageModel | None = None

    def start(self) -> None:
        self._said = self._now()

    def stop(self) -> None:
        self._running = None

    def starting(self, what: str, _seconds: float) -> None:
        if self._is_due():
            self._say(f"start: {what}")

    def uploading(self, name: str, sent: int, size: int) -> None:
        if sent == size or self._is_due():
            self._say(f"upload: {name}, {bytes_text(sent)} of {bytes_text(size)}")

    def stage(self, stage: StageModel, at: float) -> None:
        self._running = stage
        self._said = self._now()

    def progress(self, stage: StageModel, at: float) -> None:
        self._running = stage
        if stage.done < stage.tasks and self._is_due():
            size = f"{bytes_text(stage.bytes_done)} of {bytes_text(stage.size_bytes)}"
            self._say(f"{stage_name(stage)}: {progress_text(stage, at)}, {size}")

    def stage_done(self, stage: StageModel) -> None:
        self._running = None
        text = progress_text(stage, stage.started)
        self._say(f"{stage_name(stage)}: {text} in {seconds_text(stage.seconds or 0.0)}")

    def over(self) -> None:
        """Say how far the stage that runs, if any, has come."""
        stage, self._running = self._running, None
        if stage is not None:
            text = progress_text(stage, stage.started)
            self._say(f"{stage_name(stage)}: ended at {text}")

    def _is_due(self) -> bool:
        if self._now() - self._said < PLAIN_EVERY_S:
            return False
        self._said = self._now()
        return True

    def _say(self, text: str) -> None:
        self._console.print(Text(shown(text)), soft_wrap=True)
