"""The engine runs once before the forks, and leaves nothing."""

import tempfile
import threading
from pathlib import Path
from typing import Any

import pytest

from mapreduce.engine import TaskContext, run_task
from services.stage.workers import warm


def test_nothing_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The run leaves no file, open descriptor or thread, and maps its records."""
    records = []

    def noted(task: Any, context: TaskContext) -> Any:
        result = run_task(task, context)
        records.append(result.records_in)  # type: ignore[union-attr]
        return result

    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(warm, "run_task", noted)
    before = _open_files(), threading.active_count()
    warm.warm_engine.__wrapped__()
    assert set(records) == {2}
    assert list(tmp_path.iterdir()) == []
    assert (_open_files(), threading.active_count()) == before


def test_a_disk_that_fails_is_no_error_of_a_service_that_starts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A failing disk does not stop a service, because its tasks will report it."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(warm, "run_task", full)
    warm.warm_engine.__wrapped__()
    assert list(tmp_path.iterdir()) == []


def _open_files() -> set[str]:
    return {path.name for path in Path("/dev/fd").iterdir()}
