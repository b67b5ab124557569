"""Jobs on Apache Spark give the same pairs, counters, ledger and errors; tests share a Spark."""

from __future__ import annotations

import asyncio
import importlib.util
import json
import os
import shutil
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from driver.history.audit import audit_run
from driver.history.verify import verify_run
from driver.plan.config import RunConfig
from driver.plan.events import EventLog
from driver.report.document import Report
from driver.run.chain import ChainRun, run_chain
from driver.run.pipeline import run_job
from driver.spark.backend import SparkBackend
from driver.spark.session import Spark, check_installed, map_slots
from driver.targets.prepare import prepare
from driver.targets.written_plan import write_plan
from mapreduce import Chain, Job
from mapreduce.check.reference import PlainInput, plain_answer, plain_run
from mapreduce.code import instance
from mapreduce.engine import TaskContext
from mapreduce.errors import FleetError, StageFailed, UsageError
from mapreduce.formats.output import read_pairs
from mapreduce.job import Pair
from mapreduce.packages import use_packages
from tests.unit.mapreduce.engine_run import as_json
from tests.wheels import make_wheel

ROOT = Path(__file__).resolve().parent.parent.parent
MISSING = [
    name
    for name, there in (
        ("PySpark", importlib.util.find_spec("pyspark")),
        ("Java", shutil.which("java")),
    )
    if not there
]
pytestmark = pytest.mark.skipif(
    bool(MISSING), reason=f"no {' and no '.join(MISSING)} here: see `make spark`"
)

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


@pytest.fixture(scope="module")
def spark(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Spark]:
    """One Spark with two cores on this machine."""
    running = Spark("local[2]", tmp_path_factory.mktemp("spark"))
    yield running
    running.stop()


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A folder outside the repository: inputs, a job file, and a module and a file beside it."""
    (tmp_path / "some_jobs.py").write_text(JOBS)
    (tmp_path / "beside.py").write_text("STOP = {'of'}\n")
    (tmp_path / "extra.txt").write_text("and more")
    for name, text in TEXTS.items():
        (tmp_path / name).write_text(text, newline="")
    return tmp_path


class Run:
    """One run of a job of the file on Spark."""

    def __init__(
        self, spark: Spark, home: Path, name: str, reducers: int = 3, **parameters: str
    ) -> None:
        inputs = tuple(str(home / given) for given in TEXTS)
        job = f"{home / 'some_jobs.py'}:{name}"
        config = RunConfig(inputs, job, parameters=parameters, reducers=reducers, chunks=4)
        self.prepared = prepare(config, "spark", str(home / "store"))
        self.log = EventLog()
        self.plan = write_plan(self.prepared, lambda *_: None)
        root = self.prepared.source.root
        self._context = TaskContext(
            self.prepared.runs.storage, home / "x", 64 << 20, lambda spec: instance(root, spec)
        )
        self._place = SparkBackend(
            self.prepared.runs, self._context, spark, task_memory_bytes=64 << 20
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


def _counted(pairs: list[Any]) -> Counter[str]:
    return Counter(map(repr, pairs))


@pytest.mark.parametrize("reducers", [1, 3])
@pytest.mark.parametrize(
    "name", ["WordCount", "Index", "Floats", "Sorted", "Ranges", "Upper", "Own", "Rounds"]
)
def test_the_pairs_are_those_of_the_plain_answer(
    spark: Spark, home: Path, name: str, reducers: int
) -> None:
    """For every shape of job the pairs are right, the ledger balances, and `audit` and `verify`
    agree.
    """
    run = Run(spark, home, name, reducers)
    report = run.report()
    parts = run.parts(report)
    expected = as_json(plain_answer(run.job(), run.contents()))
    assert _counted(expected) == _counted([pair for part in parts for pair in part])
    assert report.ledger.balanced
    assert (report.target, report.map_urls if name != "Upper" else ()) == ("spark", ())
    assert len(parts) == (4 if name == "Upper" else reducers)
    runs = run.prepared.runs
    success = runs.success(report.run_id)
    assert success is not None
    assert verify_run(run.plan, run.job(), runs, success).equal
    assert audit_run(report.run_id, runs).balanced


def test_a_job_has_its_packages_in_the_executors(
    spark: Spark, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Executors import what the job requires, in the version that pip has found."""
    make_wheel(home / "wheels", "sparkling", "1.5")
    for name, value in (
        ("PIP_NO_INDEX", "1"),
        ("PIP_CONFIG_FILE", "/dev/null"),
        ("PIP_FIND_LINKS", str(home / "wheels")),
        ("XDG_CACHE_HOME", str(home / "cache")),
    ):
        monkeypatch.setenv(name, value)
    (home / "some_jobs.py").write_text(
        "import sparkling\nfrom mapreduce import Count, Job\n"
        "class Packaged(Job):\n    requirements = ['sparkling']\n    reduce = Count()\n"
        "    def map(self, key, value):\n        yield sparkling.VERSION, 1\n"
    )
    run = Run(spark, home, "Packaged", reducers=1)
    try:
        ((pair,),) = run.parts(run.report())
    finally:
        use_packages(None)
    assert "1.5" == pair[0]


def test_the_parts_of_a_total_order_are_ranges(spark: Spark, home: Path) -> None:
    """With a total order the parts, joined in order, are in key order, and none is empty."""
    run = Run(spark, home, "Ranges")
    parts = run.parts(run.report())
    keys = [key for part in parts for key, _ in part]
    assert keys == sorted(keys, key=str.encode)
    assert all(parts)


@pytest.mark.parametrize("name", ["WordCount", "Sorted", "Upper"])
def test_the_counters_are_those_of_the_plain_run(spark: Spark, home: Path, name: str) -> None:
    """The counters of both stages equal those of a plain run."""
    run = Run(spark, home, name)
    job = run.job()
    assert isinstance(job, Job)
    assert dict(plain_run(job, run.contents()).counters) == run.report().counters


def test_the_ledger_has_both_sides_of_the_shuffle(spark: Spark, home: Path) -> None:
    """The ledger compares each input's bytes, and each partition's pairs and checksum, and the
    tasks' sums agree.
    """
    report = Run(spark, home, "Own").report()
    what = Counter((row.what.partition(" ")[0], row.unit) for row in report.ledger.rows)
    assert (what["partition", "pairs"], what["partition", "checksum"]) == (3, 3)
    assert what["bytes", "bytes"] == 3
    rows = {
        stage: [row for row in report.tasks if row.stage == stage] for stage in ("map", "reduce")
    }
    assert (len(rows["map"]), len(rows["reduce"])) == (4, 3)
    assert (
        sum(row.records_out for row in rows["map"])
        == sum(row.records_in for row in rows["reduce"])
        > 0
    )
    assert sum(row.bytes_out for row in rows["map"]) == sum(row.bytes_in for row in rows["reduce"])
    assert sum(row.bytes_in for row in rows["map"]) == report.ledger.bytes_in
    timings = report.timings
    assert timings.end_to_end >= timings.split + timings.map_wall + timings.reduce > 0


@pytest.mark.parametrize("where", ["map", "partition", "reduce"])
def test_a_fault_shows_the_authors_traceback(spark: Spark, home: Path, where: str) -> None:
    """An executor's error has the author's traceback and record without Spark's frames; there is no
    result.
    """
    run = Run(spark, home, "Faulty", where=where)
    with pytest.raises(StageFailed, match="ValueError: no end") as caught:
        run.report()
    (error, *_) = [error for errors in caught.value.failures.values() for error in errors]
    assert error.traceback.splitlines()[-1] == "ValueError: no end"
    assert 'raise ValueError("no end")' in error.traceback
    assert "pyspark" not in error.traceback
    assert run.prepared.runs.success(run.plan.run) is None
    assert run.prepared.runs.state(run.plan.run) == "failed"
    if where == "map":
        assert (error.record, "one.txt at byte" in error.place) == ("'The end'", True)


def _command(folder: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "driver", *arguments],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(ROOT), "NO_COLOR": "1"} | environment,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )


def test_the_command(home: Path) -> None:
    """The command prints one document, and gives the same bytes inline and on Spark."""
    arguments = (
        "run",
        "--job",
        "some_jobs.py:WordCount",
        "--input",
        "one.txt",
        "two.txt",
        "--json",
        "--output",
    )
    there = _command(
        home, *arguments, "spark.json", "--target", "spark", "--spark-master", "local[2]"
    )
    assert there.returncode == 0, there.stderr
    here = _command(home, *arguments, "inline.json", "--target", "inline")
    assert here.returncode == 0, here.stderr
    assert (home / "inline.json").read_bytes() == (home / "spark.json").read_bytes()
    assert json.loads(here.stdout)["counters"] == json.loads(there.stdout)["counters"]
    by_spark = _command(home, "verify", "--by", "spark", "--spark-master", "local[2]", "--json")
    assert (by_spark.returncode, json.loads(by_spark.stdout)["equal"]) == (0, True), by_spark.stderr


@pytest.mark.parametrize("job", ["Numbers", "Twice"])
def test_a_run_that_set_records_aside_is_verified_on_spark(home: Path, job: str) -> None:
    """`verify` on Spark finds the same bad records, in each step of a chain."""
    (home / "numbers.txt").write_text(
        "".join(f"{number}\n" if number % 25 else "none\n" for number in range(200))
    )
    (home / "aside.py").write_text(
        "from mapreduce import Chain, Job, Sum\n\n\nclass Numbers(Job):\n    reduce = Sum()\n\n"
        "    def map(self, offset, line):\n        yield int(line) % 10, 1\n\n\n"
        "class Digits(Job):\n    reduce = Sum()\n\n    def map(self, key, value):\n"
        "        yield 'tens', value // (key - 3)\n\n\n"
        "class Twice(Chain):\n    def steps(self):\n        return [Numbers(), Digits()]\n"
    )
    command = ("run", "--job", f"aside.py:{job}", "--input", "numbers.txt", "--target", "inline")
    done = _command(home, *command, "--skip-bad-records", "9")
    assert done.returncode == 0, done.stderr
    by_spark = _command(home, "verify", "--by", "spark", "--spark-master", "local[2]", "--json")
    assert (by_spark.returncode, json.loads(by_spark.stdout)["equal"]) == (0, True), by_spark.stderr


def test_a_spark_that_cannot_start_is_one_line(home: Path) -> None:
    """A Spark that cannot start gives exit code 3, the reason, and no traceback."""
    done = _command(
        home, "run", "--input", "one.txt", "--target", "spark", "--spark-master", "nonsense"
    )
    assert done.returncode == 3
    assert "Spark could not be started on nonsense: " in done.stderr
    assert "Traceback" not in done.stderr


def test_without_java_there_is_one_line(home: Path) -> None:
    """Without Java, Spark gives exit code 3 and the requirement, and writes nothing."""
    done = _command(
        home, "run", "--input", "one.txt", "--target", "spark", PATH=str(home), JAVA_HOME=""
    )
    assert done.returncode == 3
    assert done.stderr.startswith("error: --target spark needs Java 17")
    assert not (home / ".mapreduce").exists()


def test_java_is_found_by_its_home(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Java is found by JAVA_HOME alone."""
    java = home / "bin" / "java"
    java.parent.mkdir()
    java.touch(mode=0o755)
    monkeypatch.setenv("PATH", "")
    monkeypatch.setenv("JAVA_HOME", str(home))
    check_installed()
    monkeypatch.delenv("JAVA_HOME")
    with pytest.raises(FleetError, match="Java 17"):
        check_installed()


def test_without_pyspark_there_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without PySpark the request is refused with the command that installs it."""
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(UsageError, match=r"requirements/spark\.txt"):
        check_installed()


@pytest.mark.parametrize(
    ("master", "slots"),
    [("local", 1), ("local[3]", 3), ("local[2,4]", 2), ("spark://there:7077", 1), ("yarn", 1)],
)
def test_map_slots_of_a_master(master: str, slots: int) -> None:
    """The number of map slots follows from the master's name, if it tells it."""
    assert map_slots(master) == slots
