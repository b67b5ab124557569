"""A service that answers by TLS: its limits, what others see on its port, and whole runs."""

from __future__ import annotations

import asyncio
import json
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path

import httpx
import psutil
import pytest

from driver.transport.endpoint import Endpoint
from driver.transport.http import HttpTransport
from mapreduce.wire.certificates import host_name
from mapreduce.wire.messages import Done, MapTask, parse_event
from mapreduce.wire.tokens import sign
from tests.integration.commands import ROOT, Driver, ascii_words
from tests.integration.one_mapper import KEY, Mapper, running_mapper

PATIENCE_S = 1.5
TEXT = b"the cat and the dog and the bird\n" * 200
HELLO = bytes.fromhex("1603010200010001fc0303")
"""The first bytes of a TLS client's hello, which announce more."""


@contextmanager
def _mapper(folder: Path, **settings: str) -> Iterator[Mapper]:
    given = {"MAPREDUCE_TLS": "true", "MAPREDUCE_PATIENCE_S": str(PATIENCE_S)} | settings
    with running_mapper(folder, **given) as made:
        yield made


def _connection(mapper: Mapper) -> socket.socket:
    return socket.create_connection(("127.0.0.1", mapper.port), timeout=10)


def _encrypted(mapper: Mapper) -> ssl.SSLSocket:
    connection = _connection(mapper)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    assert mapper.tls is not None
    return mapper.tls.wrap_socket(connection, server_hostname=host_name("mapper"))


@contextmanager
def _stalled(mapper: Mapper, count: int, said: bytes) -> Iterator[list[socket.socket]]:
    """Open connections that send the start of a handshake, and no more."""
    with ExitStack() as ends:
        made = [ends.enter_context(closing(_connection(mapper))) for _ in range(count)]
        for each in made:
            each.sendall(said)
        yield made


def _health_check(mapper: Mapper) -> int:
    return subprocess.run(
        [sys.executable, "-m", "services.healthcheck"],
        env={"MAPREDUCE_PORT": str(mapper.port), "PYTHONPATH": str(ROOT)},
        timeout=20,
        check=False,
    ).returncode


def _last(answer: httpx.Response) -> object:
    assert answer.status_code == 200, answer.text
    return parse_event.validate_json(answer.text.splitlines()[-1])


def _until(seconds: float, holds: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


# -- limits ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("said", [b"", HELLO])
def test_an_unfinished_handshake_holds_no_place(tmp_path: Path, said: bytes) -> None:
    """With 300 connections in their handshake, callers and the health check are answered; at the
    time-out all are closed.
    """
    with _mapper(tmp_path, MAPREDUCE_PATIENCE_S="5") as mapper:
        service = psutil.Process(mapper.process.pid)
        before = service.num_fds()
        with _stalled(mapper, 300, said):
            assert _until(10, lambda: service.num_fds() > before + 150)  # they hold places
            assert _health_check(mapper) == 0
            assert mapper.health()["ok"]
            assert isinstance(_last(mapper.post(mapper.task())), Done)
            assert _until(20, lambda: service.num_fds() <= before + 1), service.num_fds()


def test_a_stream_of_unfinished_handshakes_does_not_cut_a_task_off(tmp_path: Path) -> None:
    """New connections that never finish their handshake close no connection of a running task."""
    over = threading.Event()

    def keep_coming(mapper: Mapper) -> None:
        while not over.is_set():
            try:
                with _stalled(mapper, 200, HELLO):
                    over.wait(0.05)
            except OSError:
                continue

    with _mapper(tmp_path) as mapper:
        thread = threading.Thread(target=keep_coming, args=(mapper,))
        answers: list[httpx.Response] = []
        asking = threading.Thread(
            target=lambda: answers.append(mapper.post(mapper.task(seconds=1.0)))
        )
        asking.start()
        mapper.wait_for(busy=1)
        thread.start()
        asking.join()
        over.set()
        thread.join()
        assert isinstance(_last(answers[0]), Done)
    assert len((tmp_path / "log").read_text().splitlines()) < 30


def test_an_unsigned_answer_that_is_not_read_ends(tmp_path: Path) -> None:
    """Requests by TLS whose answers are never read hold no connection beyond the time-outs."""
    request = b"GET /metrics HTTP/1.1\r\nhost: m\r\n\r\n"
    with _mapper(tmp_path) as mapper:
        service = psutil.Process(mapper.process.pid)
        before = service.num_fds()
        with ExitStack() as ends:
            for _ in range(2):
                connection = ends.enter_context(closing(_encrypted(mapper)))
                connection.settimeout(0.2)
                try:
                    for _ in range(40):
                        connection.sendall(request * 100)
                except OSError:
                    continue
            assert _until(60, lambda: service.num_fds() <= before), service.num_fds()
            assert _health_check(mapper) == 0


def test_a_signed_answer_that_is_not_read_frees_its_slot(tmp_path: Path) -> None:
    """A signed request by TLS whose caller stops reading ends its task, and frees the slot."""
    with _mapper(tmp_path, MAPREDUCE_PATIENCE_S="0.3") as mapper:
        service = psutil.Process(mapper.process.pid)
        body = mapper.task(seconds=600.0)
        token = sign(KEY, "/map", body, time.time())
        head = (
            f"POST /map HTTP/1.1\r\nhost: m\r\nauthorization: Bearer {token}\r\n"
            f"content-length: {len(body)}\r\n\r\n"
        ).encode()
        before = service.num_fds()
        with closing(_encrypted(mapper)) as connection:
            connection.sendall(head + body)
            mapper.wait_for(busy=1)
        assert _until(15, lambda: service.num_fds() <= before), service.num_fds()
        mapper.wait_for(busy=0)


# -- what others see -------------------------------------------------------------------------------


def test_plain_http_gets_no_answer(tmp_path: Path) -> None:
    """A plain request on the port ends at once without a byte, and the log stays short."""
    with _mapper(tmp_path) as mapper:
        for _ in range(50):
            with closing(_connection(mapper)) as connection:
                connection.sendall(b"GET /health HTTP/1.1\r\nhost: m\r\n\r\n")
                started = time.monotonic()
                assert b"" == connection.recv(1000)
                assert time.monotonic() - started < PATIENCE_S
        with pytest.raises(httpx.RemoteProtocolError, match="without sending a response"):
            httpx.get(f"http://127.0.0.1:{mapper.port}/health")
        assert mapper.health()["ok"]
    assert len((tmp_path / "log").read_text().splitlines()) < 10


def test_each_start_shows_another_certificate(tmp_path: Path) -> None:
    """Two starts of one service with one key have two certificates, and both are proven."""
    shown = set()
    for number in range(2):
        folder = tmp_path / str(number)
        folder.mkdir()
        with _mapper(folder) as mapper, closing(_encrypted(mapper)) as connection:
            assert "TLSv1.3" == connection.version()
            shown.add(connection.getpeercert(binary_form=True))
    assert 2 == len(shown)


def test_a_listener_between_them_reads_nothing(tmp_path: Path) -> None:
    """On the wire between driver and service there is no word of a request, its token, its answer
    or a failure; without TLS all of them are there.
    """
    words = [b"Bearer", b"no-such-parameter", b"ParameterError", b"HTTP/1.1"]
    for scheme in ("https", "http"):
        folder = tmp_path / scheme
        folder.mkdir()
        with _mapper(folder, MAPREDUCE_TLS=str(scheme == "https").lower()) as mapper:
            heard = _overheard(mapper, scheme)
        assert len(heard) > 1000
        assert [scheme == "http"] * len(words) == [word in heard for word in words], scheme


def _overheard(mapper: Mapper, scheme: str) -> bytes:
    """Send a task that fails through a relay; return all bytes of both directions."""
    kept: list[bytes] = []
    relays: list[asyncio.Task[None]] = []

    async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while block := await reader.read(65536):
            kept.append(block)
            writer.write(block)
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()

    async def relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        relay_task = asyncio.current_task()
        assert relay_task is not None
        relays.append(relay_task)
        there, back = await asyncio.open_connection("127.0.0.1", mapper.port)
        await asyncio.gather(pump(reader, back), pump(there, writer))

    async def ask() -> None:
        task = MapTask.model_validate_json(mapper.task(**{"no-such-parameter": 1}))
        async with await asyncio.start_server(relay, "127.0.0.1", 0) as listening:
            url = f"{scheme}://127.0.0.1:{listening.sockets[0].getsockname()[1]}"
            async with HttpTransport(KEY, 30.0) as transport:
                asked = Endpoint("mapper-0", url, 1, "mapper")
                events = [event async for event in transport.run(asked, task)]
            await asyncio.gather(*relays)
        assert "ParameterError" in events[-1].model_dump_json()

    asyncio.run(ask())
    return b"".join(kept)


# -- whole runs ------------------------------------------------------------------------------------

IMPOSTOR = """\
import dataclasses, socket, sys, threading
from driver.targets.local_fleet import LocalFleet
from services.shell.http.encryption import server_context

listening = socket.create_server(("127.0.0.1", 0))
context = server_context("another key " * 4, "mapper")
url = f"https://127.0.0.1:{listening.getsockname()[1]}"

def serve():
    while True:
        connection, _ = listening.accept()
        try:
            with context.wrap_socket(connection, server_side=True) as encrypted:
                print("GOT", encrypted.recv(65536), file=sys.stderr, flush=True)
        except OSError as exc:
            print("NO HANDSHAKE", exc, file=sys.stderr, flush=True)

threading.Thread(target=serve, daemon=True).start()
real = LocalFleet.endpoints

async def endpoints(self, stage):
    found = await real(self, stage)
    if stage != "map":
        return found
    changed = [dataclasses.replace(each, url=url) for each in found]
    return changed if ALL else [changed[0], *found[1:]]

LocalFleet.endpoints = endpoints
import driver.targets.local as local
local._all_answer = lambda fleet, transport: asyncio.sleep(0)
import asyncio
from driver.cli.app import main
main()
"""


def _run(driver: Driver, program: list[str], *options: str) -> subprocess.CompletedProcess[str]:
    (driver.folder / "in.txt").write_bytes(TEXT)
    (driver.folder / "impostor.py").write_text(IMPOSTOR)
    return subprocess.run(
        [
            *(sys.executable, *program, "run", "--target", "local", "--job", "word_count"),
            *("--input", "in.txt", "--chunks", "12", "--mappers", "2", "--output", "out.json"),
            *options,
        ],
        cwd=driver.folder,
        env=driver.environment | {"MAPREDUCE_TLS": "true"},
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )


def _counts(driver: Driver) -> object:
    return json.loads((driver.folder / "out.json").read_text())


@pytest.mark.parametrize(
    "options", [(), ("--chaos", "kill=0.2,error=0.2,duplicate=0.1,corrupt=0.1")]
)
def test_a_run_by_tls_has_the_plain_count(driver: Driver, options: tuple[str, ...]) -> None:
    """A run over services with TLS gives the plain count, with and without injected faults."""
    done = _run(driver, ["-m", "driver"], *options)
    assert done.returncode == 0, done.stderr
    assert dict(ascii_words(TEXT)) == _counts(driver)
    (log,) = driver.store.glob("runs/*/services.log")
    assert 4 == log.read_text().count('"tls": true')


def test_a_host_without_the_key_gets_nothing_and_ends_no_run(driver: Driver) -> None:
    """A mapper's address that another host has taken gets no request; the others do the work."""
    (driver.folder / "one.py").write_text(IMPOSTOR.replace("ALL", "False"))
    done = _run(driver, ["one.py"])
    assert done.returncode == 0, done.stderr
    assert dict(ascii_words(TEXT)) == _counts(driver)
    assert "NO HANDSHAKE" in done.stderr
    assert "GOT" not in done.stderr


def test_a_run_without_any_service_of_its_key_ends_with_the_reason(driver: Driver) -> None:
    """When no mapper's certificate is of the key, the run ends with exit code 3, and says why."""
    (driver.folder / "all.py").write_text(IMPOSTOR.replace("ALL", "True"))
    done = _run(driver, ["all.py"])
    assert done.returncode == 3, done.stderr
    assert "certificate that is not of this stack's key" in " ".join(done.stderr.split())
    assert "GOT" not in done.stderr
