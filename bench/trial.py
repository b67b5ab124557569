"""One thing to be measured: a command over a corpus, what it needs, and whether its answer is right."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.corpus import Corpus

OURS = "ours"
CORES = os.cpu_count() or 1


@dataclass(frozen=True, slots=True)
class Place:
    """Where a measurement happens: the peers' Python, what is built, the corpus, and an empty folder."""

    peers: Path
    build: Path
    corpus: Path
    scratch: Path

    @property
    def answer(self) -> Path:
        """The file, or folder, that a peer writes its answer to."""
        return self.scratch / "answer"


@dataclass(frozen=True, slots=True)
class Judged:
    """What a command said of itself, and why its answer is wrong; empty if it is right."""

    figures: dict[str, float]
    wrong: str


@contextmanager
def as_it_is(place: Place) -> Iterator[Mapping[str, str]]:
    """Nothing needs to be there, and no variable set."""
    yield {}


@dataclass(frozen=True, slots=True)
class Trial:
    """A contender's measurement in one variant of a case.

    Attributes:
        cores: how many cores it can use.
        needs: programs (`java`) and the peers' modules (`module:polars`) without which it cannot be run.
        command: the program and its arguments; not part of what is timed.
        judge: is told the right answer's digest, and what the command printed.
        world: what has to be there around it, and the variables with which it is found.
        most_repeats: how often it is measured at most.
    """

    case: str
    contender: str
    label: str
    corpus: Corpus
    command: Callable[[Place], list[str]]
    judge: Callable[[Place, str], Judged]
    variant: str = ""
    cores: int = CORES
    needs: tuple[str, ...] = ()
    world: Callable[[Place], AbstractContextManager[Mapping[str, str]]] = as_it_is
    most_repeats: int = 1000
