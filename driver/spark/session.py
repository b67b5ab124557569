"""A running Apache Spark, on this machine or a cluster: the entry point of the package `pyspark`.

It starts Spark, ships functions by their names, and raises errors of one line. It does not know
what the functions do.
"""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import mapreduce
from driver.history.log_file import log_bytes
from driver.spark.external_shuffle import partition_of
from mapreduce.errors import FleetError, JobFailed, UsageError

STOP_S = 20
"""Seconds that Spark may take to end before its process is killed."""

_LOCAL = re.compile(r"local(?:\[(\*|\d+)(?:,\s*\d+)?\])?")
_ERROR = re.compile(r"([A-Za-z_][\w.]*)?(Error|Exception|Lost|Missing)\b")
_LOG4J = Path(__file__).with_name("log4j2.properties")


def is_local(master: str) -> bool:
    """Return whether Spark runs on this machine alone."""
    return _LOCAL.fullmatch(master) is not None


def map_slots(master: str) -> int:
    """Return how many map tasks will run at the same time, as far as the master's name says."""
    found = _LOCAL.fullmatch(master)
    if found is None or found[1] is None:
        return 1
    return os.cpu_count() or 1 if found[1] == "*" else max(1, int(found[1]))


def check_installed() -> None:
    """Refuse a run before anything is written when this machine lacks PySpark or Java.

    Raises:
        UsageError: there is no PySpark in this environment.
        FleetError: there is no Java.
    """
    if importlib.util.find_spec("pyspark") is None:
        raise UsageError(
            "--target spark needs PySpark, which is not in this environment; install it with: "
            "pip install --require-hashes -r requirements/spark.txt"
        )
    home = os.environ.get("JAVA_HOME")
    at_home = shutil.which("java", path=f"{home}/bin") if home else None
    if at_home is None and shutil.which("java") is None:
        raise FleetError(
            "--target spark needs Java 17 or newer, and there is no `java` here; install it "
            "(apt-get install openjdk-17-jre-headless, brew install openjdk@17), or set JAVA_HOME"
        )


class Spark:
    """A running Spark.

    Args:
        master: as `spark-submit --master` takes it.
        folder: a local folder for files of Spark and its processes; it may be deleted when Spark
            has ended.

    Raises:
        FleetError: it could not be started.
    """

    def __init__(self, master: str, folder: Path) -> None:
        from py4j.protocol import Py4JError
        from pyspark import SparkConf, SparkContext
        from pyspark.errors import PySparkException
        from pyspark.java_gateway import launch_gateway

        self._log = folder / "spark.log"
        self._gateway: Any = None
        self._context: Any = None
        conf = SparkConf().setMaster(master).setAppName("mapreduce")
        for name, value in _settings(master, folder).items():
            conf.set(name, value)
        self._errors = (PySparkException, Py4JError)
        try:
            with self._log.open("wb") as log:
                self._gateway = launch_gateway(conf, popen_kwargs={"stdout": log, "stderr": log})
            self._context = SparkContext(conf=conf, gateway=self._gateway)
            if is_local(master):
                self._context.pythonExec = sys.executable
            else:
                self._context.addPyFile(str(_packed(folder)))
        except (*self._errors, OSError) as exc:
            self.stop()
            said = [
                line
                for line in self.log_text().decode(errors="replace").splitlines()
                if _ERROR.search(line)
            ]
            raise FleetError(
                f"Spark could not be started on {master}: {(said or [_why(exc)])[0][:500]}"
            ) from exc

    def log_text(self) -> bytes:
        """Return the output of Spark, and of the jobs' code in it."""
        return log_bytes(self._log)

    def map(self, function: Callable[[str], str], texts: Sequence[str]) -> list[str]:
        """Run one task for each text; raises `JobFailed` when Spark gives one up."""
        return self._collected(self._each(texts).map(function))

    def map_and_reduce(
        self,
        mapping: Callable[[str], Any],
        texts: Sequence[str],
        reducing: Callable[..., Any],
        partitions: int,
    ) -> list[str]:
        """Run a map task for each text, sort their records into partitions, and reduce these.

        Raises:
            JobFailed: Spark has given a task up.
        """
        records = self._each(texts).flatMap(mapping)
        sorted_records = records.repartitionAndSortWithinPartitions(partitions, partition_of)
        return self._collected(sorted_records.mapPartitionsWithIndex(reducing))

    def cancel(self) -> None:
        """Cancel what is running."""
        self._context.cancelAllJobs()

    def stop(self) -> None:
        """End Spark and those of its processes that have been started."""
        from pyspark import SparkContext

        if self._context is not None:
            self._context.stop()
        if self._gateway is not None:
            self._gateway.shutdown()
            # without this, the process could not start another Spark
            SparkContext._gateway = SparkContext._jvm = None
            _end(self._gateway.proc)

    def _each(self, texts: Sequence[str]) -> Any:
        return self._context.parallelize(texts, max(1, len(texts)))

    def _collected(self, rdd: Any) -> list[str]:
        try:
            collected: list[str] = rdd.collect()
        except self._errors as exc:
            raise JobFailed(
                f"Spark has given up: {_why(exc)}\nits output is in the run's services.log"
            ) from exc
        return collected


def _end(process: subprocess.Popen[bytes]) -> None:
    """End the Java process, by closing its standard input."""
    if process.stdin is not None:
        process.stdin.close()
    try:
        process.wait(STOP_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _why(exc: Exception) -> str:
    """Return Spark's reason: the last line of a Python error, else the first of Java's."""
    java = getattr(exc, "java_exception", None)
    lines = (str(java.getMessage()) if java is not None else str(exc)).strip().splitlines() or [
        type(exc).__name__
    ]
    python = [line for line in lines if _ERROR.match(line)]
    return (python[-1] if python else lines[0])[:500]


def _settings(master: str, folder: Path) -> dict[str, str]:
    """Return settings beyond Spark's and `spark-defaults.conf`; a local Spark has no UI."""
    # a copy, because the path of this one may hold any character
    log4j = shutil.copy(_LOG4J, folder)
    settings = {"spark.driver.extraJavaOptions": f"-Dlog4j2.configurationFile=file:{log4j}"}
    if is_local(master):
        settings |= {
            "spark.ui.enabled": "false",
            "spark.ui.showConsoleProgress": "false",
            "spark.driver.bindAddress": "127.0.0.1",
            "spark.driver.host": "127.0.0.1",
            "spark.local.dir": str(folder),
            "spark.executorEnv.PYTHONPATH": str(_root()),
        }
    return settings


def _packed(folder: Path) -> Path:
    """Zip our modules that an executor imports, for machines that do not have them."""
    path = folder / "mapreduce.zip"
    own = ("__init__.py", "spark/__init__.py", "spark/executor.py", "spark/external_shuffle.py")
    sources = [
        *sorted((_root() / "mapreduce").rglob("*.py")),
        *(_root() / "driver" / name for name in own),
    ]
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for source in sources:
            archive.write(source, source.relative_to(_root()).as_posix())
    return path


def _root() -> Path:
    return Path(mapreduce.__file__).resolve().parent.parent
