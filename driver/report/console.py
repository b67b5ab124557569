"""Shows a run's progress on standard error: bars in a terminal, plain lines elsewhere."""

from __future__ import annotations

import time
from collections.abc import Callable

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn
from rich.text import Text

from driver.plan import events
from driver.plan.events import Event
from driver.report.fleet import fleet_text
from driver.text import CELL_LIMIT, MESSAGE_LIMIT, bytes_text, plural, shown

PLAIN_EVERY_S = 5.0


class RunView:
    """Shows events between `start` and `stop`; `stop` restores the terminal."""

    def __init__(self, console: Console, now: Callable[[], float] = time.monotonic) -> None:
        self._console = console
        self._looked: set[str] = set()
        self._said: set[str] = set()
        self._bars: _Bars | _Lines = _Bars(console) if console.is_terminal else _Lines(console, now)

    def start(self) -> None:
        """Begin to show progress."""
        self._bars.start()

    def stop(self) -> None:
        """Restore the terminal."""
        self._bars.stop()

    def __call__(self, event: Event) -> None:
        if isinstance(event, events.RunStarted):
            inputs = f"{plural(event.inputs, 'input')}, {bytes_text(event.size_bytes)}"
            described = shown(f": {event.job} over {inputs}, {event.target}")
            self._say(Text.assemble((shown(event.run), "bold"), described))
        elif isinstance(event, events.StageStarted):
            self._looked.discard(event.stage)
            self._bars.stage(event)
        elif isinstance(event, events.AttemptProgress):
            self._bars.progress(event)
        elif isinstance(event, events.AttemptDone):
            self._bars.done(event)
        elif isinstance(event, events.AttemptFailed):
            first = shown(event.message.partition("\n")[0])
            where = f"{event.task} attempt {event.attempt} on {event.endpoint}"
            self._warn(f"{where}: {event.kind}: {first}; {event.then}")
        elif isinstance(event, events.StageDone):
            self._bars.stage_done(event)
        elif isinstance(event, events.FleetChanged):
            self._fleet_changed(event)
        elif isinstance(event, events.FleetScaled | events.FleetComing | events.FleetLeft):
            self._say_of_fleet(fleet_text(event))
        elif isinstance(event, events.ImportedAnew):
            if event.why not in self._said:
                self._say_imported_anew(event.why)
        elif (text := _said(event)) is not None:
            self._warn(text)

    def _say_of_fleet(self, text: str) -> None:
        if text:
            self._warn(text, style="red" if text.startswith("error") else "cyan")

    def _say_imported_anew(self, why: str) -> None:
        """Say it once a run, not once a stage."""
        self._said.add(why)
        self._warn(f"each task imports the job anew, because of what its import does: {why}")

    def uploading(self, name: str, sent: int, size: int) -> None:
        """Show how far the upload of an input is."""
        self._bars.uploading(name, sent, size)

    def _fleet_changed(self, event: events.FleetChanged) -> None:
        """Show which endpoints left, and which appeared after the stage's first look-up."""
        for name in event.gone:
            why = f": {event.why[name]}" if name in event.why else ""
            self._warn(f"{name} is gone{why}")
        if event.appeared and event.stage in self._looked:
            self._warn(f"new: {', '.join(event.appeared)}", style="green")
        self._looked.add(event.stage)

    def _warn(self, text: str, style: str = "yellow") -> None:
        self._say(Text(f"  {shown(text, MESSAGE_LIMIT)}", style=style))

    def _say(self, text: Text) -> None:
        self._console.print(text, soft_wrap=True)


def _said(event: Event) -> str | None:
    """Return the message for a rare event; None for other events."""
    if isinstance(event, events.AttemptStarted) and event.backup:
        return f"{event.task} is slow: attempt {event.attempt} on {event.endpoint} as a backup"
    if isinstance(event, events.CircuitOpened):
        times = f"{event.failures} times in a row"
        return f"{event.endpoint} failed {times}: no tasks for it for {event.pause_s:.1f} s"
    if isinstance(event, events.CircuitClosed):
        return f"{event.endpoint} works again"
    if isinstance(event, events.OutputsRedone):
        return f"{', '.join(event.tasks)} run again: {event.why}"
    if isinstance(event, events.LookFailed):
        return f"the fleet could not be looked up; the known endpoints are used: {event.why}"
    if isinstance(event, events.WaitingForFleet):
        why = f" ({event.why})" if event.why else ""
        return f"waiting for a service of the {event.stage} stage, {event.seconds:.0f} s{why}"
    if isinstance(event, events.NothingAnswers):
        return (
            f"{plural(event.endpoints, 'service')} of the {event.stage} stage run, and none has "
            f"answered for {event.seconds:.0f} s; see: python -m driver doctor"
        )
    if isinstance(event, events.SignInNeeded):
        return (
            f"paused: {event.why}; the run goes on when they work again, tasks that run go on "
            f"meanwhile (at most {event.limit_s / 60:.0f} min; Ctrl-C ends the run)"
        )
    if isinstance(event, events.SignedIn):
        return f"signed in again after {event.seconds:.0f} s; the run goes on"
    if isinstance(event, events.DriverAway):
        return (
            f"this machine was suspended for {event.seconds:.0f} s; "
            "attempts lost meanwhile run again"
        )
    if isinstance(event, events.RecordSkipped):
        return f"record skipped at {event.place}: {event.message}"
    return None


class _Stage:
    """A stage's progress, in tasks and bytes."""

    def __init__(self, event: events.StageStarted) -> None:
        self.name = event.stage
        self.tasks = event.tasks
        self.reused = event.reused
        self.done = event.reused
        self.size = event.size_bytes
        self._bytes = 0
        self._running: dict[str, int] = {}

    def progress(self, event: events.AttemptProgress) -> None:
        self._bytes += event.bytes - self._running.get(event.task, 0)
        self._running[event.task] = event.bytes

    def finish(self, event: events.AttemptDone) -> None:
        self.done += 1
        self._bytes += event.size_bytes - self._running.pop(event.task, 0)

    @property
    def bytes(self) -> int:
        return min(self._bytes, self.size)

    def text(self) -> str:
        reused = f", {self.reused} reused" if self.reused else ""
        return f"{self.done}/{plural(self.tasks, 'task')}{reused}"


class _Bars:
    """One bar for each stage, for a terminal."""

    def __init__(self, console: Console) -> None:
        self._progress = Progress(
            SpinnerColumn(finished_text="[green]✓"),
            TextColumn("{task.description:<7}", markup=False),
            BarColumn(bar_width=30),
            TextColumn("{task.fields[text]}", markup=False),
            TimeElapsedColumn(),
            console=console,
        )
        self._stage: _Stage | None = None
        self._id = TaskID(0)
        self._uploads: dict[str, TaskID] = {}

    def start(self) -> None:
        self._progress.start()

    def stop(self) -> None:
        self._progress.stop()

    def uploading(self, name: str, sent: int, size: int) -> None:
        if name not in self._uploads:
            self._uploads[name] = self._progress.add_task(
                "upload", total=size, text=shown(name, CELL_LIMIT)
            )
        text = f"{shown(name, CELL_LIMIT)} {bytes_text(sent)}"
        self._progress.update(self._uploads[name], completed=sent, text=text)

    def stage(self, event: events.StageStarted) -> None:
        self._stage = _Stage(event)
        self._id = self._progress.add_task(
            event.stage, total=max(event.size_bytes, 1), text=self._stage.text()
        )

    def progress(self, event: events.AttemptProgress) -> None:
        if self._stage:
            self._stage.progress(event)
            self._progress.update(self._id, completed=self._stage.bytes, text=self._stage.text())

    def done(self, event: events.AttemptDone) -> None:
        if self._stage:
            self._stage.finish(event)
            self._progress.update(self._id, completed=self._stage.bytes, text=self._stage.text())

    def stage_done(self, event: events.StageDone) -> None:
        if self._stage:
            self._progress.update(
                self._id, completed=max(self._stage.size, 1), text=self._stage.text()
            )


class _Lines:
    """A line when a stage begins and ends, and every few seconds between: for logs and CI."""

    def __init__(self, console: Console, now: Callable[[], float]) -> None:
        self._console = console
        self._now = now
        self._said = 0.0
        self._stage: _Stage | None = None

    def start(self) -> None:
        self._said = self._now()

    def stop(self) -> None:
        self._stage = None

    def uploading(self, name: str, sent: int, size: int) -> None:
        if sent == size or self._now() - self._said >= PLAIN_EVERY_S:
            self._said = self._now()
            self._say(f"upload: {name}, {bytes_text(sent)} of {bytes_text(size)}")

    def stage(self, event: events.StageStarted) -> None:
        self._stage = _Stage(event)
        self._said = self._now()

    def progress(self, event: events.AttemptProgress) -> None:
        if self._stage:
            self._stage.progress(event)
            self._say_sometimes(self._stage)

    def done(self, event: events.AttemptDone) -> None:
        if self._stage:
            self._stage.finish(event)
            self._say_sometimes(self._stage)

    def stage_done(self, event: events.StageDone) -> None:
        if self._stage:
            self._say(f"{event.stage}: {self._stage.text()} in {event.seconds:.2f} s")

    def _say_sometimes(self, stage: _Stage) -> None:
        if self._now() - self._said >= PLAIN_EVERY_S and stage.done < stage.tasks:
            self._said = self._now()
            size = f"{bytes_text(stage.bytes)} of {bytes_text(stage.size)}"
            self._say(f"{stage.name}: {stage.text()}, {size}")

    def _say(self, text: str) -> None:
        self._console.print(Text(shown(text)))
