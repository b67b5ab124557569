"""One measurement: a command over a corpus, its requirements, and the check of its answer."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

OURS = "ours"
CORES = os.cpu_count() or 1


class Data(Protocol):
    """A generated input: a `Corpus` or a `Table`."""

    @property
    def name(self) -> str:
        """The file's name: all that its bytes depend on."""

    def made_in(self, folder: Path) -> Path:
        """Return the file or folder, and generate it unless it exists."""


@dataclass(frozen=True, slots=True)
class Place:
    """The environment of a measurement: the peers' Python, built files, the corpus, an empty
    folder.
    """

    peers: Path
    build: Path
    corpus: Path
    scratch: Path

    @property
    def answer(self) -> Path:
        """The file or folder of a peer's answer."""
        return self.scratch / "answer"


@dataclass(frozen=True, slots=True)
class Judged:
    """The figures that a command reports, and why its answer is wrong ("" if it is right)."""

    figures: dict[str, float]
    wrong: str


@contextmanager
def as_it_is(place: Place) -> Iterator[Mapping[str, str]]:
    """Provide no surroundings, and set no variable."""
    yield {}


@dataclass(frozen=True, slots=True)
class Trial:
    """A contender's measurement in one variant of a case.

    Attributes:
        cores: how many cores it can use.
        needs: required programs (`java`) and modules of the peers (`module:polars`).
        command: returns the program and its arguments; not timed itself.
        judge: gets the right answer's digest, and the command's output.
        world: a context manager for its surroundings, which yields environment variables.
        most_repeats: the limit on its repeats.
    """

    case: str
    contender: str
    label: str
    corpus: Data
    command: Callable[[Place], list[str]]
    judge: Callable[[Place, str], Judged]
    variant: str = ""
    cores: int = CORES
    needs: tuple[str, ...] = ()
    world: Callable[[Place], AbstractContextManager[Mapping[str, str]]] = as_it_is
    most_repeats: int = 1000
