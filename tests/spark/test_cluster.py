"""The command on a cluster: its results, its ends, what it says, and what it leaves: nothing."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import duckdb
import psutil
import pytest

from tests.contract.conftest import BUCKET
from tests.contract.emulator import free_port
from tests.integration.commands import Driver
from tests.spark.cluster import Cluster

SLOW = '''
import time
from pathlib import Path

from mapreduce import Job


class Slow(Job):
    """Each record takes time, and leaves a file that says that it was begun."""

    seconds: float = 0.1
    reduce_seconds: float = 0.0
    begun: str = ""

    def map(self, offset, line):
        (Path(self.begun) / line).touch()
        time.sleep(self.seconds)
        yield int(line) % 7, 1

    def reduce(self, key, values):
        (Path(self.begun) / f"reduced-{key}").touch()
        time.sleep(self.reduce_seconds)
        yield key, sum(values)
'''
EXPECTED = {str(key): len(range(key, 60, 7)) for key in range(7)}
LEFT_S = 15.0
"""Seconds in which nothing of a run may be left."""


class Room:
    """A folder with a slow job, an empty folder for temporary files, and the command."""

    def __init__(self, folder: Path, cluster: Cluster, store: str = "") -> None:
        self.folder = folder
        self.cluster = cluster
        self.temporary = folder / "temporary files"
        self.begun = folder / "begun"
        for made in (self.temporary, self.begun):
            made.mkdir()
        (folder / "slow.py").write_text(SLOW)
        (folder / "in.txt").write_text("".join(f"{number}\n" for number in range(60)))
        variables = {**cluster.environment, "TMPDIR": str(self.temporary)}
        self.driver = Driver(folder, uuid.uuid4().hex, variables)

    def with_variables(self, **variables: str) -> Driver:
        """Return the command with other variables."""
        return replace(self.driver, variables={**self.driver.variables, **variables})

    def arguments(
        self,
        *more: str,
        master: str = "",
        seconds: float = 0.1,
        reduce_seconds: float = 0,
    ) -> list[str]:
        """Return the words of a run of the slow job."""
        given = {"begun": self.begun, "seconds": seconds, "reduce_seconds": reduce_seconds}
        named = [word for name, value in given.items() for word in ("--param", f"{name}={value}")]
        return [
            *("run", "--job", "slow.py", "--input", "in.txt", "--target", "spark", "--chunks", "6"),
            *("--spark-master", master or self.cluster.url, "--reducers", "2", *named, *more),
        ]

    def started(self, *, seconds: float, reduce_seconds: float = 0) -> subprocess.Popen[str]:
        """Start a run; return it when its first record was begun."""
        process = self.driver.start(*self.arguments(seconds=seconds, reduce_seconds=reduce_seconds))
        self.wait_for(lambda: any(self.begun.iterdir()), process)
        return process

    def wait_for(self, reached: Callable[[], bool], process: subprocess.Popen[str]) -> None:
        """Wait for a state of a run."""
        until = time.monotonic() + 60
        while not reached():
            if process.poll() is not None or time.monotonic() > until:
                process.kill()
                pytest.fail(f"the run has not come so far: {process.communicate()}")
            time.sleep(0.05)

    def left(self) -> list[str]:
        """Return what is left of the runs after a while."""
        until = time.monotonic() + LEFT_S
        while found := self._left():
            if time.monotonic() > until:
                return found
            time.sleep(0.2)
        return found

    def _left(self) -> list[str]:
        files = [path.name for path in self.temporary.rglob("*") if path.is_file()]
        processes = [str(process) for process in self.driver.processes()]
        busy = [] if self.cluster.is_free() else ["the cluster is not free"]
        shared = [str(path) for path in (self.cluster.folder / "tmp").glob("*mapreduce*")]
        return [*files, *processes, *busy, *shared]

    def state(self) -> str:
        """Return the state of the last run."""
        return str(self.driver.run("status", "--json").document["state"])


@pytest.fixture
def room(tmp_path: Path, cluster: Cluster) -> Iterator[Room]:
    """A folder and the command; the cluster is free before and after."""
    made = Room(tmp_path, cluster)
    cluster.wait_until(cluster.is_free)
    yield made
    left = made.left()
    for process in made.driver.processes():
        process.kill()
    assert left == []


def _ended(process: subprocess.Popen[str], limit_s: float = 60) -> tuple[int, str, str]:
    out, err = process.communicate(timeout=limit_s)
    return process.returncode, out, err


def _result(room: Room) -> dict[str, int]:
    (room.folder / "out.jsonl").unlink(missing_ok=True)
    done = room.driver.run("result", "--output", "out.jsonl")
    assert done.code == 0, done.err
    rows = map(json.loads, (room.folder / "out.jsonl").read_text().splitlines())
    return {str(row["key"]): row["value"] for row in rows}


def _lines(err: str) -> str:
    return " ".join(err.split())


def _waits(process: subprocess.Popen[str], words: str = "has no executor") -> None:
    """Read what a run says until it waits for the cluster; it says so within 15 s of the wait."""
    said = ""
    assert process.stderr is not None
    while words not in said:
        line = process.stderr.readline()
        assert line, said
        said += line
    waited = re.search(rf"{words} for (\d+) s", said)
    assert waited, said
    assert int(waited[1]) < 15


@pytest.mark.parametrize("where", ["a folder", "S3"])
def test_the_bytes_are_those_of_a_run_here(room: Room, where: str) -> None:
    """In every format the result has the bytes of the same run in one process, and it is verified,
    also by Spark.
    """
    store = ("--store", f"s3://{BUCKET}/{room.folder.name}") if where == "S3" else ()
    there = room.driver.run(*room.arguments("--json", *store, seconds=0))
    assert there.code == 0, there.err
    here = [word if word != "spark" else "inline" for word in room.arguments(seconds=0)]
    assert room.driver.run(*here, "--store", "other").code == 0
    stores = {"there": store, "here": ("--store", "other")}
    of_folder = () if store else ("json", "csv", "tsv.gz", "txt", "arrows")
    for ending in ("jsonl", "parquet", *of_folder):
        for name, option in stores.items():
            done = room.driver.run("result", "--output", f"{name}.{ending}", *option)
            assert done.code == 0, done.err
        found = [(room.folder / f"{name}.{ending}").read_bytes() for name in stores]
        assert found[0] == found[1], ending
    rows = duckdb.read_parquet(f"{room.folder}/there.parquet").fetchall()
    assert {str(key): value for key, value in rows} == EXPECTED
    verified = room.driver.run("verify", "--json", *store)
    assert (verified.code, verified.document["equal"]) == (0, True), verified.err
    master = ("--spark-master", room.cluster.url)
    by_spark = room.driver.run("verify", "--by", "spark", *master, "--json", *store)
    assert (by_spark.code, by_spark.document["equal"]) == (0, True), by_spark.err


def test_a_worker_that_is_killed(room: Room) -> None:
    """A worker and its executor, killed while they map, change nothing of the answer."""
    cluster = room.cluster
    process = room.started(seconds=0.4)
    room.wait_for(lambda: all(cluster.executors().values()), process)
    (executor, *_) = cluster.executors()["worker-2"]
    cluster.end("worker-2", signal.SIGKILL)
    executor.kill()
    code, _, err = _ended(process, 100)
    cluster.start_worker("worker-2")
    assert code == 0, err
    assert _result(room) == EXPECTED


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("stage", ["map", "reduce"])
def test_a_run_that_is_ended(room: Room, number: signal.Signals, stage: str) -> None:
    """Ctrl-C and SIGTERM end a run as on other targets, in seconds, and no task goes on."""
    in_map, in_reduce = (1, 0) if stage == "map" else (0, 5)
    process = room.started(seconds=in_map, reduce_seconds=in_reduce)
    if stage == "reduce":
        room.wait_for(lambda: any(room.begun.glob("reduced-*")), process)
    began = time.monotonic()
    process.send_signal(number)
    code, _, err = _ended(process)
    assert (code, "Traceback" in err) == (130, False), err
    assert time.monotonic() - began < LEFT_S
    assert "goes on where" not in err
    assert room.left() == []
    count = len(list(room.begun.iterdir()))
    time.sleep(2)
    assert count == len(list(room.begun.iterdir()))
    assert room.state() == "interrupted"


def test_a_start_that_is_ended(room: Room) -> None:
    """SIGTERM while Spark starts ends it too."""
    process = room.driver.start(*room.arguments())
    room.wait_for(lambda: any(room.temporary.glob("mapreduce-*/spark.log")), process)
    process.terminate()
    code, _, err = _ended(process)
    assert (code, "Traceback" in err) == (130, False), err


def test_a_killed_driver(room: Room) -> None:
    """A driver that is killed leaves no application, no process and no file."""
    process = room.started(seconds=1)
    process.kill()
    process.communicate()
    assert room.left() == []


def test_a_killed_java(room: Room) -> None:
    """A Java of the driver that is killed ends the run with the cause in one line."""
    process = room.started(seconds=1)
    (java,) = [each for each in psutil.Process(process.pid).children() if each.name() == "java"]
    java.kill()
    code, _, err = _ended(process)
    assert (code, "Traceback" in err) == (1, False), err
    assert "its Java process has ended with code -9" in _lines(err)
    assert room.state() == "failed"


@pytest.mark.parametrize(("stage", "seconds", "limit"), [("map", 3, 10), ("reduce", 0, 20)])
def test_the_limit_of_a_stage(room: Room, stage: str, seconds: float, limit: int) -> None:
    """--stage-timeout ends a stage that takes longer, with the words of the other targets."""
    words = room.arguments("--stage-timeout", str(limit), seconds=seconds, reduce_seconds=30)
    done = room.driver.run(*words)
    assert done.code == 1, done.err
    total = {"map": 6, "reduce": 2}[stage]
    left = rf"\d of {total} tasks were not done after {limit} s"
    told = rf"the {stage} stage could not be done: {left}"
    assert re.search(told, _lines(done.err)), done.err
    assert room.state() == "failed"


def _conf(room: Room, **settings: str) -> str:
    """Return a folder of settings, with these added to the cluster's."""
    folder = room.folder / "conf"
    shutil.copytree(room.cluster.folder / "conf", folder)
    with (folder / "spark-defaults.conf").open("a") as file:
        for name, value in settings.items():
            file.write(f"spark.{name.replace('_', '.')} {value}\n")
    return str(folder)


@pytest.mark.parametrize("end", [signal.SIGINT, None])
def test_executors_that_no_worker_has_room_for(room: Room, end: signal.Signals | None) -> None:
    """A cluster without room is told within 15 s, and a wait ends by Ctrl-C or --stage-timeout."""
    driver = room.with_variables(SPARK_CONF_DIR=_conf(room, executor_memory="3g"))
    limit = () if end else ("--stage-timeout", "14")
    process = driver.start(*room.arguments(*limit))
    _waits(process)
    if end:
        process.send_signal(end)
    code, _, err = _ended(process)
    assert (code, "Traceback" in err) == (130 if end else 1, False), err
    assert bool(end) or "6 of 6 tasks were not done after 14 s" in _lines(err)


def test_a_cluster_that_another_application_holds(room: Room, tmp_path: Path) -> None:
    """A run that waits for another one says so, and goes on when that one has ended."""
    first = room.started(seconds=3)
    (tmp_path / "second").mkdir()
    second = Room(tmp_path / "second", room.cluster)
    waits = second.driver.start(*second.arguments(seconds=0))
    _waits(waits)
    assert not any(second.begun.iterdir())
    first.terminate()
    assert _ended(first)[0] == 130
    code, _, err = _ended(waits)
    assert code == 0, err
    assert _result(second) == EXPECTED
    assert second.left() == []


def test_no_master(room: Room) -> None:
    """An address without a master is one line at once."""
    began = time.monotonic()
    done = room.driver.run(*room.arguments(master=f"spark://127.0.0.1:{free_port()}"))
    assert time.monotonic() - began < 15
    assert done.code == 3, done.err
    assert "no Spark master answers at spark://127.0.0.1:" in _lines(done.err)
    assert "Connection refused" in done.err
    assert "Traceback" not in done.err
    assert not (room.folder / ".mapreduce" / "runs").exists()


def test_an_address_that_is_no_masters(room: Room) -> None:
    """A port that takes connections and answers nothing is told too, and Ctrl-C ends the wait."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        master = f"spark://127.0.0.1:{server.getsockname()[1]}"
        process = room.driver.start(*room.arguments(master=master))
        _waits(process, "has not started")
        process.send_signal(signal.SIGINT)
        assert _ended(process)[0] == 130


def test_executors_without_the_packages(room: Room) -> None:
    """A Python of the executors without the engine's packages is named, with the way out."""
    bare = room.folder / "bare-python"
    bare.write_text(f'#!/bin/sh\nexec "{os.path.realpath(sys.executable)}" "$@"\n')
    bare.chmod(0o755)
    done = room.with_variables(PYSPARK_PYTHON=str(bare)).run(*room.arguments())
    assert done.code == 1, done.err
    said = _lines(done.err)
    assert "No module named 'msgspec'" in said or "No module named 'xxhash'" in said, said
    assert "requirements/services.txt" in said
    assert "PYSPARK_PYTHON" in said
    assert "Traceback" not in done.err


def test_executors_without_a_python(room: Room) -> None:
    """A Python that the executors do not have is named."""
    done = room.with_variables(PYSPARK_PYTHON="/no/python3").run(*room.arguments())
    assert done.code == 1, done.err
    assert "/no/python3" in _lines(done.err)
    assert "PYSPARK_PYTHON" in _lines(done.err)


def test_a_fault_shows_what_other_targets_show(room: Room) -> None:
    """The error of a job has the same words and the same frames as in one process."""
    (room.folder / "faulty.py").write_text(
        "import json\nfrom mapreduce import Job, Sum\n\n\n"
        "class Faulty(Job):\n    reduce = Sum()\n\n"
        "    def map(self, offset, line):\n        yield self.parsed(line), 1\n\n"
        "    def parsed(self, line):\n        return json.loads('{' + line)\n"
    )
    shown = []
    for target in ("inline", "spark"):
        words = [word if word != "spark" else target for word in room.arguments()]
        words[words.index("slow.py")] = "faulty.py"
        at = words.index("--param")
        done = room.driver.run(*words[:at])
        assert done.code == 1, done.err
        frames = re.findall(r'File ".*?([^/"]+)", line (\d+), in (\w+)', done.err)
        shown.append((frames, set(re.findall(r"map raised [^;\n]*", done.err))))
    assert shown[0] == shown[1]
    assert ("faulty.py", "9", "map") == shown[0][0][0]
    assert "JSONDecodeError" in shown[0][1].pop()
