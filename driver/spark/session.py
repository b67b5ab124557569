"""A running Apache Spark, on this machine or a cluster: the entry point of the package `pyspark`.

It starts Spark, ships functions by their names, and raises errors of one line. It does not know
what the functions do.
"""

from __future__ import annotations

import importlib.util
import logging
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from driver.history.log_file import log_bytes
from driver.spark.external_shuffle import partition_of
from driver.spark.master import check_answers, is_local
from driver.spark.shipped import FOLDER, packed, root
from driver.spark.watch import Counts, State
from mapreduce.errors import FleetError, JobFailed, UsageError

STOP_S = 20
"""Seconds that Spark may take to end before its process is killed."""

_ERROR = re.compile(r"([A-Za-z_][\w.]*)?(Error|Exception|Lost|Missing)\b")
_LOGGED = re.compile(r"[\d:]+ ERROR \w+: ")
_SHUT_DOWN = re.compile(r"SparkContext (was shut down|has been shutdown)|stopped SparkContext")
_OF_PYTHON = re.compile(r"No module named|PYTHON_VERSION_MISMATCH|Cannot run program")
_NEEDED = (
    "executors need Python {}.{} with the packages of requirements/services.txt, named by"
).format(*sys.version_info)
_LOG4J = Path(__file__).with_name("log4j2.properties")
_PATH = "spark.executorEnv.PYTHONPATH"


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
    """Apache Spark for one run: `start` it, use it, `stop` it.

    Args:
        master: as `spark-submit --master` takes it.
        folder: a local folder for files of Spark and its processes; it may be deleted when Spark
            has ended.
    """

    def __init__(self, master: str, folder: Path) -> None:
        from py4j.protocol import Py4JError
        from pyspark.errors import PySparkException

        self._master = master
        self._folder = folder.resolve()
        # py4j logs tracebacks of connections that break, and `stop` and `_collected` say why
        logging.getLogger().addFilter(_not_of_py4j)
        self._log = folder / "spark.log"
        self._gateway: Any = None
        self._context: Any = None
        self._given_up = False
        # a connection that its process has closed is an error of the system
        self._errors = (PySparkException, Py4JError, OSError)

    def start(self) -> None:
        """Start it; raises `FleetError`, with which nothing of it runs any more."""
        check_answers(self._master)
        try:
            self._start()
        except self._errors as exc:
            # while Spark runs: it holds the text of its errors
            why = [*self._said(_ERROR), _why(exc)][0][:500]
            self.stop()
            raise FleetError(f"Spark could not be started on {self._master}: {why}") from exc

    def give_up(self) -> None:
        """End a start that is under way: `start` raises."""
        self._given_up = True
        if self._gateway is not None:
            self._gateway.proc.kill()

    def log_text(self) -> bytes:
        """Return the output of Spark, and of the jobs' code in it."""
        return log_bytes(self._log)

    def map(self, function: Callable[[str], str], texts: Sequence[str]) -> list[str]:
        """Run one task for each text; raises `JobFailed` when Spark gives one up."""
        return self._collected(lambda: self._each(texts).map(function))

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

        def reduced() -> Any:
            records = self._each(texts).flatMap(mapping)
            in_order = records.repartitionAndSortWithinPartitions(partitions, partition_of)
            return in_order.mapPartitionsWithIndex(reducing)

        return self._collected(reduced)

    def state(self) -> State:
        """Return what runs now; nothing when Spark does not say it."""
        try:
            tracker = self._context.statusTracker()
            known = [tracker.getJobInfo(job) for job in tracker.getActiveJobsIds()]
            stages = sorted({stage for job in known if job for stage in job.stageIds})
            counts = [_counts(tracker.getStageInfo(stage)) for stage in stages]
            # the driver is in it too; on this machine it is the only one
            members = self._context._jsc.sc().getExecutorMemoryStatus().size()
        except self._errors:
            return State()
        executors = members if is_local(self._master) else members - 1
        return State(executors, *counts[:1], *(counts[1:] and counts[-1:]))

    def cancel(self) -> None:
        """Cancel what is running."""
        with suppress(*self._errors):  # it has ended by itself
            self._context.cancelAllJobs()

    def stop(self) -> None:
        """End Spark and those of its processes that have been started."""
        from pyspark import SparkContext

        if self._context is not None:
            with suppress(*self._errors):  # it has ended by itself
                self._context.stop()
            self._context = None
        if self._gateway is not None:
            with suppress(*self._errors):
                self._gateway.shutdown()
            # without this, the process could not start another Spark
            SparkContext._gateway = SparkContext._jvm = None
            _end(self._gateway.proc)
            self._gateway = None

    def _start(self) -> None:
        from pyspark import SparkConf, SparkContext
        from pyspark.java_gateway import launch_gateway

        conf = SparkConf().setMaster(self._master).setAppName("mapreduce")
        for name, value in _settings(self._master, self._folder).items():
            conf.set(name, value)
        with self._log.open("wb") as log:
            # Ctrl-C in a terminal reaches a session: the driver ends Spark itself, in order
            options = {"stdout": log, "stderr": log, "start_new_session": True}
            self._gateway = launch_gateway(conf, popen_kwargs=options)
        if self._given_up:
            raise OSError("the start was given up")
        here = is_local(self._master)
        system = self._gateway.jvm.java.lang.System
        path = [str(root()) if here else f"./{FOLDER}", system.getProperty(_PATH)]
        conf.set(_PATH, os.pathsep.join(each for each in path if each))
        self._context = SparkContext(conf=conf, gateway=self._gateway)
        if here:
            self._context.pythonExec = sys.executable
        else:
            self._context.addArchive(f"{packed(self._folder).as_uri()}#{FOLDER}")

    def _each(self, texts: Sequence[str]) -> Any:
        return self._context.parallelize(texts, max(1, len(texts)))

    def _collected(self, make: Callable[[], Any]) -> list[str]:
        try:
            collected: list[str] = make().collect()
        except self._errors as exc:
            why = _why(exc)
            code = _exit_code(self._gateway.proc)
            if code is not None:
                why = f"its Java process has ended with code {code}; it may have lacked memory"
            elif _SHUT_DOWN.search(why):
                why = next(iter(self._said(_LOGGED)), why)
            python = ""
            if _OF_PYTHON.search(why):
                python = f"; {_NEEDED} PYSPARK_PYTHON, now {self._context.pythonExec}"
            raise JobFailed(
                f"Spark has given up: {why}{python}\nits output is in the run's services.log"
            ) from exc
        return collected

    def _said(self, pattern: re.Pattern[str]) -> list[str]:
        """Return the lines of Spark's log with a pattern."""
        lines = self.log_text().decode(errors="replace").splitlines()
        return [line for line in lines if pattern.search(line)]


def _not_of_py4j(record: logging.LogRecord) -> bool:
    return "py4j" not in Path(record.pathname).parts


def _counts(stage: Any) -> Counts:
    return Counts(stage.numActiveTasks, stage.numCompletedTasks) if stage else Counts()


def _exit_code(process: subprocess.Popen[bytes]) -> int | None:
    """Return the exit code of Java if it has ended; its connections break a little earlier."""
    try:
        return process.wait(0.5)
    except subprocess.TimeoutExpired:
        return None


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
    lines = _text(exc).strip().splitlines() or [type(exc).__name__]
    python = [line for line in lines if _ERROR.match(line)]
    return (python[-1] if python else lines[0])[:500]


def _text(exc: Exception) -> str:
    java = getattr(exc, "java_exception", None)
    try:
        return str(exc if java is None else java.getMessage())
    except Exception as gone:  # noqa: BLE001 - Spark has ended, which holds the text
        return f"Spark has ended ({type(gone).__name__})"


def _settings(master: str, folder: Path) -> dict[str, str]:
    """Return settings beyond Spark's and `spark-defaults.conf`; a local Spark has no UI."""
    # a copy, because the path of this one may hold any character
    log4j = Path(shutil.copy(_LOG4J, folder)).as_uri()
    # the driver's own files lie in the folder, which is deleted also after Spark was killed
    options = f'-Dlog4j2.configurationFile={log4j} -Djava.io.tmpdir="{folder}"'
    settings = {
        "spark.driver.extraJavaOptions": options,
        "spark.ui.showConsoleProgress": "false",
    }
    if is_local(master):
        settings |= {
            "spark.ui.enabled": "false",
            "spark.driver.bindAddress": "127.0.0.1",
            "spark.driver.host": "127.0.0.1",
            "spark.local.dir": str(folder),
        }
    return settings
