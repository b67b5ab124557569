"""Runs of jobs on a running Spark, in this process."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from driver.plan.config import RunConfig
from driver.plan.events import EventLog
from driver.report.document import Report
from driver.run.chain import ChainRun, run_chain
from driver.run.pipeline import run_job
from driver.spark.backend import SparkBackend
from driver.spark.session import Spark
from driver.targets.prepare import prepare
from driver.targets.written_plan import write_plan
from mapreduce import Chain, Job
from mapreduce.check.reference import PlainInput
from mapreduce.code import instance
from mapreduce.engine import TaskContext
from mapreduce.formats.output import read_pairs
from mapreduce.job import Pair

JOBS = '''
from mapreduce import Chain, CollectList, Job, Sum, TopK, words
from beside import STOP


class WordCount(Job):
    """Sums, with a module and a file beside it, counters, and a parameter."""

    least: int = 1
    files = ("extra.txt",)
    reduce = Sum()

    def map_setup(self):
        self.extra = self.path("extra.txt").read_text().split()

    def map(self, offset, line):
        self.count("lines")
        for word in [*words(line), *self.extra]:
            if word not in STOP and len(word) >= self.least:
                yield word, 1


class Index(Job):
    """Which input and line a word is in: values in the order of the input."""

    reduce = CollectList()

    def map(self, offset, line):
        for word in words(line):
            yield word, [self.source.rpartition("/")[2], offset, None, {"odd": len(word) % 2 == 1}]


class Floats(Job):
    """Sums of floats that plain addition gets wrong, and keys of several types."""

    reduce = Sum()

    def map(self, offset, line):
        number = (0.1, 1e16, 1.0, -1e16, 3, 1e-9)[(len(line) * 7 + sum(map(ord, line))) % 6]
        yield (len(line) % 3, True), number
        yield len(line) % 2, number
        yield float(len(line) % 2), number


class Sorted(Job):
    """A secondary sort: the lines of a length, in the order of their text, then of the input."""

    group_by = 1

    def map(self, offset, line):
        yield (len(line) % 4, line[:3]), offset

    def reduce(self, length, offsets):
        self.count("groups")
        yield length, list(offsets)


class Ranges(Job):
    """Parts that are ranges of keys."""

    total_order = True
    reduce = Sum()

    def map(self, offset, line):
        yield from ((word, len(word)) for word in words(line))


class Upper(Job):
    """Nothing to reduce."""

    def map(self, offset, line):
        self.count("seen")
        if line:
            yield line[0], line.upper()


class Own(Job):
    """A combine, a partition, a reduce that yields other keys, and a hook after each map task."""

    def map_setup(self):
        self.lines = 0

    def map(self, offset, line):
        self.lines += 1
        yield from (((len(word), word), 1) for word in words(line))

    def combine(self, key, values):
        yield key, sum(values)

    def partition(self, key, partitions):
        return key[0] % partitions

    def reduce(self, key, values):
        yield key[1][::-1], [key[0], sum(values)]

    def map_cleanup(self):
        return [((0, "lines"), self.lines)] if self.lines else None


class Best(Job):
    """What comes second in the chain."""

    reduce = TopK(2)

    def map(self, word, count):
        assert type(word) is str and type(count) is int
        yield word[0], (count, word)


class Rounds(Chain):
    """Two steps, of which the second depends on what the first has come to."""

    def steps(self):
        counted = yield WordCount(least=2)
        if counted.records and counted.counters["lines"]:
            yield Best()


class Faulty(Job):
    """A fault in a place."""

    where: str = "map"

    def map(self, offset, line):
        if self.where == "map" and line.startswith("The end"):
            raise ValueError("no end")
        yield line[:1], 1

    def partition(self, key, partitions):
        if self.where == "partition":
            raise ValueError("no end")
        return 0

    def reduce(self, key, values):
        if self.where == "reduce" and key == "T":
            raise ValueError("no end")
        yield key, sum(values)
'''

TEXTS = {
    "one.txt": "It was the best of times, it was the worst of times\nThe end\n" * 40,
    "two.txt": "Ein Käsebrot für Zoë\r\n\nनमस्ते दुनिया\nthe end of it" * 30,
    "none.txt": "",
}


@dataclass(frozen=True)
class Place:
    """A running Spark.

    Attributes:
        spark: runs the jobs.
        stores: the URL below which runs have their stores; "" for the test's folder.
        stage_timeout_s: how long a stage may take.
    """

    spark: Spark
    stores: str = ""
    stage_timeout_s: float | None = None


class Run:
    """One run of a job of the file on Spark."""

    def __init__(
        self,
        place: Place,
        home: Path,
        name: str,
        reducers: int = 3,
        inputs: Sequence[str] = tuple(TEXTS),
        **parameters: str,
    ) -> None:
        paths = tuple(_path(home, given) for given in inputs)
        job = name if "." in name else f"{home / 'some_jobs.py'}:{name}"
        config = RunConfig(paths, job, parameters=parameters, reducers=reducers, chunks=4)
        self.prepared = prepare(
            config, "spark", f"{place.stores}/{home.name}" if place.stores else str(home / "store")
        )
        self.log = EventLog()
        self.plan = write_plan(self.prepared, lambda *_: None)
        root = self.prepared.source.root
        self._context = TaskContext(
            self.prepared.runs.storage, home / "x", 64 << 20, lambda spec: instance(root, spec)
        )
        self._place = SparkBackend(
            self.prepared.runs,
            self._context,
            place.spark,
            64 << 20,
            stage_timeout_s=place.stage_timeout_s,
        )

    def job(self) -> Job | Chain:
        """A new instance of the job."""
        return self.prepared.job(**self.prepared.parameters)

    def report(self) -> Report:
        """Carry out the run; return its report."""
        started = time.monotonic()
        job = self.job()
        if isinstance(job, Chain):
            done = run_chain(
                ChainRun(job, self.plan), self._place, self.log, fresh=False, started=started
            )
            return asyncio.run(done)
        return asyncio.run(
            run_job(self.plan, self._place, self.log, fresh=False, started=started)
        ).report

    def contents(self) -> list[PlainInput]:
        """Return the inputs' contents."""
        storage = self.prepared.runs.storage
        return [
            PlainInput(given.url, storage.read(given.url), given.name) for given in self.plan.inputs
        ]

    def parts(self, report: Report) -> list[list[Pair]]:
        """Return the pairs of each part."""
        storage = self.prepared.runs.storage
        return [list(read_pairs(storage.read(url).split(b"\n"))) for url in report.result_urls]


def counted(pairs: list[Any]) -> Counter[str]:
    """Return how often each pair is there."""
    return Counter(map(repr, pairs))


def _path(home: Path, given: str) -> str:
    name, equals, path = given.rpartition("=")
    return f"{name}{equals}{home / path}"
