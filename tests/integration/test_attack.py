"""Attacks on a service: callers without the key, scarce descriptors, and failing forks."""

from __future__ import annotations

import json
import resource
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

import httpx
import jwt
import psutil
import pytest

from mapreduce.wire.messages import Done, parse_event
from mapreduce.wire.tokens import LIFETIME_S, sign
from tests.integration.commands import ROOT
from tests.integration.one_mapper import KEY, Mapper, has_in_memory, running_mapper

PATIENCE_S = 1.5
IDLE = 300
FEW_FILES = 1024
FORK = """\
def fork():
    if Path(os.environ["FORK_FAILS"]).exists():
        raise OSError(errno.EAGAIN, os.strerror(errno.EAGAIN))
    return real()
"""
FORK_FAILS = f"""\
import errno, os
from pathlib import Path
from services.stage import start
real = os.fork
exec(compile({FORK!r}, start.__file__, "exec"))  # our own code: a job's fork would be guarded
os.fork = fork
start.start("mapper")
"""


@contextmanager
def _files(limit: int) -> Iterator[None]:
    """Limit the open files of processes that start in the block."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


@contextmanager
def _mapper_with_files(folder: Path, limit: int, **settings: str) -> Iterator[Mapper]:
    with ExitStack() as ends:
        with _files(limit):
            mapper = ends.enter_context(
                running_mapper(folder, MAPREDUCE_PATIENCE_S=str(PATIENCE_S), **settings)
            )
        yield mapper


def _connection(mapper: Mapper) -> socket.socket:
    url = httpx.URL(mapper.url)
    return socket.create_connection((url.host, url.port or 0), timeout=10)


@contextmanager
def _idle(mapper: Mapper, count: int) -> Iterator[list[socket.socket]]:
    """Open idle connections."""
    with ExitStack() as ends:
        yield [ends.enter_context(closing(_connection(mapper))) for _ in range(count)]


@contextmanager
def _flood(mapper: Mapper, count: int) -> Iterator[None]:
    """Open idle connections, and open a new one as soon as one closes."""
    over = threading.Event()

    def keep_coming() -> None:
        while not over.is_set():
            try:
                with _idle(mapper, count // 4):
                    over.wait(0.05)
            except OSError:
                continue

    threads = [threading.Thread(target=keep_coming) for _ in range(4)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        over.set()
        for thread in threads:
            thread.join()


def _posted(mapper: Mapper, body: bytes) -> httpx.Response:
    """Send a signed request; if the connection closes before the answer, send it again."""
    for _ in range(20):
        try:
            return mapper.post(body)
        except httpx.TransportError:
            continue
    raise AssertionError("no connection of twenty had an answer")


def _health_check(mapper: Mapper) -> int:
    """Return the exit code of the container's health check."""
    return subprocess.run(
        [sys.executable, "-m", "services.healthcheck"],
        env={"MAPREDUCE_PORT": str(httpx.URL(mapper.url).port), "PYTHONPATH": str(ROOT)},
        timeout=20,
        check=False,
    ).returncode


def _last(answer: httpx.Response) -> object:
    assert answer.status_code == 200, answer.text
    return parse_event.validate_json(answer.text.splitlines()[-1])


def _log(folder: Path) -> list[str]:
    return (folder / "log").read_text().splitlines() if (folder / "log").exists() else []


def _until(seconds: float, holds: object) -> bool:
    deadline = time.monotonic() + seconds
    while not holds():  # type: ignore[operator]
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


# -- connections -----------------------------------------------------------------------------------


def test_a_flood_up_to_the_file_limit_takes_no_slot(tmp_path: Path) -> None:
    """With 1,100 callers a dead worker is replaced, the next task succeeds, and the log stays
    short.
    """
    with _mapper_with_files(tmp_path, FEW_FILES) as mapper, _flood(mapper, 1100):
        for parameters in ({"die": True}, {}, {"die": True}, {}):
            answer = _posted(mapper, mapper.task(**parameters))
            assert ("failed" if parameters else "done") == getattr(_last(answer), "event", "")
        assert psutil.Process(mapper.process.pid).num_fds() <= FEW_FILES
    assert len(_log(tmp_path)) < 30, _log(tmp_path)[:40]


def test_with_no_descriptor_left_the_service_goes_on(tmp_path: Path) -> None:
    """Without a free descriptor the log stays short, and the slots stay correct and recover."""
    with running_mapper(tmp_path) as mapper:
        service = psutil.Process(mapper.process.pid)
        (fork_server,) = service.children()
        before = service.rlimit(psutil.RLIMIT_NOFILE)
        kept = _connection(mapper)
        client = httpx.Client(base_url=mapper.url)
        assert client.get("/health").json()["slots"] == 1
        for worker in fork_server.children():
            worker.kill()
        service.rlimit(psutil.RLIMIT_NOFILE, (3, before[1]))
        with _idle(mapper, 20):
            body = mapper.task()
            headers = {"authorization": f"Bearer {sign(KEY, '/map', body, time.time())}"}
            answers: list[httpx.Response] = []
            asking = threading.Thread(
                target=lambda: answers.append(
                    client.post("/map", content=body, headers=headers, timeout=30)
                )
            )
            asking.start()
            time.sleep(2.0)
            service.rlimit(psutil.RLIMIT_NOFILE, before)
            asking.join()
        assert getattr(_last(answers[0]), "event", "") == "done"
        assert mapper.health()["slots"] == 1
        client.close()
        kept.close()
    logged = _log(tmp_path)
    assert any("no worker could be started" in line for line in logged)
    assert len(logged) < 30, logged[:40]


def test_idle_connections_do_not_keep_the_health_check_out(tmp_path: Path) -> None:
    """With 300 idle connections the health check passes, `/health` answers, and a signed task
    succeeds.
    """
    with running_mapper(tmp_path) as mapper, _idle(mapper, IDLE):
        assert _health_check(mapper) == 0
        assert mapper.health()["ok"]
        assert getattr(_last(mapper.post(mapper.task())), "event", "") == "done"


def test_connections_are_bounded(tmp_path: Path) -> None:
    """Of 1,000 connections of one address the service keeps no more than its limit, and closes the
    oldest unsigned ones.
    """
    with running_mapper(tmp_path) as mapper, _idle(mapper, 1000) as opened:
        service = psutil.Process(mapper.process.pid)
        assert _until(10, lambda: service.num_fds() < 256), service.num_fds()
        opened[0].settimeout(5)
        with pytest.raises(ConnectionError):
            if not opened[0].recv(1):
                raise ConnectionResetError
        assert mapper.health()["ok"]


def test_a_stream_of_new_connections_does_not_cut_a_task_off(tmp_path: Path) -> None:
    """A stream of new connections closes no connection whose signed request is running."""
    with running_mapper(tmp_path) as mapper, _flood(mapper, 400):
        for _ in range(3):
            assert getattr(_last(_posted(mapper, mapper.task(seconds=0.3))), "event", "") == "done"
            assert _health_check(mapper) == 0


@pytest.mark.parametrize("path", ["/metrics", "/health", "/nothing"])
def test_answers_that_are_not_read_end(tmp_path: Path, path: str) -> None:
    """Requests whose answers are never read hold no connection beyond the timeout."""
    request = f"GET {path} HTTP/1.1\r\nhost: m\r\n\r\n".encode()
    with running_mapper(tmp_path, MAPREDUCE_PATIENCE_S=str(PATIENCE_S)) as mapper:
        service = psutil.Process(mapper.process.pid)
        before = service.num_fds()
        with ExitStack() as ends:
            for _ in range(5):
                connection = ends.enter_context(closing(socket.socket()))
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
                url = httpx.URL(mapper.url)
                connection.connect((url.host, url.port))
                connection.setblocking(False)
                for _ in range(40):
                    try:
                        connection.send(request * 100)
                    except BlockingIOError:
                        break
                    except ConnectionError:
                        break
            assert _until(30, lambda: service.num_fds() <= before + 1), (before, service.num_fds())
            assert _health_check(mapper) == 0


def test_an_answer_to_a_signed_request_that_is_not_read_ends(tmp_path: Path) -> None:
    """A signed request whose answer is never read frees its slot, and its connection closes."""
    with running_mapper(tmp_path, MAPREDUCE_PATIENCE_S="0.3") as mapper:
        service = psutil.Process(mapper.process.pid)
        body = mapper.task(prints=1)
        before = service.num_fds()
        with closing(_connection(mapper)) as connection:
            token = sign(KEY, "/map", body, time.time())
            head = (
                f"POST /map HTTP/1.1\r\nhost: m\r\nauthorization: Bearer {token}\r\n"
                f"content-length: {len(body)}\r\n\r\n"
            )
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            connection.sendall(head.encode() + body)
            for _ in range(3000):
                try:
                    connection.send(
                        b"GET /metrics HTTP/1.1\r\nhost: m\r\n\r\n" * 10, socket.MSG_DONTWAIT
                    )
                except OSError:
                    break
            assert _until(15, lambda: service.num_fds() <= before), (before, service.num_fds())
        mapper.wait_for(busy=0)


# -- messages --------------------------------------------------------------------------------------


def test_one_long_url_does_not_stop_the_loop(tmp_path: Path) -> None:
    """A URL of 800 KB is refused with 422, and `/health` answers in the meantime."""
    with running_mapper(tmp_path) as mapper:
        task = json.loads(mapper.task())
        long = mapper.store + "/a" * 400_000
        piece = task["split"]["pieces"][0] | {"url": long}
        for message in (task | {"store": long}, task | {"split": {"index": 0, "pieces": [piece]}}):
            started = time.monotonic()
            assert mapper.post(json.dumps(message).encode()).status_code == 422
            assert time.monotonic() - started < 2


def test_many_places_do_not_stop_the_loop(tmp_path: Path) -> None:
    """A message with thousands of long URLs is refused, and `/health` answers in the meantime."""
    settings = {"MAPREDUCE_MAX_BODY_MB": "64", "MAPREDUCE_PATIENCE_S": str(PATIENCE_S)}
    with running_mapper(tmp_path, **settings) as mapper:
        task = json.loads(mapper.task())
        piece = task["split"]["pieces"][0]
        deep = "/a" * 1900
        pieces = [piece | {"url": f"{mapper.store}/{number}{deep}"} for number in range(4000)]
        body = json.dumps(task | {"split": {"index": 0, "pieces": pieces}}).encode()
        answers: list[httpx.Response] = []
        asking = threading.Thread(target=lambda: answers.append(mapper.post(body)))
        asking.start()
        slowest = 0.0
        while asking.is_alive():
            started = time.monotonic()
            assert mapper.health()["ok"]
            slowest = max(slowest, time.monotonic() - started)
        asking.join()
        assert slowest < 1.5
        assert answers[0].status_code == 422
        assert "fewer objects" in answers[0].json()["message"]


def test_a_claim_that_is_no_digest_is_a_401(tmp_path: Path) -> None:
    """A lone surrogate as the body's digest, signed with the right key, gets 401."""
    with running_mapper(tmp_path) as mapper:
        body = mapper.task()
        for number, digest in enumerate(("\ud800", "", "x" * 64, 5)):
            claims = {
                "aud": "/map",
                "exp": int(time.time()) + LIFETIME_S,
                "body": digest,
                "jti": str(number),
            }
            assert mapper.post(body, jwt.encode(claims, KEY, algorithm="HS256")).status_code == 401


# -- processes -------------------------------------------------------------------------------------


def test_a_failed_fork_stops_neither_the_service_nor_the_other_slot(tmp_path: Path) -> None:
    """A failed fork is logged and takes one slot from `/health`; the slot returns when forks
    succeed.
    """
    program, fails = tmp_path / "program.py", tmp_path / "fails"
    program.write_text(FORK_FAILS)
    with running_mapper(tmp_path, (program,), FORK_FAILS=str(fails), MAPREDUCE_SLOTS="2") as mapper:
        answers: list[httpx.Response] = []
        threads = [
            threading.Thread(target=lambda: answers.append(mapper.post(mapper.task(seconds=1.0))))
            for _ in range(2)
        ]
        threads[0].start()
        mapper.wait_for(busy=1)
        (fork_server,) = psutil.Process(mapper.process.pid).children()
        until = time.monotonic() + 30  # the busy worker's template of the job has forked the task
        while max(len(each.children(recursive=True)) for each in fork_server.children()) < 2:
            assert time.monotonic() < until
            time.sleep(0.02)
        fails.touch()
        idle = next(worker for worker in fork_server.children() if not worker.children())
        idle.kill()
        threads[1].start()
        mapper.wait_for(slots=1)
        fails.unlink()
        for thread in threads:
            thread.join()
        assert ["done", "done"] == [getattr(_last(answer), "event", "") for answer in answers]
        mapper.wait_for(slots=2)
    logged = "\n".join(_log(tmp_path))
    assert "no worker could be started" in logged
    assert "Resource temporarily unavailable" in logged


def test_a_fork_that_fails_in_a_worker_fails_one_attempt(tmp_path: Path) -> None:
    """A failed fork in a worker fails one attempt with the cause; the next attempt succeeds."""
    program, fails = tmp_path / "program.py", tmp_path / "fails"
    program.write_text(FORK_FAILS)
    with running_mapper(tmp_path, (program,), FORK_FAILS=str(fails)) as mapper:
        fails.touch()
        lost = _last(mapper.post(mapper.task()))
        assert ("failed", "TaskLost") == (getattr(lost, "event", ""), lost.error.kind)  # type: ignore[attr-defined]
        assert "Resource temporarily unavailable" in lost.error.message  # type: ignore[attr-defined]
        fails.unlink()
        assert getattr(_last(mapper.post(mapper.task())), "event", "") == "done"


# -- logs and secrets ------------------------------------------------------------------------------


def test_callers_without_the_key_cause_few_log_lines(tmp_path: Path) -> None:
    """Invalid requests and upgrades are counted, and logged at intervals."""
    with running_mapper(tmp_path) as mapper:
        for request in (
            b"garbage\r\n\r\n",
            b"GET / HTTP/1.1\r\nhost: m\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n",
        ):
            for _ in range(300):
                with closing(_connection(mapper)) as connection:
                    connection.sendall(request)
                    connection.recv(1000)
    assert len(_log(tmp_path)) < 10, _log(tmp_path)[:20]


def test_the_key_is_in_no_environment(tmp_path: Path) -> None:
    """No process of a service, from the fork server to the tasks, has the key in its environment in
    /proc.
    """
    with running_mapper(tmp_path) as mapper:
        asking = threading.Thread(target=lambda: mapper.post(mapper.task(seconds=1.0)))
        asking.start()
        mapper.wait_for(busy=1)
        time.sleep(0.5)
        family = [
            psutil.Process(mapper.process.pid),
            *psutil.Process(mapper.process.pid).children(recursive=True),
        ]
        shown = [
            Path(f"/proc/{one.pid}/{name}").read_bytes()
            for one in family
            for name in ("environ", "cmdline")
        ]
        asking.join()
    assert len(family) >= 5, family
    assert not any(KEY.encode() in content for content in shown)


@pytest.mark.skipif(sys.platform != "linux", reason="/proc/<pid>/mem is Linux's")
def test_the_key_is_not_in_the_memory_of_workers_and_tasks(tmp_path: Path) -> None:
    """Workers and tasks do not have the key in memory, because they are forked before the service
    reads it; the service's memory is unreadable.
    """
    key = "".join(f"{number:02x}" for number in range(100, 132))
    with running_mapper(tmp_path, MAPREDUCE_SIGNING_KEY=key) as mapper:
        service = psutil.Process(mapper.process.pid)
        below = service.children(recursive=True)
        found = {one.pid for one in (service, *below) if has_in_memory(one.pid, key.encode())}
        owner = Path(f"/proc/{service.pid}/environ").stat().st_uid
    assert below
    assert found == {service.pid}
    assert owner == 0  # root owns /proc of a process that is not dumpable


def test_a_flood_of_prints_is_cut(tmp_path: Path) -> None:
    """Of a task's prints a mebibyte is logged, in whole lines, with a note that the rest was left
    out.
    """
    with running_mapper(tmp_path) as mapper:
        logged: list[bytes] = []
        assert mapper.process.stderr is not None
        reading = threading.Thread(
            target=logged.extend, args=(iter(mapper.process.stderr.readline, b""),)
        )
        reading.start()
        for number in (1, 2):
            assert isinstance(_last(mapper.post(mapper.task(prints=2000 * number))), Done)
        mapper.process.terminate()
        reading.join()
    printed = [line for line in logged if line.startswith(b"printed ")]
    assert all(len(line.rstrip()) > 1000 for line in printed)
    assert 2 * ((1 << 20) - 1100) < sum(map(len, printed)) <= 2 * (1 << 20)
    assert sum(b"too much was printed" in line for line in logged) >= 1
