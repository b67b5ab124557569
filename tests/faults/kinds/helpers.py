"""Resources that the driver can do without: its terminal, its cache, the records of a run."""

from __future__ import annotations

import json
import os
from pathlib import Path

from mapreduce.wire import keys
from tests.faults.fault import Fault, Missed, Setting, register
from tests.faults.trial import MAPS, Trial


class _StandardError(Fault):
    """Standard error is no plain file; `finish` replaces it with an empty one for its readers."""

    def __init__(self) -> None:
        self._path: Path | None = None

    def prepare(self, trial: Trial) -> None:
        """Create it before the command opens it."""
        self._path = trial.folder / "err-0"
        self.make(self._path)

    def make(self, path: Path) -> None:
        """Create it."""

    def finish(self, trial: Trial) -> None:
        """Remove it."""
        if self._path is not None and not self._path.is_file():
            self._path.unlink(missing_ok=True)
            self._path.touch()


@register
class StandardErrorFull(_StandardError):
    name = "stderr-full"
    says = "standard error is on a full disk from the start"

    def make(self, path: Path) -> None:
        """Link it to /dev/full."""
        path.symlink_to("/dev/full")

    def inject(self, trial: Trial) -> None:
        """Record the injection: it is full from the start."""
        trial.injected("standard error is /dev/full")


@register
class StandardErrorClosed(_StandardError):
    name = "stderr-closed"
    says = "standard error is a pipe, and who reads it goes away at a random moment"

    def make(self, path: Path) -> None:
        """Create a named pipe with a reader."""
        os.mkfifo(path)
        self._reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)

    def inject(self, trial: Trial) -> None:
        """Close the reader."""
        trial.pause(0.0, 3.0)
        os.close(self._reader)
        if trial.over:
            raise Missed("the run was over")
        trial.injected("standard error has no reader")


class _Unwritable(Fault):
    """A name in the store cannot be written any more; the report must say so."""

    note = ""

    def finish(self, trial: Trial) -> None:
        """Check the note in the run's document."""
        command = trial.commands[-1]
        if trial.injections and command.process.returncode == 0:
            notes = json.loads(command.out.read_bytes())["notes"]
            assert any(self.note in note for note in notes), f"the report notes {notes}"


@register
class CacheUnwritable(_Unwritable):
    name = "cache-write-fails"
    says = "the results of finished tasks can no longer be kept for later runs"
    note = "could not be kept for later runs"

    def inject(self, trial: Trial) -> None:
        """Replace the folder by a file, while maps are running."""
        trial.wait_for_tasks(1 + trial.chance.randint(0, MAPS - 4))
        folder = Path(trial.store) / keys.TASKS
        for number in range(100):
            folder.rename(folder.with_name(f"away-{number}"))
            try:
                folder.touch(exist_ok=False)
            except FileExistsError:  # the driver has created it first
                continue
            break
        if trial.over:
            raise Missed("the run was over")
        trial.injected("tasks/ is a file")


@register
class RecordsUnwritable(_Unwritable):
    name = "record-write-fails"
    says = "the events, the log and the report of the run cannot be written"
    note = "could not be written"

    def inject(self, trial: Trial) -> None:
        """Create folders of the records' names, as soon as the run has an id."""
        trial.wait_for_tasks(1 + trial.chance.randint(0, MAPS - 4))
        (run,) = (Path(trial.store) / keys.RUNS).iterdir()
        for name in ("events.jsonl", "services.log", "report.json"):
            (run / name / "in-the-way").mkdir(parents=True)
        if trial.over:
            raise Missed("the run was over")
        trial.injected("three records cannot be written")


@register
class SegmentsUnwritable(_Unwritable):
    name = "segment-write-fails"
    says = "the events cannot be written while the run goes, and its lease cannot be renewed"
    setting = Setting(parameters=("pause_s=0.03",))
    note = "could not be"

    def inject(self, trial: Trial) -> None:
        """Put a file and a folder in the way, before the first sign of life."""
        trial.wait_for_tasks(1)
        (run,) = (Path(trial.store) / keys.RUNS).iterdir()
        for name in (keys.EVENTS, "lease.json"):
            path = run / name
            if path.exists():
                raise Missed("the run has shown signs of life already")
        (run / keys.EVENTS).touch()
        (run / "lease.json").mkdir()
        if trial.over:
            raise Missed("the run was over")
        trial.injected("no lease and no segment can be written")
