"""A standalone cluster of Spark on loopback, from PySpark's own jars: a master and its workers."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from tests.contract.emulator import LAUNCH, free_port

ROOT = Path(__file__).resolve().parents[2]
MASTER, WORKER = (f"org.apache.spark.deploy.{name}" for name in ("master.Master", "worker.Worker"))
START_LIMIT_S = 60
EXECUTOR_MEMORY = "512m"


class NotStarted(Exception):
    """A part of the cluster ended, or does not answer; the message holds the end of its log."""


def spark_home() -> Path:
    """Return the folder of PySpark, which holds Spark."""
    import pyspark

    return Path(pyspark.__file__).parent


@dataclass
class Cluster:
    """A running cluster.

    Attributes:
        folder: of its logs, its workers' files, its settings and its temporary files.
        port: of the master.
        page: the port of the master's page.
        variables: of the workers and their executors, and of the drivers.
        processes: the master and the workers by their names.
    """

    folder: Path
    port: int
    page: int
    variables: Mapping[str, str]
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    @property
    def url(self) -> str:
        """The master, as `--spark-master` takes it."""
        return f"spark://127.0.0.1:{self.port}"

    @property
    def environment(self) -> dict[str, str]:
        """The variables of a driver of this cluster, and of its processes."""
        return {
            "SPARK_LOCAL_IP": "127.0.0.1",
            "SPARK_CONF_DIR": str(self.folder / "conf"),
            "SPARK_DAEMON_MEMORY": "256m",
            # each Java lives for seconds
            "JDK_JAVA_OPTIONS": "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC "
            f"-Djava.io.tmpdir={self.folder}/tmp",
            "PYSPARK_PYTHON": sys.executable,
            "TMPDIR": str(self.folder / "tmp"),
            **self.variables,
        }

    def start_worker(self, name: str, cores: int = 1) -> None:
        """Start a worker with a core and 1 GiB; wait until the master knows it."""
        self.start(
            name, WORKER, "--cores", str(cores), "--memory", "1g",
            "--work-dir", str(self.folder / name), "--webui-port", "0", self.url,
        )  # fmt: skip
        known = len(self.alive())
        self.wait_until(lambda: len(self.alive()) > known, name)

    def start(self, name: str, *command: str) -> None:
        """Start a process of the cluster, which ends with this process."""
        program = (str(spark_home() / "bin" / "spark-class"), command[0], "--host", "127.0.0.1")
        with (self.folder / f"{name}.log").open("wb") as log:
            self.processes[name] = subprocess.Popen(
                [sys.executable, "-c", LAUNCH, *program, *command[1:]],
                env=os.environ | self.environment,
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def state(self) -> dict[str, Any]:
        """Return what the master's page knows."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.page}/json/", timeout=5) as answer:
            known: dict[str, Any] = json.load(answer)
        return known

    def alive(self) -> list[dict[str, Any]]:
        """Return the workers that the master holds for alive."""
        return [worker for worker in self.state()["workers"] if worker["state"] == "ALIVE"]

    def executors(self) -> dict[str, list[psutil.Process]]:
        """Return the executors that run, by the worker that has started them."""
        found = {}
        for name, process in self.processes.items():
            if process.poll() is None and name != "master":
                children = psutil.Process(process.pid).children(recursive=True)
                found[name] = [each for each in children if _is_executor(each)]
        return found

    def is_free(self) -> bool:
        """Return whether no application and no executor runs, and no core is taken."""
        known = self.state()
        return (
            not known["activeapps"]
            and not known["coresused"]
            and not any(self.executors().values())
        )

    def wait_until(self, reached: Callable[[], bool], what: str = "", limit_s: float = 60) -> None:
        """Wait for a state; raises `NotStarted` at the limit."""
        until = time.monotonic() + limit_s
        while time.monotonic() < until:
            try:
                if reached():
                    return
            except (OSError, psutil.NoSuchProcess):
                pass
            if what and self.processes[what].poll() is not None:
                break
            time.sleep(0.1)
        log = self.folder / f"{what}.log"
        end = log.read_text(errors="replace")[-3000:] if what else f"{self.state()}"
        raise NotStarted(f"{what or 'the cluster'} is not in the state that was waited for:\n{end}")

    def end(self, name: str, number: signal.Signals = signal.SIGTERM) -> None:
        """End one process of the cluster; its executors end with a worker that may end them."""
        process = self.processes.pop(name)
        process.send_signal(number)
        process.wait(30)


def _is_executor(process: psutil.Process) -> bool:
    try:
        return any("CoarseGrainedExecutorBackend" in word for word in process.cmdline())
    except psutil.NoSuchProcess:  # also what has ended, and was not waited for
        return False


@contextmanager
def running_cluster(
    folder: Path, workers: int = 2, variables: Mapping[str, str] | None = None
) -> Iterator[Cluster]:
    """Run a master and workers until the end of the block.

    Args:
        folder: an empty one for its files.
        workers: how many.
        variables: further environment variables of all its processes.

    Raises:
        NotStarted: with the end of the log.
    """
    cluster = Cluster(folder, free_port(), free_port(), dict(variables or {}))
    (folder / "tmp").mkdir()
    (folder / "conf").mkdir()
    (folder / "conf" / "spark-defaults.conf").write_text(
        f"spark.executor.memory {EXECUTOR_MEMORY}\nspark.driver.memory 512m\n"
        "spark.ui.enabled false\n"
    )
    try:
        ports = ("--port", str(cluster.port), "--webui-port", str(cluster.page))
        cluster.start("master", MASTER, *ports)
        cluster.wait_until(lambda: bool(cluster.state()), "master", START_LIMIT_S)
        for number in range(1, workers + 1):
            cluster.start_worker(f"worker-{number}")
        yield cluster
    finally:
        below = [child for each in cluster.processes.values() for child in _below(each.pid)]
        for name in list(cluster.processes):
            cluster.end(name, signal.SIGKILL)
        for each in below:
            if each.is_running():
                each.kill()


def _below(process: int) -> list[psutil.Process]:
    try:
        return psutil.Process(process).children(recursive=True)
    except psutil.NoSuchProcess:
        return []
