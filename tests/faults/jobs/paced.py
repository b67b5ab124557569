"""Word counts at a set pace: the jobs sleep between calls, so that there is time for a fault."""

from __future__ import annotations

import decimal
import os
import random
import resource
import subprocess
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from mapreduce import Chain, Job, words

BEGUN: list[int] = []
"""One entry for each task of this process; more than one means that a process was used twice."""


class Paced(Job):
    """How often each word occurs. Every pair is shuffled: there is no combiner."""

    pause_s: float = 0.01

    def map_setup(self) -> None:
        self.seen = 0

    def reduce_setup(self) -> None:
        self.seen = 0

    def map(self, offset: int, line: str) -> Iterator[tuple[str, int]]:
        self.rest(20)
        for word in words(line):
            yield word, 1

    def reduce(self, word: str, counts: Iterable[int]) -> Iterator[tuple[str, int]]:
        self.rest(60)
        yield word, sum(counts)

    def rest(self, every: int) -> None:
        """Sleep after every `every` calls."""
        self.seen += 1
        if self.seen % every == 0:
            time.sleep(self.pause_s)


class Once(Paced):
    """Misbehaves in one map call of the whole run: the first one that creates the file `mark`."""

    mark: str = ""

    def map(self, offset: int, line: str) -> Iterator[tuple[str, int]]:
        if self.seen == 150:
            try:
                Path(self.mark).touch(exist_ok=False)
            except FileExistsError:
                pass
            else:
                self.misbehave()
        return super().map(offset, line)

    def misbehave(self) -> None:
        """Do the harm."""


class Forgetful(Once):
    """Raises MemoryError."""

    def misbehave(self) -> None:
        raise MemoryError


class Hungry(Once):
    """Allocates more memory than its process may use."""

    def misbehave(self) -> None:
        before = resource.getrlimit(resource.RLIMIT_AS)
        size = int(Path("/proc/self/statm").read_text().split()[0]) * os.sysconf("SC_PAGE_SIZE")
        resource.setrlimit(resource.RLIMIT_AS, (size + (64 << 20), before[1]))
        try:
            bytearray(1 << 30)
        finally:
            resource.setrlimit(resource.RLIMIT_AS, before)


class Unsteady(Job):
    """Counts words, each with a random number of its map task, which differs between attempts."""

    pause_s: float = 0.01

    def map_setup(self) -> None:
        self.seen = 0
        self.first = -1
        self.draw = random.SystemRandom().random()

    def reduce_setup(self) -> None:
        self.seen = 0

    def map(self, offset: int, line: str) -> Iterator[tuple[str, list[float]]]:
        self.rest(20)
        self.first = offset if self.first < 0 else self.first
        for word in words(line):
            yield word, [self.first, self.draw]

    def reduce(
        self, word: str, draws: Iterable[list[float]]
    ) -> Iterator[tuple[str, dict[str, Any]]]:
        self.rest(60)
        found = [tuple(draw) for draw in draws]
        yield word, {"count": len(found), "draws": [list(draw) for draw in sorted(set(found))]}

    def rest(self, every: int) -> None:
        """Sleep after every `every` calls."""
        self.seen += 1
        if self.seen % every == 0:
            time.sleep(self.pause_s)


class Poisoned(Paced):
    """Fails on lines with the word `poison`, or skips them if `spared`."""

    spared: bool = False

    def map(self, offset: int, line: str) -> Iterator[tuple[str, int]]:
        if "poison" in line:
            if self.spared:
                self.seen += 1
                return iter(())
            raise ValueError("this line is poison")
        return super().map(offset, line)


class Forks(Once):
    """Forks, and lets the child return into the worker's code."""

    def misbehave(self) -> None:
        os.fork()


class LeavesChild(Once):
    """Starts a daemon, and leaves it running."""

    def misbehave(self) -> None:
        subprocess.Popen(["sh", "-c", "(setsid sleep 3600 &) &"])


class Keeps(Paced):
    """If `keeps`, each task changes its process, and counts differently in a changed process."""

    keeps: bool = False

    def map_setup(self) -> None:
        super().map_setup()
        self.changed = bool(BEGUN) or decimal.getcontext().prec == 3 or "PACED_KEEPS" in os.environ
        if self.keeps:
            BEGUN.append(1)
            decimal.getcontext().prec = 3
            os.environ["PACED_KEEPS"] = "1"

    def map(self, offset: int, line: str) -> Iterator[tuple[str, int]]:
        for word, count in super().map(offset, line):
            yield (f"changed {word}" if self.changed else word), count


class KeepsForNext(Keeps):
    """Yields every line; changes its process as `Keeps` does."""

    def map(self, offset: int, line: str) -> Iterator[tuple[str, int]]:
        self.rest(20)
        yield line, 1


class CountsNext(Keeps):
    """Counts the words of its input lines, which are the keys, each with a count."""

    def map(self, offset: Any, line: Any) -> Iterator[tuple[str, int]]:
        yield from super().map(0, offset)


class TwoJobs(Chain):
    """Two jobs in the same workers; the first changes them if it `keeps`."""

    keeps: bool = False

    def steps(self) -> Iterator[Job]:
        yield KeepsForNext(keeps=self.keeps)
        yield CountsNext()
