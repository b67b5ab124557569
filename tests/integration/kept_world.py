"""A store, inputs and a job of many versions in one folder; runs of the driver in this process; and
a reference.

Damage to a stored object is done in place, and the file's times are restored. As on a disk that
rots, the object's ETag does not change: the ETag of a file in the store ignores the inode's change
time, which cannot be restored.
"""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from driver.history.audit import audit_run
from driver.history.cleaning import carry_out as clean_up
from driver.history.cleaning import plan_cleaning
from driver.history.reuse import objects_of
from driver.history.run_store import RunStore
from driver.plan.config import RunConfig
from driver.plan.events import Event, EventLog, RunDone
from driver.report.document import Report
from driver.targets import prepare as targets
from driver.targets.start import carry_out
from mapreduce.encoding import encode_key
from mapreduce.errors import MapReduceError
from mapreduce.partition import hash_partition
from mapreduce.storage import ObjectInfo, local, open_storage
from mapreduce.wire import keys

JobName = Literal["Count", "Lines", "Twice"]
Rows = list[tuple[Any, Any]]
JOB = """
from helper import kept
from mapreduce import Chain, Job


class Count(Job):
    shortest: int = 1

    def map(self, offset, line):
        {comment}
        for word in line.split():
            if kept(word) and len(word) >= self.shortest:
                yield word{mapped}, 1

    def reduce(self, word, counts):
        yield word, sum(counts){reduced}


class Lines(Job):
    shortest: int = 1

    def map(self, offset, line):
        {comment}
        for word in line.split():
            if kept(word) and len(word) >= self.shortest:
                yield word{mapped}, offset


class ByCount(Job):
    def map(self, word, count):
        yield count, word

    def reduce(self, count, words):
        yield count, sorted(words)


class Twice(Chain):
    shortest: int = 1

    def steps(self):
        yield Count(shortest=self.shortest)
        yield ByCount()
"""
HELPER = "def kept(word):\n    return word not in {left_out!r}\n"


@dataclass(frozen=True)
class Code:
    """A version of the job's code.

    Attributes:
        loud: the map makes words upper case.
        tenfold: the reduce multiplies by ten.
        comment: the text of a comment.
        left_out: the words that the helper leaves out.
    """

    loud: bool = False
    tenfold: bool = False
    comment: str = "first"
    left_out: str = ""

    def write(self, folder: Path) -> Path:
        """Write it to a separate folder, because a process imports a file once."""
        place = folder / f"{self.loud:d}{self.tenfold:d}-{self.comment}-{self.left_out}"
        place.mkdir(parents=True, exist_ok=True)
        path = place / "counting.py"
        if not path.exists():
            words = {
                "mapped": ".upper()" if self.loud else "",
                "reduced": " * 10" if self.tenfold else "",
            }
            path.write_text(JOB.format(comment=f"# {self.comment}", **words))
            (place / "helper.py").write_text(HELPER.format(left_out=[self.left_out]))
        return path


@dataclass(frozen=True)
class Wish:
    """The settings of a run."""

    code: Code = Code()
    job: JobName = "Count"
    shortest: int = 1
    reducers: int = 2
    chunks: int = 3
    copy: bool = False
    fresh: bool = False


@dataclass(frozen=True)
class Ended:
    """The end of a run: its report or our error, and the right answer."""

    expected: Rows
    report: Report | None = None
    error: MapReduceError | None = None


Hook = Callable[[Event], None]


@dataclass
class World:
    """Everything in one folder."""

    folder: Path
    inputs: dict[str, list[str]] = field(default_factory=dict)
    written: int = 0

    @property
    def store(self) -> Path:
        """The folder of the store."""
        return self.folder / "store"

    @property
    def runs(self) -> RunStore:
        """The store's runs."""
        return RunStore(open_storage(), f"file://{self.store}")

    # -- inputs ------------------------------------------------------------------------------------

    def put(self, name: str, lines: list[str]) -> None:
        """Write an input as a new file, because a correct program changes a file's times."""
        self.written += 1
        new = self.folder / f"new-{self.written}"
        new.write_text("".join(f"{line}\n" for line in lines))
        (self.folder / "in").mkdir(exist_ok=True)
        new.rename(self.folder / "in" / name)
        self.inputs[name] = lines

    def take_away(self, name: str) -> None:
        """Remove an input."""
        del self.inputs[name]
        (self.folder / "in" / name).unlink()

    # -- runs --------------------------------------------------------------------------------------

    def run(self, wish: Wish, hook: Hook | None = None) -> Ended:
        """Run in a thread, so that a hook of one run can start another run.

        Args:
            wish: the run's settings.
            hook: receives each event before the commit, and may do damage.
        """
        with ThreadPoolExecutor(1) as thread:
            return thread.submit(self._run, wish, hook).result()

    def _run(self, wish: Wish, hook: Hook | None) -> Ended:
        names = sorted(self.inputs)
        expected = reference(wish, [self.inputs[name] for name in names])
        config = RunConfig(
            inputs=tuple(str(self.folder / "in" / name) for name in names),
            job=f"{wish.code.write(self.folder / 'code')}:{wish.job}",
            parameters={"shortest": str(wish.shortest)},
            reducers=wish.reducers,
            chunks=wish.chunks,
            mode="copy" if wish.copy else "range",
            fresh=wish.fresh,
        )

        def watch(event: Event) -> None:
            if hook is not None and not isinstance(event, RunDone):
                hook(event)

        try:
            prepared = targets.prepare(config, "inline", str(self.store))
            work = carry_out(prepared, EventLog([watch]), lambda *_: None, time.monotonic())
            return Ended(expected, report=asyncio.run(work))
        except MapReduceError as exc:
            return Ended(expected, error=exc)

    def answer(self, report: Report, wish: Wish) -> Rows:
        """Read a result from its files, and check that each pair is in its key's partition."""
        texts = [Path(url.removeprefix("file://")).read_text() for url in report.result_urls]
        if report.result_urls[0].endswith("result.json"):
            document = json.loads(texts[0])
            pairs = document.items() if isinstance(document, dict) else document
            return sorted(((key, value) for key, value in pairs), key=repr)
        parts = [[json.loads(line) for line in text.splitlines()] for text in texts]
        for number, part in enumerate(parts):
            pairs = [(row["key"], row["value"]) for row in part]
            assert pairs == sorted(pairs, key=lambda pair: encode_key(pair[0])), (
                "a part is not in the order of its keys"
            )
            places = {hash_partition(encode_key(key), wish.reducers) for key, _ in pairs}
            assert wish.job == "Lines" or places <= {number}, f"part {number} has keys of {places}"
        return sorted(((row["key"], row["value"]) for part in parts for row in part), key=repr)

    def is_whole(self, report: Report) -> bool:
        """Audit a run, and read all of its objects."""
        return audit_run(report.run_id, self.runs).balanced

    def clean(self, number: int, *, results: bool) -> None:
        """Clean up after one run."""
        names = [name for name in self.runs.runs() if keys.STEP not in name]
        if names:
            clean_up(
                plan_cleaning(self.runs, [names[number % len(names)]], results=results), self.runs
            )

    # -- harm --------------------------------------------------------------------------------------

    def kept(self) -> list[Path]:
        """Return every object that a later task, run or commit may depend on, in the order of their
        names.

        The committed results belong to the user, and no task reads the records of runs: neither is
        returned.
        """
        folders = (keys.MAPS, keys.PAIRS, keys.CHUNKS, keys.TASKS, keys.JOBS, keys.REDUCE)
        found = [
            path for name in folders for path in (self.store / name).rglob("*") if path.is_file()
        ]
        return sorted(
            path for path in found if keys.REDUCE not in path.parts or ".attempt-" in path.name
        )

    def newest(self, count: int) -> list[Path]:
        """Return the objects that tasks wrote last; damage does not change a file's time."""
        found = [
            path
            for path in self.kept()
            if keys.TASKS not in path.parts and keys.JOBS not in path.parts
        ]
        return sorted(found, key=lambda path: (path.stat().st_mtime_ns, path))[-count:]

    def used(self, report: Report) -> list[Path]:
        """Return the objects on which a run's results depend, and the records of the results."""
        names = report.steps or (report.run_id,)
        results = [each for each in map(self.runs.results, names) if each.split is not None]
        every = [
            result
            for each in results
            for result in (each.split, *each.maps, *each.reduces)
            if result is not None
        ]
        found = {
            Path(info.url.removeprefix("file://"))
            for result in every
            for info in objects_of(result)
        }
        return sorted(
            path for path in {*found, *(self.store / keys.TASKS).iterdir()} if path.exists()
        )


def reference(wish: Wish, inputs: list[list[str]]) -> Rows:
    """Return the right answer, by the definition."""
    found: Rows = []
    for lines in inputs:
        offset = 0
        for line in lines:
            words = [
                word
                for word in line.split()
                if word != wish.code.left_out and len(word) >= wish.shortest
            ]
            found += [(word.upper() if wish.code.loud else word, offset) for word in words]
            offset += len(line.encode()) + 1
    if wish.job == "Lines":
        return sorted(found, key=repr)
    counts = Counter(word for word, _ in found)
    reduced = {word: count * (10 if wish.code.tenfold else 1) for word, count in counts.items()}
    if wish.job == "Count":
        return sorted(reduced.items(), key=repr)
    grouped: dict[int, list[str]] = {}
    for word in sorted(reduced):
        grouped.setdefault(reduced[word], []).append(word)
    return sorted(grouped.items(), key=repr)


def overwrite(path: Path, content: bytes) -> None:
    """Change a file in place, and restore its times."""
    stat = path.stat()
    with path.open("r+b") as file:
        file.truncate(len(content))
        file.write(content)
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))


@contextmanager
def silent_rot() -> Iterator[None]:
    """Hide changes from the ETag of a file in a store if the file's times are restored."""
    honest = local._info

    def info(url: str, stat: os.stat_result) -> ObjectInfo:
        found = honest(url, stat)
        if "/store/" not in url:
            return found
        return replace(found, etag=f"{stat.st_ino:x}-{stat.st_mtime_ns:x}-{stat.st_size:x}")

    local._info = info
    try:
        yield
    finally:
        local._info = honest
