"""The router in a process of its own, before replicas that fail on demand."""

from __future__ import annotations

import asyncio
import json
import socket
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from examples.serving.bench.fleet import ReplicaProcess, RouterProcess, ask, listed
from examples.serving.bench.replica import Mode
from examples.serving.load import Sample, arrivals, closed_loop, open_loop, summary_of
from examples.serving.router.connections import Address, Request

INFER = "/v2/models/digits/infer"
pytestmark = pytest.mark.timeout(90)
Start = Callable[..., tuple[RouterProcess, list[ReplicaProcess]]]


@pytest.fixture
def start() -> Iterator[Start]:
    """Return a function that starts replicas, and a router in front of them."""
    with ExitStack() as stack:

        def started(
            count: int, mean_ms: float = 0, *, ready: int | None = None, **settings: str
        ) -> tuple[RouterProcess, list[ReplicaProcess]]:
            replicas = []
            for number in range(count):
                replica = ReplicaProcess(f"task/{number}", mean_ms, seed=number)
                stack.callback(replica.kill)
                replicas.append(replica)
            models = settings.pop("models", listed([each.address for each in replicas]))
            router = RouterProcess(models, {"probe_s": "0.1", "discover_s": "0.1"} | settings)
            stack.callback(router.stop)
            router.await_ready(count if ready is None else ready)
            return router, replicas

        yield started


def _request(number: int) -> Request:
    return Request("POST", INFER.encode(), (), json.dumps({"id": number}).encode())


def _load(router: RouterProcess, count: int, clients: int = 8) -> list[Sample]:
    return asyncio.run(closed_loop(router.address, _request, count, clients))


def _check_own_answers(samples: list[Sample], count: int) -> None:
    """Check that each caller got the answer to its own request, once."""
    echoed = Counter(json.loads(each.body)["echo"]["id"] for each in samples)
    assert echoed == Counter(range(count))


def test_requests_are_shared_and_pass_unchanged(start: Start) -> None:
    """Every caller gets its own answer, who gave it is named, and all replicas give some."""
    router, _ = start(3)
    samples = _load(router, 300)
    _check_own_answers(samples, 300)
    shares = summary_of(samples).by_container
    assert set(shares) == {"task/0", "task/1", "task/2"}
    assert min(shares.values()) > 50


def test_status_and_body_of_a_refused_request_pass(start: Start) -> None:
    """A path that the model does not know gets the model's own answer."""
    router, _ = start(1)
    assert ask(router.address, "GET", "/v2/models/other") == (404, b'{"error": "not here"}')


@pytest.mark.parametrize("mode", ["error", "unloaded", "cut", "unauthorized"])
def test_a_bad_replica_costs_no_answer(start: Start, mode: Mode) -> None:
    """Failed attempts are tried on another replica, and the bad one is ejected."""
    router, replicas = start(3)
    replicas[0].set_mode(mode)
    samples = _load(router, 400)
    assert summary_of(samples).statuses == {200: 400}
    _check_own_answers(samples, 400)
    assert router.metric("router_ejections_total") >= 1
    assert router.metric("router_retries_total") <= 20 + 0.2 * 400


def test_a_killed_replica_costs_no_answer(start: Start) -> None:
    """What was in flight at it is answered by another one."""
    router, replicas = start(3, mean_ms=5)

    async def load() -> list[Sample]:
        loading = asyncio.create_task(closed_loop(router.address, _request, 600, 16))
        await asyncio.sleep(0.3)
        await asyncio.to_thread(replicas[1].kill)
        return await loading

    samples = asyncio.run(load())
    assert summary_of(samples).statuses == {200: 600}
    _check_own_answers(samples, 600)


def test_a_hung_replica_holds_up_its_requests_for_a_moment_only(start: Start) -> None:
    """A replica that accepts and never answers is found by its probes, not by the long limit."""
    router, replicas = start(3, mean_ms=5, timeout_s="60")
    replicas[2].pause()
    began = time.monotonic()
    samples = _load(router, 300, clients=12)
    replicas[2].resume()
    assert summary_of(samples).statuses == {200: 300}
    assert time.monotonic() - began < 20


def test_without_a_replica_the_answer_is_a_503_at_once(start: Start) -> None:
    """When all are gone, callers are told to come back, and do not wait."""
    router, replicas = start(2)
    for replica in replicas:
        replica.kill()
    samples = _load(router, 60)
    assert set(summary_of(samples).statuses) <= {502, 503}
    last = sorted(samples, key=lambda each: each.at_s)[-20:]
    assert {each.status for each in last} == {503}
    assert max(each.seconds for each in last) < 1
    assert b"no container of the model is ready" in last[-1].body


def test_all_bad_replicas_start_no_storm(start: Start) -> None:
    """If every attempt fails, a fifth of the requests is tried twice, and no more."""
    router, replicas = start(3)
    for replica in replicas:
        replica.set_mode("error")
    samples = _load(router, 300)
    assert summary_of(samples).good == 0
    assert router.metric("router_retries_total") <= 20 + 0.2 * 300
    assert router.metric("router_attempts_total") <= 300 * 1.2 + 20


def test_a_starting_replica_gets_nothing(start: Start) -> None:
    """A replica that is not ready is not asked; when it is, it gets its share."""
    router, replicas = start(2)
    replicas[0].set_mode("starting")
    router.await_ready(1)
    assert set(summary_of(_load(router, 50)).by_container) == {"task/1"}
    replicas[0].set_mode("good")
    router.await_ready(2)
    assert set(summary_of(_load(router, 100)).by_container) == {"task/0", "task/1"}


def test_the_list_of_replicas_changes_under_load(start: Start, tmp_path: Path) -> None:
    """1 -> 3 -> 1 replicas: no request fails, and each list is used."""
    file = tmp_path / "replicas"
    file.write_text("# none yet\n")
    router, replicas = start(3, mean_ms=2, ready=0, models=f"file://{file}")

    def name(count: int) -> None:
        file.write_text("\n".join(str(each.address) for each in replicas[:count]))
        router.await_ready(count)

    name(1)

    async def load() -> list[Sample]:
        loading = asyncio.create_task(closed_loop(router.address, _request, 800, 4))
        for count in (3, 1):
            await asyncio.sleep(0.2)
            await asyncio.to_thread(name, count)
        return await loading

    found = summary_of(asyncio.run(load()))
    assert found.statuses == {200: 800}
    assert set(found.by_container) == {"task/0", "task/1", "task/2"}


def test_a_list_that_cannot_be_read_stays(start: Start, tmp_path: Path) -> None:
    """A look-up that fails changes nothing, and is counted."""
    file = tmp_path / "replicas"
    file.write_text("")
    router, replicas = start(1, ready=0, models=f"file://{file}")
    file.write_text(str(replicas[0].address))
    router.await_ready(1)
    file.unlink()
    until = time.monotonic() + 10
    while not router.metric("router_lookups_failed_total") and time.monotonic() < until:
        time.sleep(0.05)
    assert router.metric("router_lookups_failed_total") >= 1
    assert summary_of(_load(router, 20)).statuses == {200: 20}


def test_a_caller_that_hangs_up_cancels_its_request(start: Start) -> None:
    """The replica stops working for a caller that does not wait, and its place is free again."""
    router, replicas = start(1, mean_ms=1)
    replicas[0].set_mode("slow")
    replica = replicas[0]
    hung_up = 0
    until = time.monotonic() + 20
    while replica.counts()["cancelled"] == 0 and time.monotonic() < until:
        with socket.create_connection((router.address.host, router.address.port)) as connection:
            head = f"POST {INFER} HTTP/1.1\r\nhost: a\r\ncontent-length: 2\r\n\r\n{{}}"
            connection.sendall(head.encode())
            time.sleep(0.005)
        hung_up += 1
    assert replica.counts()["cancelled"] >= 1
    assert router.metric("router_hung_up_total") >= 1
    replica.set_mode("good")
    until = time.monotonic() + 10
    while router.metric("router_in_flight") and time.monotonic() < until:
        time.sleep(0.02)
    assert router.metric("router_in_flight") == 0


def test_overload_is_refused_at_once(start: Start) -> None:
    """At three times the capacity good answers go on, and the others are 503, all with a reason.

    How many and how quick is measured by the bench; the machine of a test has other work.
    """
    router, _ = start(2, mean_ms=20, in_flight="4", waiting="8")
    times = arrivals(rate=300, count=600, seed=3)
    samples = asyncio.run(open_loop(router.address, _request, times))
    found = summary_of(samples)
    assert set(found.statuses) == {200, 503}
    refusals = [each for each in samples if each.status == 503]
    assert all(b"busy; ask again" in each.body or b"as it takes" in each.body for each in refusals)
    assert router.metric("router_refusals_total") == len(refusals)
    assert router.metric("router_in_flight") == router.metric("router_waiting") == 0


def test_a_canary_and_a_shadow(start: Start) -> None:
    """The canary gets its share, the shadow gets copies whose answers no caller sees."""
    canary, shadow = ReplicaProcess("canary/0"), ReplicaProcess("shadow/0", mean_ms=1)
    try:
        router, _ = start(
            2,
            ready=4,
            canary=str(canary.address),
            canary_percent="10",
            shadow=str(shadow.address),
        )
        found = summary_of(_load(router, 2000))
        assert found.statuses == {200: 2000}
        assert 140 <= found.by_container["canary/0"] <= 260
        assert "shadow/0" not in found.by_container
        assert shadow.counts()["begun"] > 0
        # a broken canary costs no answer, and a hung shadow no time
        canary.set_mode("error")
        shadow.pause()
        assert summary_of(_load(router, 500)).statuses == {200: 500}
        shadow.resume()
    finally:
        canary.kill()
        shadow.kill()


def test_a_router_that_stops_answers_what_it_has(start: Start) -> None:
    """SIGTERM: the request in flight is answered, and the exit is clean."""
    router, replicas = start(1, mean_ms=20)
    replicas[0].set_mode("slow")

    async def stop() -> tuple[list[Sample], int]:
        loading = asyncio.create_task(closed_loop(router.address, _request, 1, 1))
        while not await asyncio.to_thread(replicas[0].counts) or not replicas[0].counts()["begun"]:
            await asyncio.sleep(0.01)
        code = await asyncio.to_thread(router.terminate)
        return await loading, code

    samples, code = asyncio.run(stop())
    assert [each.status for each in samples] == [200]
    assert code in (0, -15)


def test_a_body_over_the_limit_is_refused(start: Start) -> None:
    """A body of more than the limit gets 413, in the protocol's form."""
    router, _ = start(1, max_body_mb="1")
    status, body = ask(router.address, "POST", INFER, b"x" * (1 << 20) + b"y")
    assert status == 413
    assert json.loads(body) == {"error": "the request is larger than 1 MiB"}


def _begun(router: RouterProcess, size: int, sent: int) -> socket.socket:
    """Return a connection with a request whose body is not whole."""
    connection = socket.create_connection((router.address.host, router.address.port), 10)
    head = f"POST {INFER} HTTP/1.1\r\nhost: a\r\ncontent-length: {size}\r\n\r\n"
    connection.sendall(head.encode() + b"x" * sent)
    return connection


def test_a_body_that_does_not_come_is_given_up(start: Start) -> None:
    """A caller that stops in the middle of a body is told so, and the connection ends."""
    router, _ = start(1, patience_s="0.5")
    with _begun(router, size=100, sent=10) as connection:
        answer = b"".join(iter(lambda: connection.recv(4096), b""))
    assert answer.startswith(b"HTTP/1.1 408")
    assert b"did not arrive in 0.5 s" in answer


def test_bodies_over_all_are_limited(start: Start) -> None:
    """What would fill the memory is refused at once, and taken when there is room again."""
    router, _ = start(1, bodies_mb="2", patience_s="60")
    body = json.dumps({"id": 1}).encode() + b" " * (1 << 20)
    unfinished = [_begun(router, size=1 << 20, sent=1_000_000) for _ in range(2)]
    until = time.monotonic() + 10
    while router.metric("router_body_bytes") < 2_000_000:
        assert time.monotonic() < until
    status, answer = ask(router.address, "POST", INFER, body)
    assert status == 503
    assert b"as many request bodies as it can" in answer
    assert ask(router.address, "POST", INFER, b"{}")[0] == 200
    for connection in unfinished:
        connection.close()
    while ask(router.address, "POST", INFER, body)[0] != 200:
        assert time.monotonic() < until


def test_a_wrong_setting_is_named() -> None:
    """A source of replicas that cannot be understood ends the start with its variable."""
    with pytest.raises(RuntimeError, match="ROUTER_MODELS: .*nonsense.* is no address"):
        RouterProcess("nonsense")


def test_a_dead_address_is_just_not_there(start: Start) -> None:
    """A port without a container is no failure: the others answer."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    one = ReplicaProcess("task/0")
    try:
        router, _ = start(0, ready=1, models=f"{one.address},{Address('127.0.0.1', port)}")
        assert summary_of(_load(router, 20)).statuses == {200: 20}
    finally:
        one.kill()
