"""Tasks over HTTP: signs a request, reads its stream of events, and turns every way a network fails into `TaskLost`."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator
from email.utils import parsedate_to_datetime

import httpx
from pydantic import ValidationError

from driver.fleet.base import Endpoint
from driver.planning import AnyTask
from driver.transport import NoSlot, NotReached
from mapreduce.errors import TaskLost
from mapreduce.messages import Done, Failed, Health, Progress, Started, TaskError, parse_event
from mapreduce.tokens import LEEWAY_S, LIFETIME_S, sign

CONNECT_S = 5.0
HEALTH_S = 20.0
"""How long a service that is just starting may take to answer; a drill's short patience is not for that."""


class HttpTransport:
    """One connection pool for a run.

    Args:
        signing_key: shared with the services.
        heartbeat_timeout_s: silence after which a task counts as lost.
    """

    def __init__(self, signing_key: str, heartbeat_timeout_s: float) -> None:
        self._key = signing_key
        timeout = httpx.Timeout(heartbeat_timeout_s, connect=CONNECT_S, pool=None)
        limits = httpx.Limits(max_connections=None, max_keepalive_connections=256)
        # the services are ours and named by address: no proxy of the environment may come between
        self._http = httpx.AsyncClient(timeout=timeout, limits=limits, trust_env=False)

    async def __aenter__(self) -> HttpTransport:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._http.aclose()

    async def health(self, endpoint: Endpoint) -> Health:
        """What `/health` says; raises `TaskLost`."""
        try:
            answer = await self._http.get(f"{endpoint.url}/health", timeout=HEALTH_S)
            return Health.model_validate_json(answer.content)
        except (httpx.HTTPError, ValidationError) as exc:
            raise TaskLost(f"{endpoint.name} at {endpoint.url} does not answer: {_words(exc)}") from exc

    async def run(self, endpoint: Endpoint, task: AnyTask) -> AsyncGenerator[Started | Progress | Done | Failed, None]:
        path = f"/{task.stage}"
        body = task.model_dump_json().encode()
        headers = {
            "authorization": f"Bearer {sign(self._key, path, body, time.time())}",
            "content-type": "application/json",
        }
        last: Started | Progress | Done | Failed | None = None
        try:
            async with self._http.stream("POST", endpoint.url + path, content=body, headers=headers) as answer:
                if answer.status_code != httpx.codes.OK:
                    yield await _refused(answer, endpoint)
                    return
                async for line in answer.aiter_lines():
                    last = parse_event.validate_json(line)
                    yield last
        except (httpx.ConnectError, httpx.ConnectTimeout) as exc:
            raise NotReached(f"{endpoint.name} cannot be reached: {_words(exc)}") from exc
        except httpx.HTTPError as exc:
            raise TaskLost(f"{endpoint.name} was lost: {_words(exc)}") from exc
        except ValidationError as exc:
            raise TaskLost(f"{endpoint.name} answered with what is no event of a task") from exc
        if not isinstance(last, Done | Failed):
            raise TaskLost(f"{endpoint.name} ended its answer before the task was done")


async def _refused(answer: httpx.Response, endpoint: Endpoint) -> Failed:
    body = await answer.aread()
    if answer.status_code == httpx.codes.SERVICE_UNAVAILABLE:
        try:
            retry_after_s = float(answer.headers.get("retry-after", "1"))
        except ValueError:
            retry_after_s = 1.0
        raise NoSlot(retry_after_s)
    if answer.status_code == httpx.codes.UNAUTHORIZED:
        return Failed(error=TaskError(kind="Unauthorized", message=_why_unauthorized(answer, endpoint)))
    try:
        return Failed(error=TaskError.model_validate_json(body))
    except ValidationError:
        raise TaskLost(f"{endpoint.name} answered {answer.status_code}, which no service of ours does") from None


def _why_unauthorized(answer: httpx.Response, endpoint: Endpoint) -> str:
    """What can be the matter: the service says nothing of why, but every answer has its time."""
    refused = f"{endpoint.name} does not take our signature (401)"
    try:
        ahead_s = time.time() - parsedate_to_datetime(answer.headers.get("date", "")).timestamp()
    except ValueError:
        ahead_s = 0.0
    if ahead_s > LEEWAY_S or ahead_s < -LIFETIME_S / 2:
        side = "ahead of" if ahead_s > 0 else "behind"
        return f"{refused}: this machine's clock is {abs(ahead_s):.0f} s {side} the service's; set it"
    return f"{refused}: its signing key is another; was it changed, or is this the address of another stack?"


def _words(exc: Exception) -> str:
    return str(exc).partition("\n")[0] or type(exc).__name__
