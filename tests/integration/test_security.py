"""A service under attack, and the places where the signing key and records must never appear."""

from __future__ import annotations

import hashlib
import json
import re
import signal
import socket
import subprocess
import sys
import time
import warnings
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import jwt
import psutil
import pytest
from jwt.warnings import InsecureKeyLengthWarning

from mapreduce.wire.messages import Done, parse_event
from mapreduce.wire.tokens import LIFETIME_S, sign
from tests.integration.commands import Driver, Finished
from tests.integration.one_mapper import KEY, Mapper, running_mapper

PATIENCE_S = 1.0


@pytest.fixture(scope="module")
def mapper(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mapper]:
    """One mapper with short timeouts for all tests of this file."""
    with running_mapper(
        tmp_path_factory.mktemp("mapper"), MAPREDUCE_PATIENCE_S=str(PATIENCE_S)
    ) as made:
        yield made


def _connection(mapper: Mapper) -> socket.socket:
    url = httpx.URL(mapper.url)
    return socket.create_connection((url.host, url.port or 0), timeout=15)


def _head(token: str | None, *lines: str) -> bytes:
    authorization = () if token is None else (f"authorization: Bearer {token}",)
    return "\r\n".join(
        ["POST /map HTTP/1.1", "host: mapper", *authorization, *lines, "", ""]
    ).encode()


def _answer(connection: socket.socket) -> bytes:
    """Return all bytes until the end of the first answer, or of the connection."""
    received = b""
    while not re.search(rb"\r\n\r\n.*\}$", received, re.DOTALL):
        if not (block := connection.recv(4096)):
            break
        received += block
    return received


def _status(connection: socket.socket) -> int:
    return int(_answer(connection).split(b" ")[1])


def _seconds_until_closed(connection: socket.socket) -> float:
    started = time.monotonic()
    try:
        while connection.recv(4096):
            pass
    except ConnectionError:
        pass
    return time.monotonic() - started


def _signed(body: bytes, key: str = KEY, algorithm: str = "HS256", **claims: object) -> str:
    good: dict[str, object] = {
        "aud": "/map",
        "exp": int(time.time()) + LIFETIME_S,
        "body": hashlib.sha256(body).hexdigest(),
        "jti": str(time.perf_counter_ns()),
    }
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", InsecureKeyLengthWarning)
        return jwt.encode(good | claims, key, algorithm=algorithm)


# -- tokens ----------------------------------------------------------------------------------------


def test_a_token_is_good_once(mapper: Mapper) -> None:
    """A request that is sent again with the same token is refused; a fresh token is accepted."""
    body = mapper.task()
    token = sign(KEY, "/map", body, time.time())
    answers = [mapper.post(body, token), mapper.post(body, token), mapper.post(body)]
    assert [200, 401, 200] == [answer.status_code for answer in answers]


def test_a_token_is_used_up_by_a_request_that_was_refused(mapper: Mapper) -> None:
    """A token that was refused with another body is refused with its own body afterwards."""
    body = mapper.task()
    token = sign(KEY, "/map", body, time.time())
    assert [401, 401] == [mapper.post(sent, token).status_code for sent in (body + b" ", body)]


def test_every_refused_token_gets_the_same_answer(mapper: Mapper) -> None:
    """Every refused token gets the same bytes, except for the date."""
    body, now = mapper.task(), time.time()
    used = sign(KEY, "/map", body, now)
    mapper.post(body, used)
    tokens = {
        "wrong key": _signed(body, key="x" * 32),
        "expired": sign(KEY, "/map", body, now - LIFETIME_S - 1),
        "from the future": sign(KEY, "/map", body, now + 10),
        "long-lived": _signed(body, exp=int(now) + 3600),
        "another body": sign(KEY, "/map", body + b" ", now),
        "another path": sign(KEY, "/reduce", body, now),
        "several paths": _signed(body, aud=["/map", "/reduce"]),
        "unsigned": _signed(body, key="", algorithm="none"),
        "HS512": _signed(body, algorithm="HS512"),
        "garbage": "garbage",
        "dots": "a.b.c",
        "empty": "",
        "very long": "x" * 8000,
        "deep": "W1tb" * 2000 + ".e30.AAAA",
        "used": used,
    }
    lines = ["connection: keep-alive", f"content-length: {len(body)}"]
    requests = {name: _head(token, *lines) + body for name, token in tokens.items()}
    requests["no token"] = _head(None, *lines) + body
    requests["another scheme"] = _head(None, f"authorization: Basic {used}", *lines) + body
    requests["another host"] = requests["another path"].replace(
        b"host: mapper", b"host: mapper/reduce?"
    )
    answers = {}
    for name, request in requests.items():
        with closing(_connection(mapper)) as connection:
            connection.sendall(request)
            answers[name] = re.sub(rb"\r\ndate: [^\r]*", b"", _answer(connection))
    assert {answers["no token"]} == set(answers.values()), answers
    assert answers["no token"].startswith(b"HTTP/1.1 401 ")
    assert b'"message":"unauthorized"' in answers["no token"]


def test_nothing_but_health_and_metrics_is_open(mapper: Mapper) -> None:
    """Only `/health` and `/metrics` answer, without a description, redirect, or server version."""
    paths = [
        "/",
        "/map/",
        "/openapi.json",
        "/docs",
        "/redoc",
        "/split",
        "/reduce",
        "/health/",
        "/map/x",
    ]
    answers = {path: httpx.get(mapper.url + path) for path in paths}
    assert {404} == {answer.status_code for answer in answers.values()}
    assert 405 == httpx.get(f"{mapper.url}/map").status_code
    known = [httpx.get(mapper.url + path) for path in ("/health", "/metrics")]
    assert [200, 200] == [answer.status_code for answer in known]
    assert not any(
        told in answer.text for answer in known for told in (KEY, mapper.store, "run-1", "text.txt")
    )
    assert not any("server" in answer.headers for answer in answers.values())


# -- size and time ---------------------------------------------------------------------------------


def test_without_a_token_no_body_is_read(mapper: Mapper) -> None:
    """Without a token the answer comes before a body of a gigabyte is sent."""
    with closing(_connection(mapper)) as connection:
        connection.sendall(_head(None, "content-length: 1000000000"))
        assert 401 == _status(connection)
        assert _seconds_until_closed(connection) < 60


def test_a_body_that_is_announced_too_large_is_not_read(mapper: Mapper) -> None:
    """A body whose announced length is too large gets 413 before its first byte."""
    with closing(_connection(mapper)) as connection:
        connection.sendall(_head(_signed(b""), f"content-length: {(1 << 20) + 1}"))
        assert 413 == _status(connection)


def test_a_body_in_chunks_is_counted(mapper: Mapper) -> None:
    """A chunked body without an end gets 413 at the limit."""
    with closing(_connection(mapper)) as connection:
        connection.sendall(_head(_signed(b""), "transfer-encoding: chunked"))
        block = b"x" * (64 << 10)
        for _ in range(17):
            connection.sendall(b"%x\r\n%b\r\n" % (len(block), block))
        assert 413 == _status(connection)


def test_a_wrong_length(mapper: Mapper) -> None:
    """A body longer than announced fails its digest, and the rest is not taken as a request."""
    body = mapper.task()
    with closing(_connection(mapper)) as connection:
        connection.sendall(_head(_signed(body), f"content-length: {len(body) - 1}") + body)
        assert 401 == _status(connection)
    for lines in (
        ["content-length: -1"],
        ["content-length: 5", "content-length: 6"],
        ["content-length: x"],
    ):
        with closing(_connection(mapper)) as connection:
            connection.sendall(_head(_signed(body), *lines) + body)
            assert connection.recv(4096).startswith(b"HTTP/1.1 400 ")


def test_a_head_that_is_too_large(mapper: Mapper) -> None:
    """A head that is too large gets 400 and the connection closes, however its bytes arrive."""
    for lines in (["x: " + "y" * (20 << 10)], [f"x-{number}: {'y' * 90}" for number in range(300)]):
        with closing(_connection(mapper)) as connection:
            connection.sendall(_head(None, *lines)[:-2])
            assert connection.recv(4096).startswith(b"HTTP/1.1 400 ")


def test_a_trickling_body_holds_no_slot_and_ends(mapper: Mapper) -> None:
    """A slow body gets 408 at the timeout; meanwhile the only slot carries out another task."""
    body = mapper.task()
    with closing(_connection(mapper)) as connection:
        connection.sendall(_head(_signed(body), f"content-length: {len(body)}") + body[:1])
        started = time.monotonic()
        assert 200 == mapper.post(mapper.task()).status_code
        connection.settimeout(PATIENCE_S / 10)
        received = b""
        for number in range(1, 200):
            try:
                received = connection.recv(4096)
                break
            except TimeoutError:
                connection.sendall(body[number : number + 1])
        assert received.startswith(b"HTTP/1.1 408 ")
        connection.settimeout(10 * PATIENCE_S)
        while b"}" not in received and (more := connection.recv(4096)):  # the head may arrive alone
            received += more
        assert b'"kind":"TaskLost"' in received
        assert PATIENCE_S / 2 < time.monotonic() - started < 10 * PATIENCE_S
        assert mapper.health()["busy"] == 0


@pytest.mark.parametrize(
    "sent",
    [
        b"",
        b"POST /map HTTP/1.1\r\nhost: m\r\nx: ",
        b"\r\n",
        b"GET /health HTTP/1.1\r\nhost: m\r\n\r\nGET /h",
    ],
)
def test_a_trickling_head_ends(mapper: Mapper, sent: bytes) -> None:
    """A connection that is silent, or sends a head byte by byte, is closed at the timeout."""
    with closing(_connection(mapper)) as connection:
        connection.sendall(sent)
        started = time.monotonic()
        connection.settimeout(PATIENCE_S / 10)
        while time.monotonic() - started < 20 * PATIENCE_S:
            try:
                if not connection.recv(4096):
                    break
            except TimeoutError:
                if sent:
                    connection.sendall(b"x")
            except ConnectionError:
                break
        assert time.monotonic() - started < 10 * PATIENCE_S


def test_a_refused_caller_cannot_go_on_sending(mapper: Mapper) -> None:
    """After a 401 the service discards the body for a while, then closes the connection."""
    with closing(_connection(mapper)) as connection:
        connection.sendall(_head(None, "content-length: 1000000000"))
        assert 401 == _status(connection)
        started = time.monotonic()
        with pytest.raises(OSError):
            while time.monotonic() - started < 20 * PATIENCE_S:
                connection.sendall(b"x")
                time.sleep(PATIENCE_S / 50)


def test_callers_that_leave_at_once_hold_no_slot(mapper: Mapper) -> None:
    """Callers that send a whole request and disconnect hold no slot."""
    body = mapper.task()
    for number in range(10):
        with closing(_connection(mapper)) as connection:
            sent = body if number % 2 else body[:-1]
            connection.sendall(_head(_signed(body), f"content-length: {len(body)}") + sent)
    mapper.wait_for(busy=0)
    deadline = time.monotonic() + 20
    while (answer := mapper.post(mapper.task())).status_code == 503:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert 200 == answer.status_code


# -- places ----------------------------------------------------------------------------------------


def test_places_that_were_not_granted(mapper: Mapper) -> None:
    """A URL outside of the granted ones gets 403 in any field, before any work."""
    folder = Path(mapper.store.removeprefix("file://"))
    for name, target in (("etc", "/etc"), ("passwd", "/etc/passwd"), ("up", "..")):
        if not (folder / name).is_symlink():
            (folder / name).symlink_to(target)
    places = [
        *(
            "file:///etc/passwd",
            "http://169.254.169.254/latest/meta-data/",
            "https://example.org/",
            "ftp://x/y",
        ),
        *(
            "s3://bucket/key",
            "s3://169.254.169.254/x",
            "/etc/passwd",
            "",
            "file:/etc/passwd",
            "FILE:///etc/passwd",
        ),
        *(
            mapper.store + tail
            for tail in ("/../secret", "/./x", "//x", "-of-others/x", "/a\x00b", "/a\nb", "/x/..")
        ),
        *(
            mapper.store + tail
            for tail in ("/etc/passwd", "/passwd", "/up/code/slow.py", "/etc/a-new-file")
        ),
    ]
    task = json.loads(mapper.task())
    for place in places:
        piece = task["split"]["pieces"][0] | {"url": place}
        reading = json.dumps(task | {"split": {"index": 0, "pieces": [piece]}}).encode()
        writing = json.dumps(task | {"store": place}).encode()
        for body in (reading, writing):
            answer = mapper.post(body)
            assert (403, "RefusedURL") == (answer.status_code, answer.json()["kind"]), (
                place,
                answer.text,
            )


def test_a_message_of_any_depth_or_size_is_a_422(mapper: Mapper) -> None:
    """A message that the parser refuses gets 422 and a short answer."""
    task = json.loads(mapper.task())
    deep = mapper.task(deep="HERE").replace(b'"HERE"', b"[" * 5000 + b"]" * 5000)
    huge = mapper.task(huge="HERE").replace(b'"HERE"', b"9" * 50_000)
    strange = json.dumps(task | {"x" * 50_000: 1}).encode()
    for body in (deep, huge, strange, b"\xff", b"", b"null", b'"\xed\xa0\x80"'):
        answer = mapper.post(body)
        assert 422 == answer.status_code
        assert len(answer.content) < 2000


# -- the key and the records -----------------------------------------------------------------------

JOB = """\
import os, time
from mapreduce import Job, Sum

class Lengths(Job):
    pause_s: float = 0.0
    fails_on: str = ""
    prints_environment: bool = False
    reduce = Sum()

    def map(self, key, value):
        time.sleep(self.pause_s)
        if self.prints_environment:
            print(sorted(os.environ.items()), flush=True)
        if self.fails_on and self.fails_on in value:
            raise ValueError("no good")
        yield len(value) % 2, 1
"""
DRIVER = """\
import sys
from pathlib import Path
from mapreduce.wire import tokens
key = Path(sys.argv.pop(1))
tokens.new_key = lambda: key.read_text()
from driver.cli.app import main
main()
"""
SECRET = "0123456789abcdef" * 4


@pytest.fixture
def lengths(driver: Driver) -> list[str]:
    """A job, a text and a known key: the arguments of a command that uses them."""
    (driver.folder / "lengths.py").write_text(JOB)
    (driver.folder / "keyed.py").write_text(DRIVER)
    (driver.folder / "key").write_text(SECRET)
    (driver.folder / "in.txt").write_text(
        "".join(f"confidential-{number:04d} {'z' * 600}\n" for number in range(40))
    )
    return ["--job", "lengths.py", "--input", "in.txt", "--mappers", "2"]


def _started(driver: Driver, arguments: list[str]) -> psutil.Popen:
    return psutil.Popen(
        [sys.executable, "keyed.py", "key", "run", *arguments],
        cwd=driver.folder,
        env=driver.environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def _run(driver: Driver, arguments: list[str]) -> Finished:
    process = _started(driver, arguments)
    out, err = process.communicate(timeout=100)
    return Finished(process.returncode, out, err)


def _stored(driver: Driver) -> dict[str, bytes]:
    return {
        str(path.relative_to(driver.store)): path.read_bytes()
        for path in driver.store.rglob("*")
        if path.is_file()
    }


def test_logs_and_outputs_hold_no_key_and_no_record(driver: Driver, lengths: list[str]) -> None:
    """Output, logs and store contain neither key nor records, though the job prints its
    environment.
    """
    done = _run(driver, [*lengths, "--param", "prints_environment=true"])
    assert done.code == 0, done.err
    stored = _stored(driver)
    logs = [content for name, content in stored.items() if name.endswith("services.log")]
    assert len(logs) == 1
    assert b'"outcome": "done"' in logs[0]
    everything = [done.out.encode(), done.err.encode(), *stored.values()]
    assert not any(SECRET.encode() in content for content in everything)
    assert not any(b"confidential" in content for content in everything)


def test_of_a_failure_the_one_record_is_shown_and_cut(driver: Driver, lengths: list[str]) -> None:
    """A failure shows the author the one record, cut to a limit, and no other; the services' logs
    have none.
    """
    done = _run(driver, [*lengths, "--param", "fails_on=confidential-0007"])
    assert done.code == 1
    assert "confidential-0007" in done.err
    stored = _stored(driver)
    everything = {"out": done.out.encode(), "err": done.err.encode()} | stored
    for name, content in everything.items():
        assert SECRET.encode() not in content, name
        assert {b"confidential-0007"} >= set(re.findall(rb"confidential-\d+", content)), name
        assert b"z" * 250 not in content, name
    (log,) = (content for name, content in stored.items() if name.endswith("services.log"))
    assert b"confidential" not in log


def test_a_local_fleet_is_on_loopback_and_its_key_in_no_process_table(
    driver: Driver, lengths: list[str]
) -> None:
    """During a local run every socket listens on 127.0.0.1, and no command line, environment or
    file has the key.
    """
    process = _started(driver, [*lengths, "--param", "pause_s=1"])
    try:
        deadline = time.monotonic() + 60
        listening: set[Any] = set()
        found: list[psutil.Process] = []
        while (
            len(listening) < 4 or len(found) < 8
        ):  # driver, fleet, and four services with their fork servers
            assert time.monotonic() < deadline
            assert process.poll() is None, process.communicate()
            found = driver.processes()
            listening |= {
                connection.laddr
                for one in found
                for connection in one.net_connections("inet")
                if connection.status == psutil.CONN_LISTEN
            }
            time.sleep(0.05)
        assert {"127.0.0.1"} == {address.ip for address in listening}
        for one in found:
            assert SECRET not in " ".join(one.cmdline())
            assert SECRET not in json.dumps(one.environ())
        assert not any(SECRET.encode() in content for content in _stored(driver).values())
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
        process.communicate(timeout=60)
    assert driver.wait_until_none_is_left() == []


def test_each_local_run_has_its_own_key(driver: Driver, lengths: list[str]) -> None:
    """Each run creates one key, and the next run another one."""
    (driver.folder / "keyed.py").write_text(
        DRIVER.replace("tokens.new_key =", "made = tokens.new_key\ntokens.new_key =").replace(
            "key.read_text()", "[new := made(), key.open('a').write(new + ' ')][0]"
        )
    )
    (driver.folder / "key").write_text("")
    for _ in range(2):
        assert _run(driver, [*lengths, "--fresh"]).code == 0
    keys = (driver.folder / "key").read_text().split()
    assert len(keys) == len(set(keys)) == 2
    assert all(re.fullmatch("[0-9a-f]{64}", key) for key in keys)


def test_a_run_whose_key_is_not_the_services_ends_at_once(
    driver: Driver, lengths: list[str]
) -> None:
    """A run with a wrong key ends with one line and exit code 3, after at most one attempt."""
    script = (driver.folder / "keyed.py").read_text()
    (driver.folder / "keyed.py").write_text(
        script.replace(
            "from driver.cli",
            "from driver.transport import http as client\n"
            "client.sign = lambda key, *rest: tokens.sign('x' * 32, *rest)\nfrom driver.cli",
        )
    )
    done = _run(driver, lengths)
    assert done.code == 3
    assert "does not accept our signature (401): it has another signing key" in " ".join(
        done.err.split()
    )
    events = next(
        content for name, content in _stored(driver).items() if name.endswith("events.jsonl")
    )
    assert events.count(b'"attempt-failed"') + events.count(b"AttemptFailed") <= 1


def test_a_service_by_hand_forgets_the_key_in_its_environment(mapper: Mapper) -> None:
    """A job finds no key in the environment of a service that was started by hand."""
    (*_, done) = [
        parse_event.validate_json(line)
        for line in mapper.post(mapper.task(counts_keys=True)).iter_lines()
    ]
    assert isinstance(done, Done)
    assert {"keys": 0} == done.result.model_dump()["counters"]
