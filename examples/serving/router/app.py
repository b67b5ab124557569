"""The router's HTTP side: the V2 paths as they come, `/health` and `/metrics`."""

from __future__ import annotations

import asyncio
import random
import ssl
import time
from collections.abc import AsyncIterator, Awaitable, Mapping
from contextlib import asynccontextmanager
from http import HTTPStatus

from fastapi import FastAPI
from fastapi.responses import Response
from starlette.requests import ClientDisconnect
from starlette.requests import Request as HTTPRequest
from starlette.routing import Route
from starlette.types import Message, Receive, Scope, Send

from examples.serving.router.connections import Answer, Request, Trust
from examples.serving.router.decisions.admission import Limits
from examples.serving.router.decisions.canary import Group
from examples.serving.router.discovery import Lookup, lookup_of, source_of
from examples.serving.router.metrics import Metrics
from examples.serving.router.places import Places
from examples.serving.router.proxy import Proxy, error, unavailable
from examples.serving.router.replicas import Replicas
from examples.serving.router.settings import RouterSettings
from examples.serving.router.watching import Watch
from examples.serving.wire import LIVE
from mapreduce.errors import MapReduceError
from mapreduce.version import VERSION
from services.shell.http.connections import SIGNED
from services.shell.http.requests import whole_body
from services.shell.metrics import CONTENT_TYPE
from services.shell.serve import State

MODEL = "model"
"""The role in the certificate of a replica."""
TO_REPLICA = frozenset(
    {
        *(b"content-type", b"accept", b"inference-header-content-length"),
        *(b"x-request-id", b"traceparent", b"tracestate"),
    }
)
"""The headers of a request that go on; the others concern the caller's connection, or secrets."""
TO_CALLER = frozenset(
    {
        *(b"content-type", b"served-by", b"retry-after", b"allow"),
        *(b"inference-header-content-length", b"x-request-id"),
    }
)
"""The headers of an answer that go on."""


def create_app(settings: RouterSettings, state: State) -> FastAPI:
    """Return the router.

    Args:
        settings: its settings.
        state: shared with the server: a router that stops refuses new requests.
    """
    metrics, chance = Metrics(), random.Random()
    replicas = Replicas(trust_of(settings), settings.connect_s)
    limits = Limits(settings.in_flight, settings.waiting, settings.wait_s)
    places = Places(replicas, settings.policy, limits, chance)
    watch = Watch(
        replicas,
        lookups_of(settings),
        settings.probe_s,
        settings.discover_s,
        changed=places.wake,
        lookup_failed=metrics.lookups_failed.inc,
    )
    proxy = Proxy(settings, places, watch, metrics, chance)
    _add_gauges(metrics, replicas, places)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        await watch.start()
        yield
        await watch.stop()
        await proxy.close()
        replicas.close()

    app = FastAPI(
        title="Model serving: router", lifespan=lifespan, openapi_url=None, redirect_slashes=False
    )

    @app.get("/health")
    async def health() -> dict[str, object]:
        """Return the router's state; it is well even if no replica is."""
        return {
            "ok": True,
            "role": "router",
            "draining": state.draining,
            "version": VERSION,
            "image_tag": settings.image_tag or None,
            "replicas": _heard_of(replicas),
        }

    @app.get("/metrics", response_class=Response)
    async def prometheus() -> Response:
        """Return counts for Prometheus; they reveal no data."""
        return Response(metrics.registry.text(), media_type=CONTENT_TYPE)

    endpoint = Endpoint(proxy, metrics, state, settings)
    # first: nearly every request is one of these
    app.router.routes.insert(0, Route("/v2{rest:path}", endpoint))
    return app


def _heard_of(replicas: Replicas) -> list[dict[str, object]]:
    """Return the state of each replica that has answered, or ought to."""
    return [
        {
            "address": str(each.address),
            "group": each.group,
            "ready": each.readiness.ready,
            "ejected": each.record.until > time.monotonic(),
            "in_flight": each.in_flight,
        }
        for each in replicas
        if each.readiness.ready or each.readiness.silences
    ]


def trust_of(settings: RouterSettings) -> Trust | None:
    """Return how the replicas prove who they are; None for plain HTTP."""
    if not settings.model_tls:
        return None
    # 30 ms, and not needed without TLS
    from mapreduce.wire.certificates import authority, host_name

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.verify_flags |= ssl.VERIFY_X509_STRICT
    context.load_verify_locations(
        cadata=authority(settings.signing_key.get_secret_value()).decode()
    )
    return Trust(context, host_name(MODEL))


def lookups_of(settings: RouterSettings) -> Mapping[Group, Lookup]:
    """Return the look-up of each group that the settings name."""
    named: dict[Group, str] = {
        "stable": settings.models,
        "canary": settings.canary,
        "shadow": settings.shadow,
    }
    return {group: lookup_of(source_of(text)) for group, text in named.items() if text}


class Endpoint:
    """Answers the V2 paths: reads the request whole, has it answered, writes the answer.

    Args:
        proxy: answers.
        metrics: counts.
        state: the server's.
        settings: limit the bodies.
    """

    def __init__(
        self, proxy: Proxy, metrics: Metrics, state: State, settings: RouterSettings
    ) -> None:
        self._proxy = proxy
        self._metrics = metrics
        self._state = state
        self._settings = settings
        self._held_bytes = 0
        metrics.registry.gauge("body_bytes", "Request bodies in memory", lambda: self._held_bytes)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request (ASGI)."""
        held_bytes = 0

        async def counted() -> Message:
            nonlocal held_bytes
            message = await receive()
            size = len(message.get("body", b""))
            if self._held_bytes + size > self._settings.bodies_mb << 20:
                raise _Full
            held_bytes += size
            self._held_bytes += size
            return message

        is_whole = False
        try:
            body = await whole_body(HTTPRequest(scope, counted), self._settings)
            # callers have no key; from its whole request on, a connection is not closed for another
            scope["state"][SIGNED] = is_whole = True
            started = time.perf_counter()
            answer = await self._answer(scope, body, receive)
            self._metrics.seconds.observe(time.perf_counter() - started)
        except _Full:
            self._metrics.refusals.inc()
            answer = unavailable("this router holds as many request bodies as it can")
        except MapReduceError as exc:
            answer = error(HTTPStatus(exc.http_status), str(exc))
        except ClientDisconnect:
            answer = None
        finally:
            self._held_bytes -= held_bytes
        if answer is None:
            self._metrics.hung_up.inc()
            return
        self._metrics.requests.labels(str(int(answer.status))).inc()
        # what is left of a body is not read, so the connection is of no more use
        close = self._state.draining or not is_whole
        await _write(send, scope["method"], answer, close=close)

    async def _answer(self, scope: Scope, body: bytes, receive: Receive) -> Answer | None:
        """Return the answer; None if the caller hangs up, whose request is then cancelled."""
        if self._state.draining:
            return unavailable("this router is stopping")
        if scope["path"] == LIVE:
            return Answer(HTTPStatus.OK, [(b"served-by", b"router")], b"")
        query = scope["query_string"]
        target = scope["raw_path"] + (b"?" + query if query else b"")
        headers = [each for each in scope["headers"] if each[0] in TO_REPLICA]
        request = Request(scope["method"], target, headers, body)
        return await _unless_hung_up(self._proxy.answer(scope["path"], request), receive)


class _Full(Exception):
    """The bodies of all requests are over the limit; the rest of this one is not read."""


async def _unless_hung_up(answering: Awaitable[Answer], receive: Receive) -> Answer | None:
    """Return the answer; if the caller hangs up before, cancel it and return None."""
    task = asyncio.current_task()
    assert task is not None
    is_waiting = True

    async def watch() -> None:
        while (await receive())["type"] != "http.disconnect":
            pass
        if is_waiting:
            task.cancel()

    watching = asyncio.create_task(watch())
    try:
        return await answering
    except asyncio.CancelledError:
        if not watching.done() or watching.cancelled():
            raise
        task.uncancel()
        return None
    finally:
        is_waiting = False
        watching.cancel()


async def _write(send: Send, method: str, answer: Answer, *, close: bool) -> None:
    headers = [each for each in answer.headers if each[0] in TO_CALLER]
    headers.append((b"content-length", str(len(answer.body)).encode()))
    if close:
        headers.append((b"connection", b"close"))
    await send({"type": "http.response.start", "status": int(answer.status), "headers": headers})
    body = b"" if method == "HEAD" else answer.body
    await send({"type": "http.response.body", "body": body})


def _add_gauges(metrics: Metrics, replicas: Replicas, places: Places) -> None:
    registry = metrics.registry
    registry.gauge(
        "replicas_ready",
        "Replicas that get requests",
        lambda: sum(each.readiness.ready for each in replicas),
    )
    registry.gauge(
        "in_flight", "Requests in flight", lambda: sum(each.in_flight for each in replicas)
    )
    registry.gauge("waiting", "Requests that wait for a place", lambda: places.waiting)
