"""The texts of cells that this process keeps."""

from __future__ import annotations

import linecache
import os
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from driver.api.live.cells import Cell, KeptCells


def _keep(monkeypatch: pytest.MonkeyPatch, file: str, text: str) -> None:
    entry = (len(text), None, text.splitlines(keepends=True), file)
    monkeypatch.setitem(linecache.cache, file, entry)


def test_cells_of_ipython_have_their_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    """A cell of IPython is named as IPython shows it; the newest comes first."""
    compiler = SimpleNamespace(_filename_map={"/tmp/k/1.py": 3, "/tmp/k/2.py": 4})
    shell = SimpleNamespace(compile=compiler)
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda: shell))
    _keep(monkeypatch, "/tmp/k/1.py", "a = 1\n")
    _keep(monkeypatch, "/tmp/k/2.py", "b = 2\n")
    cells = KeptCells()
    assert Cell("/tmp/k/1.py", "Cell In[3]", "a = 1\n") == cells.named("/tmp/k/1.py")
    assert ["Cell In[4]", "Cell In[3]"] == [each.label for each in cells.newest_first()][:2]
    assert cells.named("/tmp/k/9.py") is None


def test_inputs_of_a_repl_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """A REPL of Python 3.13 keeps its inputs under a name of each."""
    entries = {
        ("f", 1): (6, None, ["a = 1\n"], "<python-input-0>"),
        ("g", 1): (6, None, ["b = 2\n"], "<python-input-1>"),
    }
    monkeypatch.setattr(linecache, "_interactive_cache", entries, raising=False)
    names = [each.label for each in KeptCells().newest_first()]
    assert ["<python-input-1>", "<python-input-0>"] == names[:2]
    cell = KeptCells().named("<python-input-1>")
    assert "b = 2\n" == (cell and cell.text)


@pytest.mark.parametrize(
    ("started", "argv", "expected"),
    [
        (["python", "-c", "a = 1", "x"], ["-c", "x"], "a = 1"),
        (["python", "-ca = 1"], ["-c"], "a = 1"),
        (["python", "script.py"], ["script.py"], None),
    ],
)
def test_the_program_of_a_command(
    monkeypatch: pytest.MonkeyPatch, started: list[str], argv: list[str], expected: str | None
) -> None:
    """The program of `python -c` is among the arguments of the process."""
    monkeypatch.setattr(sys, "orig_argv", started)
    monkeypatch.setattr(sys, "argv", argv)
    cell = KeptCells().named("<string>")
    assert expected == (cell and cell.text)


def test_a_program_from_a_file_on_standard_input(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A program that Python reads from a file is read again, and one from a pipe is not."""
    (tmp_path / "program").write_text("a = 1\n")
    file = os.open(tmp_path / "program", os.O_RDONLY)
    ends = os.pipe()
    real = os.fstat, os.pread
    try:
        monkeypatch.delattr(sys, "ps1", raising=False)
        monkeypatch.setattr(os, "fstat", lambda _: real[0](file))
        monkeypatch.setattr(os, "pread", lambda _, *where: real[1](file, *where))
        cell = KeptCells().named("<stdin>")
        assert "a = 1\n" == (cell and cell.text)
        monkeypatch.setattr(os, "fstat", lambda _: real[0](ends[0]))
        assert KeptCells().named("<stdin>") is None
        monkeypatch.setattr(sys, "ps1", ">>> ", raising=False)
        assert KeptCells().named("<stdin>") is None
    finally:
        monkeypatch.undo()
        for each in (file, *ends):
            os.close(each)
