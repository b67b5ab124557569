"""A notebook without a kernel: cells that run one after the other in one namespace."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import pytest

from driver.api.live.cells import Cell
from driver.api.live.gather import Gathered, gathered

MODULE = "a_notebook"


class Notebook:
    """Runs cells; is what finds their texts, too."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        module = ModuleType(MODULE)
        monkeypatch.setitem(sys.modules, MODULE, module)
        self.names: dict[str, Any] = vars(module)
        self._cells: list[Cell] = []

    def cell(self, text: str) -> None:
        """Run a cell."""
        number = len(self._cells) + 1
        self._cells.append(Cell(f"<cell {number}>", f"Cell In[{number}]", text))
        exec(compile(text, f"<cell {number}>", "exec"), self.names)

    def named(self, file: str) -> Cell | None:
        """Return the cell of a file name."""
        return next((each for each in self._cells if each.file == file), None)

    def newest_first(self) -> Iterator[Cell]:
        """Yield the cells, the newest first."""
        return reversed(self._cells)

    def gathered(self, name: str = "Mine") -> Gathered:
        """Return the module of a class of the notebook."""
        return gathered(self.names[name], self.names, self)

    def loaded(self, name: str = "Mine") -> Any:
        """Return the class out of its gathered module, which runs alone."""
        made = ModuleType("interactive_job")
        exec(compile(self.gathered(name).text, "interactive_job.py", "exec"), vars(made))
        return getattr(made, name)


def rows(job: Any, value: str) -> list[Any]:
    """Return what `map` of a job yields for one value."""
    return list(job().map(0, value))
