"""Runs of a word count on the deployed stack, each compared with a count that uses no code of the
project.
"""

from __future__ import annotations

import json
import ssl
import time
import unicodedata
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from tests.e2e.log import StepFailed
from tests.e2e.processes import Running
from tests.e2e.stack import Box, DeployedStack

# Waits instead of computing, so that more containers are faster even with fewer processors.
SLOW_JOB = '''"""A word count whose map waits at each line, as for a slow service."""

import time

from mapreduce import Job, Sum, words


class SlowCount(Job):
    """How often each word occurs, slowly."""

    reduce = Sum()
    pause_ms: float = 1.0

    def map(self, offset, line):
        time.sleep(self.pause_ms / 1000)
        for word in words(line):
            yield word, 1
'''
# A chain that packs a module and a file, and whose second step reads the output of the first.
OWN_JOB = """
from spelling import normal

from mapreduce import Chain, Job, Sum, words


class Counted(Job):
    reduce = Sum()
    files = ["stop.txt"]

    def map_setup(self):
        self.stop = set(self.path("stop.txt").read_text().split())

    def map(self, offset, line):
        for word in words(line):
            if normal(word) not in self.stop:
                yield normal(word), 1


class Known(Job):
    def map(self, word, count):
        yield word, count


class OwnCount(Chain):
    def steps(self):
        yield Counted()
        yield Known()
"""
# Imports a package with compiled modules, which the images do not have.
PACKAGED_JOB = """
import numpy

from mapreduce import Job, Sum, words


class PackagedCount(Job):
    requirements = ["numpy"]
    reduce = Sum()

    def map(self, offset, line):
        found = list(words(line))
        for word, one in zip(found, numpy.ones(len(found), dtype=int).tolist(), strict=True):
            yield word, one
"""
STOP_WORD = "the"
WAIT_S = 120.0


@dataclass(frozen=True, slots=True)
class Answer:
    """A finished run: its report, and the count of every word."""

    report: dict[str, Any]
    counts: Counter[str]

    @property
    def run(self) -> str:
        """The run's id."""
        return str(self.report["run_id"])

    @property
    def mappers(self) -> set[str]:
        """Return the mappers that carried out a map task."""
        return {row["endpoint"] for row in self.map_rows}

    @property
    def map_rows(self) -> list[dict[str, Any]]:
        """Return the map tasks, one row each."""
        return [row for row in self.report["tasks"] if row["stage"] == "map"]


def slowly(folder: Path, inputs: Sequence[Path], seconds: float) -> list[str | Path]:
    """Return options for a word count whose map tasks take `seconds` in total, without reuse."""
    job = folder / "slow_count.py"
    job.write_text(SLOW_JOB)
    lines = sum(path.read_bytes().count(b"\n") for path in inputs)
    return ["--job", job, "--param", f"pause_ms={1000 * seconds / max(lines, 1):.3f}", "--fresh"]


def own_job(folder: Path) -> Path:
    """Write a job outside of the repository, with a module and a file beside it; it leaves out
    `STOP_WORD`.
    """
    home = folder / "own"
    home.mkdir()
    (home / "spelling.py").write_text("def normal(word):\n    return word\n")
    (home / "stop.txt").write_text(STOP_WORD)
    (home / "own_count.py").write_text(OWN_JOB)
    return home / "own_count.py"


def packaged_job(folder: Path) -> Path:
    """Write a word count outside of the repository that requires a package."""
    home = folder / "packaged"
    home.mkdir()
    (home / "packaged_count.py").write_text(PACKAGED_JOB)
    return home / "packaged_count.py"


def plain_count(inputs: Sequence[Path]) -> Counter[str]:
    """Count words by their definition, character by character, with the standard library alone."""
    counts: Counter[str] = Counter()
    for path in inputs:
        text = path.read_bytes().decode("utf-8").lower().replace("’", "'")
        others = {ord(char): " " for char in set(text) if not _in_word(char)}
        counts.update(text.translate(others).split())
    return counts


def count(
    stack: DeployedStack, inputs: Sequence[Path], output: Path, *options: str | Path
) -> Answer:
    """Run a word count until it ends."""
    return _answer(stack.driver(*_command(inputs, output), *options).out, output)


@contextmanager
def counting(
    stack: DeployedStack, inputs: Sequence[Path], output: Path, *options: str | Path
) -> Iterator[tuple[Running, Callable[[], Answer]]]:
    """Start a run in the background; yield it, and a function that waits for its answer."""
    with stack.driving(*_command(inputs, output), *options) as running:
        yield running, lambda: _answer(running.finish().out, output)


def check_counts(answer: Answer, inputs: Sequence[Path], without: str = "") -> None:
    """Raise `StepFailed` unless every word except `without` has the plain count."""
    expected = plain_count(inputs)
    expected.pop(without, None)
    if answer.counts != expected:
        wrong = [
            f"{word!r}: {expected[word]} expected, {answer.counts[word]} found"
            for word in sorted(expected.keys() | answer.counts.keys())
            if expected[word] != answer.counts[word]
        ]
        raise StepFailed("\n".join(["the answer is wrong:", *wrong[:10]]))


def busy_mapper(stack: DeployedStack, running: Running, since_s: float = 1.0) -> Box:
    """Return a mapper that runs a task: it was busy `since_s` seconds ago, and is busy now."""
    until = time.monotonic() + WAIT_S
    while running.alive and time.monotonic() < until:
        before = {box.id for box in stack.boxes("mapper") if _is_busy(box)}
        time.sleep(since_s)
        for box in stack.boxes("mapper"):
            if box.id in before and _is_busy(box):
                return box
    raise StepFailed(f"no mapper was ever seen at work\n{running.last_words()}")


def _is_busy(box: Box) -> bool:
    url = f"https://{box.address}:8080/health"
    # the run itself proves the certificate; this only looks
    seen = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    seen.check_hostname, seen.verify_mode = False, ssl.CERT_NONE
    asked = partial(urllib.request.urlopen, url, timeout=5, context=seen)
    with suppress(urllib.error.URLError, OSError), asked() as answer:
        return bool(json.load(answer)["busy"])
    return False


def _in_word(char: str) -> bool:
    return char == "'" or unicodedata.category(char)[0] in "LM"


def _command(inputs: Sequence[Path], output: Path) -> list[str | Path]:
    each = [word for path in inputs for word in ("--input", path)]
    return ["run", *each, "--target", "aws", "--json", "--output", output]


def _answer(out: str, output: Path) -> Answer:
    return Answer(json.loads(out), Counter(json.loads(output.read_text(encoding="utf-8"))))
