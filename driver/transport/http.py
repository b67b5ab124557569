"""Tasks over HTTP and TLS: signs requests, reads events, raises `TaskLost` for network failures."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import suppress
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

import httpx
from pydantic import ValidationError

from driver.plan.tasks import AnyTask
from driver.transport.base import Heard, NoSlot, NotReached, unheard
from driver.transport.builds import mixture
from driver.transport.endpoint import Endpoint
from driver.transport.trust import (
    certificate_name,
    no_context,
    other_role,
    stack_context,
    why_refused,
)
from mapreduce.errors import FleetError, TaskLost, Unauthorized
from mapreduce.wire.build import Build, this_build
from mapreduce.wire.messages import (
    AnyEvent,
    AttemptId,
    Done,
    Failed,
    Health,
    Started,
    TaskError,
    parse_event,
)
from mapreduce.wire.tokens import LEEWAY_S, LIFETIME_S, sign

if TYPE_CHECKING:
    import ssl

CONNECT_S = 5.0
HEALTH_S = 20.0
"""Seconds for the first answer of a starting service, also under fault injection."""
VERSION_S = 2.0
"""Seconds in which a service whose answer was not understood must report its build."""
LINE_BYTES = 64 << 20
"""The longest event: the result of a map task with 100,000 partitions has some 10 MB."""
BODY_BYTES = 64 << 10
"""The longest body of a refusal, or of `/health`."""
REFUSAL_S = 10.0
"""Seconds for the body of a refusal."""
SENT_BYTES = 64 << 10
"""Bytes of a request that are sent at a time."""
PLAIN = {"accept-encoding": "identity"}
END_S = 1.0
"""Seconds for an answer to end after the task's last event."""


class HttpTransport:
    """A connection pool for each endpoint, for the time of a run.

    One pool for all endpoints would scan every connection at each event of any of them.

    Args:
        signing_key: shared with the services.
        heartbeat_timeout_s: silence after which a task counts as lost.
    """

    def __init__(self, signing_key: str, heartbeat_timeout_s: float) -> None:
        self._key = signing_key
        # no read time-out: the caller limits silence, and knows whether this machine was suspended
        self._timeout = httpx.Timeout(None, connect=CONNECT_S, write=heartbeat_timeout_s)
        self._limits = httpx.Limits(max_connections=None, max_keepalive_connections=None)
        self._trusted: ssl.SSLContext | None = None
        self._clients: dict[str, httpx.AsyncClient] = {}
        self._builds: dict[str, Build] = {}

    async def __aenter__(self) -> HttpTransport:
        return self

    async def __aexit__(self, *_: object) -> None:
        for client in self._clients.values():
            await client.aclose()

    async def health(self, endpoint: Endpoint, timeout_s: float = HEALTH_S) -> Health:
        """Return the answer of `/health`.

        Args:
            endpoint: the service.
            timeout_s: how long it may take.

        Raises:
            TaskLost: it does not answer.
            FleetError: its build is not the run's.
        """
        try:
            async with (
                asyncio.timeout(timeout_s),
                self._client(endpoint).stream(
                    "GET", f"{endpoint.url}/health", headers=PLAIN, extensions=_proven(endpoint)
                ) as answer,
            ):
                health = Health.model_validate_json(await _body(answer, endpoint.name))
        except (httpx.HTTPError, ValidationError, TimeoutError) as exc:
            raise TaskLost(
                why_refused(endpoint, exc)
                or f"{endpoint.name} at {endpoint.url} does not answer: {_words(endpoint, exc)}"
            ) from exc
        self._check_build(endpoint, health.build)
        return health

    async def run(
        self, endpoint: Endpoint, task: AnyTask, heard: Heard = unheard
    ) -> AsyncGenerator[AnyEvent, None]:
        path = f"/{task.stage}"
        body = task.model_dump_json().encode()
        headers = PLAIN | {
            "authorization": f"Bearer {sign(self._key, path, body, time.time())}",
            "content-type": "application/json",
            "content-length": str(len(body)),
        }
        last: AnyEvent | None = None
        asked = self._client(endpoint).stream(
            "POST",
            endpoint.url + path,
            content=_sent(body, heard),
            headers=headers,
            extensions=_proven(endpoint),
        )
        try:
            async with asked as answer:
                if answer.status_code != httpx.codes.OK:
                    error = await _refused(answer, endpoint)
                    # a service of another version may not know the message
                    if not issubclass(error.cause, Unauthorized):
                        await self._check_version(endpoint)
                    yield Failed(attempt=AttemptId.of(task), error=error)
                    return
                _check_plain(answer, endpoint.name)
                lines = lines_of(answer.aiter_raw(), endpoint.name)
                async for line in lines:
                    last = parse_event.validate_json(line)
                    if isinstance(last, Started | Done):
                        self._check_build(endpoint, last.build)
                    if isinstance(last, Done | Failed):
                        await _ended(lines)
                    yield last
        except (httpx.ConnectError, httpx.ConnectTimeout) as exc:
            # as a 401: this endpoint has another key, and the run needs one with ours
            if why := why_refused(endpoint, exc):
                refused = TaskError(kind="Unauthorized", message=why)
                yield Failed(attempt=AttemptId.of(task), error=refused)
                return
            raise NotReached(f"{endpoint.name} cannot be reached: {_words(endpoint, exc)}") from exc
        except httpx.HTTPError as exc:
            raise TaskLost(f"{endpoint.name} was lost: {_words(endpoint, exc)}") from exc
        except ValidationError as exc:
            await self._check_version(endpoint)
            raise TaskLost(f"{endpoint.name} sent something that is not an event") from exc
        if not isinstance(last, Done | Failed):
            raise TaskLost(f"{endpoint.name} ended its answer before the task was done")

    async def _check_version(self, endpoint: Endpoint) -> None:
        """Compare the build of a service whose answer is not understood; raises `FleetError`."""
        with suppress(TaskLost):
            await self.health(endpoint, VERSION_S)

    def _check_build(self, endpoint: Endpoint, build: Build | None) -> None:
        """Refuse a service of another build; raises `FleetError`.

        Every answer is compared, as a service may be replaced during the run.
        """
        if why := mixture(this_build(), self._builds, endpoint.name, build):
            raise FleetError(why)
        if build is not None:
            self._builds.setdefault(endpoint.name, build)

    def _client(self, endpoint: Endpoint) -> httpx.AsyncClient:
        if endpoint.url not in self._clients:
            tls = no_context() if certificate_name(endpoint) is None else self._stack_context()
            pool = httpx.AsyncHTTPTransport(verify=tls, limits=self._limits, trust_env=False)
            # the services are ours and have addresses: never use a proxy of the environment
            client = httpx.AsyncClient(transport=pool, timeout=self._timeout, trust_env=False)
            self._clients[endpoint.url] = client
        return self._clients[endpoint.url]

    def _stack_context(self) -> ssl.SSLContext:
        """Return the TLS settings of all clients, made at the first that needs them."""
        if self._trusted is None:
            self._trusted = stack_context(self._key)
        return self._trusted


def _proven(endpoint: Endpoint) -> dict[str, str]:
    """Return httpx's option for the name in the certificate: the address is no part of it."""
    name = certificate_name(endpoint)
    return {} if name is None else {"sni_hostname": name}


async def lines_of(blocks: AsyncIterator[bytes], who: str) -> AsyncGenerator[bytes, None]:
    """Yield the lines of an answer, which end with LF only, and not with Unicode's other line ends.

    Raises:
        TaskLost: a line is longer than `LINE_BYTES`.
    """
    rest = bytearray()
    async for block in blocks:
        rest += block
        if b"\n" in block:
            *whole, rest = rest.split(b"\n")
            for line in whole:
                yield bytes(line)
        if len(rest) > LINE_BYTES:
            raise TaskLost(f"{who} sent a line of more than {LINE_BYTES >> 20} MiB")
    if rest:
        yield bytes(rest)


async def _sent(body: bytes, heard: Heard) -> AsyncIterator[bytes]:
    """Yield a body in blocks, and call `heard` for each: a slow upload is not silence."""
    for at in range(0, len(body), SENT_BYTES):
        yield body[at : at + SENT_BYTES]
        heard()


def _check_plain(answer: httpx.Response, who: str) -> None:
    """Refuse a compressed answer: a kilobyte may become a gigabyte."""
    encoding = answer.headers.get("content-encoding", "identity")
    if encoding != "identity":
        raise TaskLost(
            f"{who} answered in the encoding {encoding[:40]!r}, which our services never use"
        )


async def _body(answer: httpx.Response, who: str) -> bytes:
    """Return the body of a short answer; raises `TaskLost` when it is compressed or too long."""
    _check_plain(answer, who)
    body = bytearray()
    async for block in answer.aiter_raw():
        body += block
        if len(body) > BODY_BYTES:
            raise TaskLost(
                f"{who} answered {answer.status_code} with more than {BODY_BYTES >> 10} KiB"
            )
    return bytes(body)


async def _ended(lines: AsyncIterator[bytes]) -> None:
    """Read an answer to its end, which frees the connection and the service's slot.

    The task has its last event already, so no error here fails it.
    """
    with suppress(httpx.HTTPError, TimeoutError, TaskLost):
        async with asyncio.timeout(END_S):
            async for _ in lines:
                continue


async def _refused(answer: httpx.Response, endpoint: Endpoint) -> TaskError:
    if answer.status_code == httpx.codes.SERVICE_UNAVAILABLE:
        try:
            retry_after_s = float(answer.headers.get("retry-after", "1"))
        except ValueError:
            retry_after_s = 1.0
        raise NoSlot(retry_after_s)
    if answer.status_code == httpx.codes.UNAUTHORIZED:
        return TaskError(kind="Unauthorized", message=_why_unauthorized(answer, endpoint))
    try:
        async with asyncio.timeout(REFUSAL_S):
            body = await _body(answer, endpoint.name)
        return TaskError.model_validate_json(body)
    except (ValidationError, TimeoutError):
        raise TaskLost(
            f"{endpoint.name} answered {answer.status_code}, which our services never do"
        ) from None


def _why_unauthorized(answer: httpx.Response, endpoint: Endpoint) -> str:
    """Return the likely cause of a 401: a wrong clock, by the answer's date, or another key."""
    refused = f"{endpoint.name} does not accept our signature (401)"
    try:
        ahead_s = time.time() - parsedate_to_datetime(answer.headers.get("date", "")).timestamp()
    except (ValueError, OverflowError):
        ahead_s = 0.0
    if ahead_s > LEEWAY_S or ahead_s < -LIFETIME_S / 2:
        side = "ahead of" if ahead_s > 0 else "behind"
        return (
            f"{refused}: this machine's clock is {abs(ahead_s):.0f} s {side} the service's; set it"
        )
    return (
        f"{refused}: it has another signing key; "
        "was the key changed, or is this the address of another stack?"
    )


def _words(endpoint: Endpoint, exc: Exception) -> str:
    if isinstance(exc, httpx.ConnectTimeout):
        return f"no connection, or no TLS handshake, within {CONNECT_S:g} s"
    return other_role(endpoint, exc) or str(exc).partition("\n")[0] or type(exc).__name__
