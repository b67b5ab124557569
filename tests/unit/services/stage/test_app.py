"""A service over ASGI in this process, with fake workers."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, cast

import httpx
import pytest
from fastapi import FastAPI

from mapreduce.errors import RefusedURL, UsageError
from mapreduce.storage import Grants
from mapreduce.wire.build import this_build
from mapreduce.wire.messages import (
    AttemptId,
    ByteRange,
    Cost,
    Done,
    Failed,
    InputObject,
    JobSpec,
    MapTask,
    ReduceTask,
    Split,
    SplitResult,
    SplitRule,
    SplitTask,
    StageName,
    StoredObject,
    TaskError,
)
from mapreduce.wire.tokens import sign
from services.mapper import app as mapper
from services.reducer import app as reducer
from services.shell.http.replays import Crowded
from services.shell.serve import State
from services.splitter import app as splitter
from services.stage.app import check_urls, create_app
from services.stage.settings import Settings
from services.stage.workers.pool import Busy, Event, WorkerPool

KEY = "k" * 32
STORE = "file:///store"
TASK = SplitTask(run="run-1", store=STORE, inputs=(), cut=SplitRule(splits=1))


class _Pool:
    """Two slots whose tasks send scripted events."""

    able = 2

    def __init__(self, *lines: bytes) -> None:
        self.busy = 0
        self.asked: list[SplitTask] = []
        self.ended = 0
        self.life: list[str] = []
        self.lines = lines or (_done(),)
        self.hangs = False

    async def start(self, lost: Callable[[], None]) -> None:
        """Record it."""
        self.life.append("started")

    async def close(self) -> None:
        """Record it."""
        self.life.append("closed")

    def take(self) -> None:
        """Take a slot."""
        if self.busy >= self.able:
            raise Busy
        self.busy += 1

    async def run(self, task: SplitTask) -> AsyncIterator[Event]:
        """Yield the lines; the last is the last event."""
        self.asked.append(task)
        try:
            for number, line in enumerate(self.lines, 1):
                yield Event(line, last=number == len(self.lines) and not self.hangs)
            if self.hangs:
                await asyncio.Event().wait()
        finally:
            self.busy -= 1
            self.ended += 1


def _done() -> bytes:
    result = SplitResult(
        splits=(),
        bytes_read=0,
        bytes_written=0,
        cost=Cost(seconds=0.1, peak_memory_bytes=1),
    )
    return Done(attempt=AttemptId.of(TASK), result=result).model_dump_json().encode() + b"\n"


def _failed() -> bytes:
    error = TaskError(kind="StorageError", message="it broke")
    return Failed(attempt=AttemptId.of(TASK), error=error).model_dump_json().encode() + b"\n"


def _app(pool: _Pool, state: State | None = None, **settings: Any) -> FastAPI:
    given = Settings(**({"store": STORE, "signing_key": KEY} | settings))
    return create_app(
        given, cast(WorkerPool, pool), state or State(), stage="split", message=SplitTask
    )


@asynccontextmanager
async def _client(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    """Yield a client of the running app."""

    async def with_state(scope: Any, receive: Any, send: Any) -> None:
        scope.setdefault("state", {})
        await app(scope, receive, send)

    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(
            transport=httpx.ASGITransport(with_state), base_url="http://service"
        ) as client,
    ):
        yield client


def _headers(body: bytes, path: str = "/split", key: str = KEY) -> dict[str, str]:
    return {"authorization": f"Bearer {sign(key, path, body, time.time())}"}


def _posted(app: FastAPI, body: bytes, headers: dict[str, str] | None = None) -> httpx.Response:
    """Return the answer to one request, which is signed unless headers are given."""

    async def post() -> httpx.Response:
        async with _client(app) as client:
            return await client.post(
                "/split", content=body, headers=_headers(body) if headers is None else headers
            )

    return asyncio.run(post())


BODY = TASK.model_dump_json().encode()


# -- answers -----------------------------------------------------------------------------------


def test_a_signed_task_is_answered_with_its_events() -> None:
    """A signed task is answered with its events, a line each, and its slot is freed."""
    pool = _Pool(b'{"event":"started"}\n', _done())
    answer = _posted(_app(pool), BODY)
    assert (200, "application/jsonl") == (
        answer.status_code,
        answer.headers["content-type"].partition(";")[0],
    )
    assert b"".join(pool.lines) == answer.content
    assert ([TASK], 0) == (pool.asked, pool.busy)
    assert ["started", "closed"] == pool.life


def test_health_shows_slots_and_build() -> None:
    """/health shows slots and build without a token, draining or not."""
    pool, state = _Pool(), State()
    pool.busy = 1
    state.draining = True

    async def ask() -> Any:
        async with _client(_app(pool, state)) as client:
            return (await client.get("/health")).json()

    told = asyncio.run(ask())
    assert (True, "split", 2, 1, True) == tuple(
        told[name] for name in ("ok", "role", "slots", "busy", "draining")
    )
    assert this_build().model_dump() == told["build"]
    assert told["image_tag"] is None


def test_health_names_the_image() -> None:
    """In a container /health has the tag of its image, from the container's environment."""

    async def ask() -> Any:
        async with _client(_app(_Pool(), image_tag="dd86c6438616")) as client:
            return (await client.get("/health")).json()

    assert "dd86c6438616" == asyncio.run(ask())["image_tag"]


def test_a_long_event_is_sent_in_pieces() -> None:
    """An event of megabytes goes out in pieces, so that the server can wait between them."""
    long = _failed()[:-1] + b" " * (200 << 10) + b"\n"
    pieces: list[bytes] = []

    async def post() -> None:
        app = _app(_Pool(long))
        async with app.router.lifespan_context(app):
            scope = {
                "type": "http",
                "method": "POST",
                "path": "/split",
                "headers": [(k.encode(), v.encode()) for k, v in _headers(BODY).items()],
                "query_string": b"",
                "state": {},
            }
            bodies = [{"type": "http.request", "body": BODY, "more_body": False}]

            async def receive() -> Any:
                if bodies:
                    return bodies.pop()
                return await asyncio.Event().wait()

            async def send(message: Any) -> None:
                pieces.append(message.get("body", b""))

            await app(scope, receive, send)

    asyncio.run(post())
    assert long == b"".join(pieces)
    assert max(map(len, pieces)) <= 64 << 10


def test_metrics_count_answers_and_outcomes() -> None:
    """/metrics counts answers by status and tasks by outcome."""
    pool = _Pool()

    async def ask() -> str:
        async with _client(_app(pool)) as client:
            for pool.lines in ((_done(),), (_failed(),)):
                await client.post("/split", content=BODY, headers=_headers(BODY))
            await client.post("/split", content=BODY)
            return (await client.get("/metrics")).text

    lines = set(asyncio.run(ask()).splitlines())
    assert {
        'mapreduce_requests_total{status="200"} 2.0',
        'mapreduce_requests_total{status="401"} 1.0',
        'mapreduce_tasks_total{outcome="done"} 1.0',
        'mapreduce_tasks_total{outcome="failed"} 1.0',
        "mapreduce_task_seconds_count 2.0",
        "mapreduce_slots 2.0",
        "mapreduce_busy_slots 0.0",
    } <= lines


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        ({}, BODY),
        ({"authorization": "Basic abc"}, BODY),
        ({"authorization": "Bearer nonsense"}, BODY),
        (_headers(BODY, key="x" * 32), BODY),
        (_headers(BODY, path="/map"), BODY),
        (_headers(b"another body"), BODY),
    ],
    ids=["none", "another scheme", "no token", "another key", "another path", "another body"],
)
def test_a_wrong_token_gets_no_reason(headers: dict[str, str], body: bytes) -> None:
    """Without a valid token the answer has no reason, and no worker is used."""
    pool = _Pool()
    answer = _posted(_app(pool), body, headers)
    assert (401, "Bearer") == (answer.status_code, answer.headers["www-authenticate"])
    assert {"Unauthorized", "unauthorized"} == {answer.json()["kind"], answer.json()["message"]}
    assert [] == pool.asked


def test_a_token_is_good_once() -> None:
    """The same request is refused the second time."""
    headers = _headers(BODY)

    async def ask() -> list[int]:
        async with _client(_app(_Pool())) as client:
            return [
                (await client.post("/split", content=BODY, headers=headers)).status_code
                for _ in range(2)
            ]

    assert [200, 401] == asyncio.run(ask())


def test_more_requests_than_can_be_remembered_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    """If no more token numbers can be remembered, the answer is 503 with Retry-After."""
    monkeypatch.setattr("services.stage.app.ReplayGuard", lambda: _FULL)
    answer = _posted(_app(_Pool()), BODY)
    assert (503, "1") == (answer.status_code, answer.headers["retry-after"])


class _Full:
    def accept(self, *_: object) -> bool:
        raise Crowded


_FULL = _Full()


@pytest.mark.parametrize(
    ("body", "status", "said"),
    [
        (b"{", 422, "Invalid JSON"),
        (b"[]", 422, "the body"),
        (BODY.replace(b'"splits":1', b'"splits":-1'), 422, "splits"),
        (BODY.replace(b"file:///store", b"file:///elsewhere"), 403, "elsewhere"),
        (b"x" * ((1 << 20) + 1), 413, "1 MiB"),
    ],
)
def test_a_bad_message_gets_a_reason(body: bytes, status: int, said: str) -> None:
    """A bad message is refused with a short reason, and no worker is used."""
    pool = _Pool()
    answer = _posted(_app(pool, max_body_mb=1), body)
    assert (status, True) == (answer.status_code, said in answer.json()["message"])
    assert len(answer.json()["message"]) < 700
    assert [] == pool.asked


def test_a_body_without_a_length_is_counted_as_it_comes() -> None:
    """A body without a length is refused when it exceeds the limit."""

    async def blocks() -> AsyncIterator[bytes]:
        for _ in range(40):
            yield b"x" * (64 << 10)

    async def post() -> httpx.Response:
        async with _client(_app(_Pool(), max_body_mb=1)) as client:
            return await client.post("/split", content=blocks(), headers=_headers(b""))

    assert 413 == asyncio.run(post()).status_code


def test_a_body_that_does_not_come_is_not_waited_for() -> None:
    """A body that does not arrive gets 408, and the connection is closed."""

    async def nothing() -> AsyncIterator[bytes]:
        await asyncio.Event().wait()
        yield b""

    async def post() -> httpx.Response:
        async with _client(_app(_Pool(), patience_s=0.001)) as client:
            return await client.post("/split", content=nothing(), headers=_headers(b""))

    answer = asyncio.run(post())
    assert (408, "close") == (answer.status_code, answer.headers["connection"])


def test_a_full_service_answers_with_retry_after() -> None:
    """A full or stopping service answers 503 with Retry-After."""
    pool, state = _Pool(), State()
    pool.busy = 2
    full = _posted(_app(pool, state), BODY)
    state.draining = True
    stopping = _posted(_app(pool, state), BODY)
    for answer, said in ((full, "every slot"), (stopping, "stopping")):
        assert (503, "1") == (answer.status_code, answer.headers["retry-after"])
        assert said in answer.json()["message"]


def test_a_caller_that_is_gone_ends_its_task() -> None:
    """A caller's disconnect ends its task at once."""
    pool = _Pool(b"{}\n")
    pool.hangs = True

    async def ask() -> None:
        app = _app(pool)
        sent: list[Any] = []
        received = [{"type": "http.request", "body": BODY, "more_body": False}]
        answered = asyncio.Event()

        async def receive() -> Any:
            if received:
                return received.pop(0)
            await answered.wait()
            return {"type": "http.disconnect"}

        async def send(message: Any) -> None:
            sent.append(message)
            if message.get("body"):
                answered.set()

        headers = [(name.encode(), value.encode()) for name, value in _headers(BODY).items()]
        scope = {
            "type": "http",
            "method": "POST",
            "path": "/split",
            "query_string": b"",
            "headers": headers,
            "state": {},
            "http_version": "1.1",
            "scheme": "http",
        }
        async with app.router.lifespan_context(app):
            await asyncio.wait_for(app(cast(Any, scope), receive, send), 5)

    asyncio.run(ask())
    assert (1, 0) == (pool.ended, pool.busy)


def test_other_paths_and_methods_are_refused() -> None:
    """Other paths get 404 and other methods 405."""

    async def ask() -> list[int]:
        async with _client(_app(_Pool())) as client:
            asked = ["/openapi.json", "/docs", "/split/", "/map"]
            return [
                *[(await client.get(path)).status_code for path in asked],
                (await client.get("/split")).status_code,
            ]

    assert [404, 404, 404, 404, 405] == asyncio.run(ask())


@pytest.mark.parametrize(
    ("module", "stage"), [(splitter, "split"), (mapper, "map"), (reducer, "reduce")]
)
def test_each_service_has_the_path_of_its_stage(module: Any, stage: StageName) -> None:
    """Each service has its stage's path, and its description is complete without references."""
    settings = Settings(store=STORE, signing_key=KEY)
    app = module.create_app(settings, cast(WorkerPool, _Pool()), State())
    described = app.openapi()
    body = described["paths"][f"/{stage}"]["post"]["requestBody"]
    assert {"/health", "/metrics", f"/{stage}"} == set(described["paths"])
    assert "$ref" not in json.dumps(body)
    assert "run" in body["content"]["application/json"]["schema"]["properties"]


# -- grants of a task --------------------------------------------------------------------------


GRANTS = Grants(writable=(STORE,), readable=("file:///in",))


def _map(url: str, store: str = STORE) -> MapTask:
    piece = ByteRange(source=url, url=url, start=0, end=1, size=1, etag="e")
    return MapTask(
        run="run-1",
        attempt="0",
        store=store,
        index=0,
        partitions=1,
        job=JobSpec(code="0" * 64, module="m", name="N"),
        split=Split(index=0, pieces=(piece, piece)),
    )


def _reduce(url: str) -> ReduceTask:
    return ReduceTask(
        run="run-1",
        attempt="0",
        store=STORE,
        index=0,
        partitions=1,
        job=JobSpec(code="0" * 64, module="m", name="N"),
        outputs=StoredObject(url=url, size=1, etag="e", digest="d"),
    )


def _split(url: str) -> SplitTask:
    given = InputObject(url=url, size=1, etag="e")
    return SplitTask(run="run-1", store=STORE, inputs=(given,), cut=SplitRule(splits=1))


@pytest.mark.parametrize("make", [_map, _reduce, _split])
def test_a_task_may_read_granted_urls_only(
    make: Callable[[str], SplitTask | MapTask | ReduceTask],
) -> None:
    """A task of each stage is refused if it reads outside of the grants."""
    check_urls(make("file:///in/a"), GRANTS, 5.0)
    check_urls(make(f"{STORE}/a"), GRANTS, 5.0)
    with pytest.raises(RefusedURL):
        check_urls(make("file:///secret/a"), GRANTS, 5.0)


def test_a_task_may_write_in_the_store_alone() -> None:
    """A task is refused if it writes to a place that it may only read."""
    with pytest.raises(RefusedURL):
        check_urls(_map("file:///in/a", store="file:///in"), GRANTS, 5.0)


def test_a_check_that_takes_too_long_ends() -> None:
    """A check of URLs beyond its time limit is refused."""
    with pytest.raises(UsageError, match="fewer objects"):
        check_urls(_map("file:///in/a"), GRANTS, -1.0)
