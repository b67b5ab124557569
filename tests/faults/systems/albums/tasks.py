"""Real tasks of the album service as processes on loopback, and requests to them."""

from __future__ import annotations

import http.client
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from services.shell.supervisor import LIFELINE

ROOT = Path(__file__).resolve().parents[4]
START_LIMIT_S = 60.0
END_LIMIT_S = 30.0
JSON = {"Content-Type": "application/json"}


class Wrong(AssertionError):
    """A task has not done what it should."""


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer: status, headers by lower-case name, body."""

    status: int
    headers: Mapping[str, str]
    body: bytes


def ask(
    url: str,
    path: str,
    *,
    method: str = "GET",
    body: bytes | Iterator[bytes] | None = None,
    headers: Mapping[str, str] | None = None,
    timeout_s: float = 30.0,
) -> Answer:
    """Send one request on a connection of its own; an iterator is sent in chunks.

    Raises:
        OSError, http.client.HTTPException: the connection broke.
    """
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=timeout_s)
    try:
        connection.request(method, path, body=body, headers=dict(headers or {}))
        answer = connection.getresponse()
        named = {name.lower(): value for name, value in answer.getheaders()}
        return Answer(answer.status, named, answer.read())
    finally:
        connection.close()


def album(album_id: str, **changed: object) -> bytes:
    """Return an album as a client sends it."""
    fields = {"id": album_id, "title": "T", "artist": "A", "price": 1.5}
    return json.dumps(fields | changed).encode()


def add(url: str, album_id: str, **headers: str) -> Answer:
    """Send a new album."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return ask(url, "/albums", method="POST", body=album(album_id), headers=JSON | named)


@dataclass(slots=True)
class Task:
    """A running task: its process and address, and its log."""

    process: subprocess.Popen[bytes]
    url: str
    log: Path

    def stop(self) -> None:
        """Send SIGTERM."""
        self.process.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """Kill it, and wait for its end."""
        self.process.kill()
        self.process.wait()

    def ended(self) -> int:
        """Wait for its end, and return its exit code."""
        return self.process.wait(END_LIMIT_S)


class Tasks:
    """The tasks over one store, as ECS has them; those told to stop are not listed.

    Args:
        folder: for the logs.
        store: the store's URL.
        environment: variables of every task, such as those of an S3 server.
    """

    def __init__(
        self, folder: Path, store: str, environment: Mapping[str, str] | None = None
    ) -> None:
        self._folder = folder
        self._environment = {"ALBUMS_STORE": store, **(environment or {})}
        self._started: list[tuple[Task, int]] = []
        self.listed: list[Task] = []

    def start(self, **settings: object) -> Task:
        """Start a task on a free port, and wait until it answers.

        Raises:
            Wrong: it does not.
        """
        read_end, write_end = os.pipe()
        log = self._folder / f"task-{len(self._started)}.log"
        given = {f"ALBUMS_{name.upper()}": str(value) for name, value in settings.items()}
        kept = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
        with log.open("wb") as stderr:
            process = subprocess.Popen(
                [sys.executable, "-m", "examples.albums", "serve"],
                cwd=ROOT,
                env=kept
                | {"ALBUMS_PORT": "0", LIFELINE: str(read_end)}
                | self._environment
                | given,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=stderr,
                pass_fds=[read_end],
            )
        os.close(read_end)
        task = Task(process, "", log)
        self._started.append((task, write_end))
        task.url = _address(task)
        self.listed.append(task)
        return task

    def stop(self, task: Task) -> None:
        """Tell a task to stop; it is listed no more."""
        self.listed.remove(task)
        task.stop()

    def kill(self, task: Task) -> None:
        """Kill a task; it stays listed for a moment, as in ECS, but a look-up anew misses it."""
        task.kill()
        self.listed.remove(task)

    def urls(self) -> list[str]:
        """Return the addresses of the tasks."""
        return [task.url for task in tuple(self.listed)]

    def close(self) -> None:
        """Kill all tasks."""
        for task, lifeline in self._started:
            task.kill()
            os.close(lifeline)


@contextmanager
def running(
    folder: Path, number: int, environment: Mapping[str, str] | None = None, **settings: object
) -> Iterator[Tasks]:
    """Run tasks over a folder, or another store of the settings, until the end of the block."""
    folder.mkdir(parents=True, exist_ok=True)
    store = str(settings.pop("store", f"file://{folder}/store"))
    with ExitStack() as ends:
        tasks = Tasks(folder, store, environment)
        ends.callback(tasks.close)
        for _ in range(number):
            tasks.start(**settings)
        yield tasks


def _address(task: Task) -> str:
    """Return the task's address, which its log tells."""
    until = time.monotonic() + START_LIMIT_S
    while time.monotonic() < until and task.process.poll() is None:
        for line in task.log.read_text(errors="replace").splitlines():
            if '"event": "listening"' in line:
                url = "http://{}:{}".format(*json.loads(line)["address"])
                try:
                    if ask(url, "/health").status == http.HTTPStatus.OK:
                        return url
                except OSError:
                    break  # it listens, and does not answer yet
        time.sleep(0.05)
    raise Wrong(f"a task does not start:\n{task.log.read_text(errors='replace')[-3000:]}")
