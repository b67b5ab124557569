"""The texts that Python keeps of code without a file: cells of a notebook, a REPL, `-c`, a pipe."""

from __future__ import annotations

import linecache
import os
import stat
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

_REPL = "<python-input-"
"""How the names of a REPL's inputs begin, whose texts Python keeps since 3.13."""
_COMMAND, _STDIN = "<string>", "<stdin>"
_MOST_BYTES = 16 << 20


@dataclass(frozen=True, slots=True)
class Cell:
    """A text that was run: the name that its code objects have, and its name for people."""

    file: str
    label: str
    text: str


class Cells(Protocol):
    """Finds cells."""

    def named(self, file: str) -> Cell | None:
        """Return the cell whose code objects have this file name."""

    def newest_first(self) -> Iterator[Cell]:
        """Yield all cells that are known, the newest first."""


class KeptCells:
    """The cells of this process."""

    def named(self, file: str) -> Cell | None:
        """Return the cell of a file name; None if Python has kept no text of it."""
        text = self._text(file)
        if not text:
            return None
        number = self._numbers.get(file)
        return Cell(file, f"Cell In[{number}]" if number is not None else file, text)

    def newest_first(self) -> Iterator[Cell]:
        """Yield the cells of IPython, or the inputs of a REPL, the newest first; else the program
        of `-c` or of a pipe.
        """
        kept = [*linecache.cache, *_interactive()]
        names = [name for name in kept if name in self._numbers or name.startswith(_REPL)]
        for name in [*reversed(names), _COMMAND, _STDIN]:
            if (cell := self.named(name)) is not None:
                yield cell

    @cached_property
    def _numbers(self) -> dict[str, int]:
        """The number of each cell that IPython has run, by its file name."""
        shell: Any = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
        numbers = getattr(getattr(shell, "compile", None), "_filename_map", None)
        return dict(numbers) if isinstance(numbers, dict) else {}

    def _text(self, file: str) -> str:
        if file == _COMMAND:
            return _command()
        if file == _STDIN:
            return _standard_input()
        return "".join(linecache.getlines(file)) or _interactive().get(file, "")


def _interactive() -> dict[str, str]:
    """Return the inputs of a REPL by their names, which Python 3.13 keeps for each code object."""
    entries: Any = getattr(linecache, "_interactive_cache", {})
    return {str(name): "".join(lines) for _, _, lines, name in entries.values()}


def _command() -> str:
    """Return the program of `python -c`; "" for another start of Python."""
    if sys.argv[:1] != ["-c"]:
        return ""
    program = sys.orig_argv[len(sys.orig_argv) - len(sys.argv)]
    return program.removeprefix("-c")


def _standard_input() -> str:
    """Return the program that Python reads from a file as its standard input (`python < FILE`).

    A pipe cannot be read a second time.
    """
    if hasattr(sys, "ps1"):
        return ""
    try:
        if not stat.S_ISREG(os.fstat(0).st_mode):
            return ""
        return os.pread(0, _MOST_BYTES, 0).decode()
    except (OSError, ValueError):
        return ""
