"""The process that a driver starts early, and does not need."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from driver.targets import prefork
from driver.targets.prefork import Prefork

TRIES = 20


def files_below(folder: Path) -> list[str]:
    """Return the files and folders of all folders, which may go at the same time."""
    return [
        name
        for path, names, files in os.walk(folder)
        if path != str(folder)
        for name in names + files
    ]


def test_its_warm_up_leaves_no_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whenever the driver finds that it needs no services, here in the midst of the warm-up."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(prefork, "_GRACE_S", 60.0)  # on a busy machine too, it ends itself
    seen = 0
    for _ in range(TRIES):
        early = Prefork()
        try:
            while early.process.poll() is None and not files_below(tmp_path):
                pass
            early.kill()
            assert [] == list(tmp_path.iterdir())
            seen += early.process.returncode == 0  # it ended itself
        finally:
            early.kill()
    assert seen == TRIES
