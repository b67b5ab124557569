"""The tutorial notebook of the docs, run as its reader runs it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.notebook.kernel import ROOT

TUTORIAL = ROOT / "docs" / "start" / "notebook.ipynb"


def test_the_tutorial_has_no_outputs() -> None:
    """The file has no outputs and no counts of executions, which would be of one machine."""
    cells = json.loads(TUTORIAL.read_text(encoding="utf-8"))["cells"]
    kept = [cell for cell in cells if cell.get("outputs") or cell.get("execution_count")]
    assert [] == kept


def test_the_tutorial_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every cell of the tutorial runs, and shows what the text around it says."""
    nbformat = pytest.importorskip("nbformat", reason="run: make notebook")
    nbclient = pytest.importorskip("nbclient", reason="run: make notebook")
    folder = tmp_path / "docs" / "start"
    folder.mkdir(parents=True)
    shutil.copytree(ROOT / "books", tmp_path / "books")
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / ".ipython"))
    notebook: Any = nbformat.read(TUTORIAL, as_version=4)
    client = nbclient.NotebookClient(notebook, timeout=100, kernel_name="python3")
    client.resources = {"metadata": {"path": str(folder)}}
    client.execute()
    shown = json.dumps([cell.get("outputs") for cell in notebook.cells])
    assert "<iframe" in shown
    assert "words were too short" in shown
    assert "division by zero" in shown
    assert "in map" in shown
    assert "interactive_job" not in shown
