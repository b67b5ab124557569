"""The seven cases of the MapReduce lab of MIT's course 6.5840, rewritten for this engine.

No test measures time: the jobs write files in a folder that show which tasks ran together, how
often, and when.
"""

from __future__ import annotations

import json
import os
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests.integration.commands import Driver, plain_words
from tests.requirement import CANNOT

JOBS = '''
import os
import random
import time
from collections.abc import Callable
from pathlib import Path

from mapreduce import Job, Sum, words


def waited_for(is_so: Callable[[], bool]) -> bool:
    """Whether it became so within half a minute."""
    until = time.monotonic() + 30
    while not is_so() and time.monotonic() < until:
        time.sleep(0.01)
    return is_so()


class Words(Job):
    """Word counts that leave a trace of each task."""

    folder: str = ""

    def map_setup(self):
        self.begin()

    def reduce_setup(self):
        self.begin()

    def begin(self):
        self.trace(f"{self.stage}-{os.getpid()}-{time.monotonic_ns()}")

    def map(self, offset, line):
        for word in words(line):
            yield word, 1

    def reduce(self, word, counts):
        yield word, sum(counts)

    def trace(self, name):
        (Path(self.folder) / name).touch()

    def traces(self, pattern):
        return len(list(Path(self.folder).glob(pattern)))


class Together(Words):
    """A task of the stage `at` waits until another of its stage is there too."""

    at: str = "map"

    def begin(self):
        super().begin()
        if self.stage == self.at and waited_for(lambda: self.traces(f"{self.stage}-*") > 1):
            self.count("met")


class Held(Words):
    """The task that reads the last line waits for a word from outside."""

    def map(self, offset, line):
        if "the end" in line.lower():
            self.trace("waiting")
            waited_for(lambda: self.traces("go"))
        return super().map(offset, line)


class Crashing(Words):
    """Each stretch of the input and each reduce may kill its worker, once."""

    def begin(self):
        self.calls = 0

    def map(self, offset, line):
        self.maybe_crash(f"map-{len(self.source)}-{offset // 40_000}")
        return super().map(offset, line)

    def reduce(self, word, counts):
        self.calls += 1
        if self.calls == 100:
            self.maybe_crash(f"reduce-{word}")
        yield word, sum(counts)

    def maybe_crash(self, place):
        try:
            (Path(self.folder) / place).touch(exist_ok=False)
        except FileExistsError:
            return
        if random.random() < 0.6:
            os._exit(1)
'''


@pytest.fixture
def traces(driver: Driver) -> Path:
    """The folder for the jobs' traces; the jobs lie beside it."""
    (driver.folder / "lab.py").write_text(JOBS)
    folder = driver.folder / "traces"
    folder.mkdir()
    return folder


def _command(job: str, traces: Path, books: list[Path], **options: int) -> list[str | Path]:
    sizes = [text for name, number in options.items() for text in (f"--{name}", str(number))]
    job_of_ours = ["--job", f"lab.py:{job}", "--param", f"folder={traces}"]
    return ["run", "--target", "local", "--input", *books, *job_of_ours, *sizes, "--json"]


def _result(document: dict[str, Any]) -> dict[str, Any]:
    """Return all parts together."""
    found: dict[str, Any] = {}
    for url in document["result_urls"]:
        text = Path(url.removeprefix("file://")).read_text(encoding="utf-8")
        if url.endswith(".json"):
            found |= json.loads(text)
        else:
            found |= {row["key"]: row["value"] for row in map(json.loads, text.splitlines())}
    return found


def _expected(books: list[Path]) -> Counter[str]:
    return sum((plain_words(book.read_text(encoding="utf-8")) for book in books), Counter())


def test_word_count(driver: Driver, books: list[Path]) -> None:
    """wc: the counts equal those of a program without MapReduce."""
    done = driver.run(
        "run", "--target", "local", "--input", *books, "--chunks", "6", "--reducers", "3", "--json"
    )
    assert done.code == 0, done.err
    assert _result(done.document) == _expected(books)


def test_indexer(driver: Driver, books: list[Path]) -> None:
    """indexer: the result lists the files of each word."""
    job = ("--job", "mapreduce_jobs.inverted_index", "--chunks", "6", "--reducers", "3")
    done = driver.run("run", "--target", "local", "--input", *books, *job, "--json")
    assert done.code == 0, done.err
    counts = {f"file://{book}": plain_words(book.read_text(encoding="utf-8")) for book in books}
    expected = {
        word: [[url, found[word]] for url, found in counts.items() if found[word]]
        for word in _expected(books)
    }
    assert _result(done.document) == expected


def test_map_parallelism(driver: Driver, books: list[Path], traces: Path) -> None:
    """mtiming: two maps run at the same time, because each waits until it sees the other."""
    command = _command("Together", traces, books, mappers=2, chunks=2)
    done = driver.run(*command, "--param", "at=map")
    assert done.code == 0, done.err
    assert done.document["counters"]["met"] == 2
    assert _result(done.document) == _expected(books)


@pytest.mark.skipif(
    (os.cpu_count() or 1) < 2, reason=f"{CANNOT}one processor has one slot for reduces"
)
def test_reduce_parallelism(driver: Driver, books: list[Path], traces: Path) -> None:
    """rtiming: two reduces run at the same time."""
    command = _command("Together", traces, books, mappers=2, reducers=2)
    done = driver.run(*command, "--param", "at=reduce")
    assert done.code == 0, done.err
    assert done.document["counters"]["met"] == 2
    assert _result(done.document) == _expected(books)


def test_job_count(driver: Driver, books: list[Path], traces: Path) -> None:
    """jobcount: without failures each map and each reduce runs exactly once."""
    done = driver.run(*_command("Words", traces, books, mappers=2, chunks=7, reducers=3))
    assert done.code == 0, done.err
    tasks = Counter(task["stage"] for task in done.document["tasks"])
    assert Counter(path.name.partition("-")[0] for path in traces.iterdir()) == {
        stage: tasks[stage] for stage in ("map", "reduce")
    }
    assert tasks["reduce"] == 3
    assert {task["attempts"] for task in done.document["tasks"]} == {1}


def test_early_exit(driver: Driver, books: list[Path], traces: Path) -> None:
    """early_exit: the run does not end while a map is running, and its result is whole."""
    process = driver.start(*_command("Held", traces, books, mappers=2, chunks=4))
    deadline = time.monotonic() + 60
    while not (traces / "waiting").exists():
        assert time.monotonic() < deadline
        assert process.poll() is None
        time.sleep(0.02)
    # parents of other processes: a task's process ends with its task
    before = {each.ppid() for each in driver.processes()} & {
        each.pid for each in driver.processes()
    }
    deadline = time.monotonic() + 60
    while (
        len(list((driver.store / "tasks").glob("*.json"))) < 4
    ):  # the split, and all maps except the waiting one
        assert time.monotonic() < deadline
        time.sleep(0.02)
    assert process.poll() is None
    assert before <= {each.pid for each in driver.processes()}
    assert not list(driver.store.glob("reduce/*/_SUCCESS"))
    (traces / "go").touch()
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    assert _result(json.loads(out)) == _expected(books)
    assert driver.wait_until_none_is_left() == []


def test_crash(driver: Driver, books: list[Path], traces: Path) -> None:
    """crash: workers die at random in maps and reduces; the answer is right, and the report names
    each death.
    """
    done = driver.run(*_command("Crashing", traces, books, mappers=2, chunks=6, reducers=3))
    assert done.code == 0, done.err
    assert _result(done.document) == _expected(books)
    deaths = [each for each in done.document["recoveries"] if "exit code 1" in each["why"]]
    assert deaths
