"""Jobs on Apache Spark give the same pairs, counters, ledger and errors; tests share a Spark."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from driver.history.audit import audit_run
from driver.history.verify import verify_run
from driver.plan.events import EngineOnSpark
from driver.spark.session import check_installed
from mapreduce import Job
from mapreduce.check.reference import plain_answer, plain_run
from mapreduce.errors import FleetError, StageFailed, UsageError
from mapreduce.packages import use_packages
from tests.spark.cluster import ROOT
from tests.spark.runs import Place, Run, counted
from tests.unit.mapreduce.engine_run import as_json
from tests.wheels import make_wheel


@pytest.mark.parametrize("reducers", [1, 3])
@pytest.mark.parametrize(
    "name", ["WordCount", "Index", "Floats", "Sorted", "Ranges", "Upper", "Own", "Rounds"]
)
def test_the_pairs_are_those_of_the_plain_answer(
    place: Place, home: Path, name: str, reducers: int
) -> None:
    """For every shape of job the pairs are right, the ledger balances, `audit` and `verify` agree,
    and every task, beside that of the split, has run on the compiled engine.
    """
    run = Run(place, home, name, reducers)
    report = run.report()
    parts = run.parts(report)
    expected = as_json(plain_answer(run.job(), run.contents()))
    assert counted(expected) == counted([pair for part in parts for pair in part])
    assert report.ledger.balanced
    assert (report.target, report.map_urls if name != "Upper" else ()) == ("spark", ())
    assert len(parts) == (4 if name == "Upper" else reducers)
    engine = [event for event in run.log.events if isinstance(event, EngineOnSpark)]
    assert engine
    assert not any(event.missing for event in engine)
    assert sum(event.native for event in engine) == len(report.tasks) - len(engine)
    runs = run.prepared.runs
    success = runs.success(report.run_id)
    assert success is not None
    assert verify_run(run.plan, run.job(), runs, success).equal
    assert audit_run(report.run_id, runs).balanced


def test_a_job_has_its_packages_in_the_executors(
    place: Place, home: Path, monkeypatch: pytest.MonkeyPatch
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
    run = Run(place, home, "Packaged", reducers=1)
    try:
        ((pair,),) = run.parts(run.report())
    finally:
        use_packages(None)
    assert "1.5" == pair[0]


def test_the_parts_of_a_total_order_are_ranges(place: Place, home: Path) -> None:
    """With a total order the parts, joined in order, are in key order, and none is empty."""
    run = Run(place, home, "Ranges")
    parts = run.parts(run.report())
    keys = [key for part in parts for key, _ in part]
    assert keys == sorted(keys, key=str.encode)
    assert all(parts)


@pytest.mark.parametrize("name", ["WordCount", "Sorted", "Upper"])
def test_the_counters_are_those_of_the_plain_run(place: Place, home: Path, name: str) -> None:
    """The counters of both stages equal those of a plain run."""
    run = Run(place, home, name)
    job = run.job()
    assert isinstance(job, Job)
    assert dict(plain_run(job, run.contents()).counters) == run.report().counters


def test_the_ledger_has_both_sides_of_the_shuffle(place: Place, home: Path) -> None:
    """The ledger compares each input's bytes, and each partition's pairs and checksum, and the
    tasks' sums agree.
    """
    report = Run(place, home, "Own").report()
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


def test_the_split_has_the_limit_of_a_stage(place: Place, home: Path) -> None:
    """The split, which runs in the driver, ends at --stage-timeout too."""
    run = Run(replace(place, stage_timeout_s=1e-6), home, "Own")
    with pytest.raises(StageFailed, match="split stage could not be done: 1 of 1 tasks"):
        run.report()


@pytest.mark.parametrize("where", ["map", "partition", "reduce"])
def test_a_fault_shows_the_authors_traceback(place: Place, home: Path, where: str) -> None:
    """An executor's error has the author's traceback and record without Spark's frames; there is no
    result.
    """
    run = Run(place, home, "Faulty", where=where)
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
