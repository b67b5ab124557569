"""`python -m examples.albums` as a user runs it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from tests.faults.systems.albums.tasks import ROOT, add, ask

pytestmark = pytest.mark.timeout(120)
LIMIT_S = 60.0
MARK = "ALBUMS_TEST_MARK"


@contextmanager
def _running(*arguments: str, mark: str) -> Iterator[tuple[subprocess.Popen[str], list[str]]]:
    """Run the service on a laptop; yield the process and the lines that it prints at first."""
    with subprocess.Popen(
        [sys.executable, "-m", "examples.albums", "--port", "0", *arguments],
        cwd=ROOT,
        env=os.environ | {MARK: mark},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    ) as process:
        try:
            assert process.stdout is not None
            lines: list[str] = []
            while not lines or not lines[-1].endswith("Ctrl-C ends"):
                lines.append(process.stdout.readline().strip())
                assert lines[-1], lines
            yield process, lines
        finally:
            process.kill()


def _processes(mark: str) -> list[psutil.Process]:
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get(MARK) == mark:
                found.append(process)
        except psutil.Error:
            continue
    return found


def _wait_until_gone(mark: str) -> None:
    until = time.monotonic() + LIMIT_S
    while _processes(mark):
        assert time.monotonic() < until, "processes are left"
        time.sleep(0.05)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_however_it_ends_nothing_is_left(tmp_path: Path, number: signal.Signals) -> None:
    """Tasks end with the command; what was added is there for the next one."""
    mark = f"{os.getpid()}-{number}"
    with _running("--tasks", "2", "--store", str(tmp_path), mark=mark) as (process, lines):
        first, second = (line.removesuffix("/albums") for line in lines[:2])
        assert add(first, "4").status == 201
        assert ask(second, "/albums/4").status == 200
        process.send_signal(number)
        process.wait(LIMIT_S)
        _wait_until_gone(mark)
    with _running("--store", str(tmp_path), mark=mark) as (_, lines):
        assert ask(lines[0].removesuffix("/albums"), "/albums/4").status == 200
    _wait_until_gone(mark)


def test_without_a_folder_the_added_albums_go_with_the_command() -> None:
    """The temporary folder is removed at the end."""
    mark = f"{os.getpid()}-temporary"
    with _running(mark=mark) as (process, lines):
        folder = Path(lines[-1].split()[4])
        assert add(lines[0].removesuffix("/albums"), "4").status == 201
        assert (folder / "albums" / "4.json").is_file()
        process.send_signal(signal.SIGINT)
        process.wait(LIMIT_S)
    assert not folder.exists()
    _wait_until_gone(mark)


def test_a_task_that_dies_is_started_again(tmp_path: Path) -> None:
    """A request to a dead task waits until the task is back: its socket stays open."""
    mark = f"{os.getpid()}-dies"
    with _running("--store", str(tmp_path), mark=mark) as (process, lines):
        url = lines[0].removesuffix("/albums")
        assert ask(url, "/albums/1").status == 200
        (task,) = psutil.Process(process.pid).children()
        task.kill()
        assert ask(url, "/albums/1", timeout_s=LIMIT_S).status == 200
    _wait_until_gone(mark)


def test_load_counts_requests_to_a_running_service(tmp_path: Path) -> None:
    """`load` takes what the service printed, and its exit code says that nothing was lost."""
    mark = f"{os.getpid()}-load"
    with _running("--tasks", "2", "--store", str(tmp_path), mark=mark) as (_, lines):
        command = ["load", "--requests", "200", "--clients", "4", "--urls", *lines[:2]]
        done = subprocess.run(
            [sys.executable, "-m", "examples.albums", *command],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=True,
        )
        assert done.stdout.startswith(
            "200 requests: 200 answered, 0 by a second address, 0 lost, 0 wrong; "
        )
    _wait_until_gone(mark)


def test_wrong_settings_are_printed_with_their_variables() -> None:
    """A container with wrong settings ends with a line for each."""
    wrong = {"ALBUMS_PORT": "x", "ALBUMS_HOST": "0.0.0.0"}
    done = subprocess.run(
        [sys.executable, "-m", "examples.albums", "serve"],
        cwd=ROOT,
        env={k: v for k, v in os.environ.items() if not k.startswith("ALBUMS_")} | wrong,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    named = {line.partition(": ")[0] for line in done.stderr.splitlines()}
    assert named == {"ALBUMS_PORT", "ALBUMS_STORE", "ALBUMS_TLS"}


def test_the_health_check_asks_the_task(tmp_path: Path) -> None:
    """The container's health check is right about a task that runs, and about one that does not."""
    mark = f"{os.getpid()}-health"
    with _running("--store", str(tmp_path), mark=mark) as (_, lines):
        port = lines[0].removesuffix("/albums").rpartition(":")[2]
        assert ask(lines[0].removesuffix("/albums"), "/health").status == 200
        assert _healthy(port) == 0
    _wait_until_gone(mark)
    assert _healthy(port) == 1


def _healthy(port: str) -> int:
    return subprocess.run(
        [sys.executable, "-m", "services.healthcheck", "ALBUMS"],
        cwd=ROOT,
        env=os.environ | {"ALBUMS_PORT": port},
        check=False,
    ).returncode
