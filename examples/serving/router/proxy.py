"""Carry a request to a replica and its answer back; what fails is tried once more elsewhere."""

from __future__ import annotations

import asyncio
import json
import random
import time
from dataclasses import replace
from email.utils import parsedate_to_datetime
from http import HTTPStatus

import structlog

from examples.serving.router.connections import Answer, NotThere, Request, Unanswered, Unreached
from examples.serving.router.decisions.canary import group_of, is_mirrored
from examples.serving.router.decisions.ejection import EJECTION, after_attempt
from examples.serving.router.decisions.readiness import after_answer
from examples.serving.router.decisions.retry import MOST_ATTEMPTS, Budget, Outcome, outcome_of
from examples.serving.router.metrics import Metrics
from examples.serving.router.places import NoPlace, Places
from examples.serving.router.replicas import Replica
from examples.serving.router.settings import RouterSettings
from examples.serving.router.watching import Watch
from examples.serving.wire import SERVED_BY
from mapreduce.wire.tokens import LEEWAY_S, LIFETIME_S, sign

log = structlog.get_logger()
RETRY_AFTER_S = 1
ROUTER = "router"
"""The name in `served-by` of an answer that no replica gave."""


class Proxy:
    """Answers requests by the replicas.

    Args:
        settings: the limits.
        places: give each request a replica.
        watch: takes what requests show of a replica.
        metrics: counts.
        chance: random numbers.
    """

    def __init__(
        self,
        settings: RouterSettings,
        places: Places,
        watch: Watch,
        metrics: Metrics,
        chance: random.Random,
    ) -> None:
        self._settings = settings
        self._key = settings.signing_key.get_secret_value()
        self._places = places
        self._watch = watch
        self._metrics = metrics
        self._chance = chance
        self._budget = Budget()
        self._copies: set[asyncio.Task[None]] = set()

    async def answer(self, path: str, request: Request) -> Answer:
        """Return the answer to a request; never raises for a failure of a replica.

        Args:
            path: the request's path, decoded: it decides between the groups.
            request: the request.
        """
        self._mirror(path, request)
        group = group_of(path, self._chance.random(), self._settings.canary_percent)
        self._budget = self._budget.earned()
        try:
            replica = await self._places.take(group)
        except NoPlace as exc:
            self._metrics.refusals.inc()
            return unavailable(str(exc))
        return await self._until_answered(replica, request)

    async def _until_answered(self, replica: Replica, request: Request) -> Answer:
        """Try a replica, and others as long as the budget allows; return the last answer."""
        tried: list[Replica] = []
        denied: list[tuple[Replica, Answer]] = []
        attempts = 0
        while True:
            outcome, answer = await self._attempt(replica, request)
            tried.append(replica)
            attempts += outcome != "unreached"
            if outcome == "good":
                # it takes the same signature, so the fault is with those that did not
                for each, refusal in denied:
                    self._record(each, "failed", refusal)
                return answer
            if outcome == "denied":
                denied.append((replica, answer))
            # what a canary fails at, the stable version would have had to answer without it
            is_free = outcome == "unreached" or replica.group == "canary"
            if not self._budget.allows(outcome, attempts, is_free=is_free):
                if attempts < MOST_ATTEMPTS:
                    self._metrics.retries_denied.inc()
                return answer
            other = self._places.take_another("stable", but=tried)
            if other is None:
                return answer
            if not is_free:
                self._budget = self._budget.spent()
            if outcome != "unreached":
                self._metrics.retries.inc()
            replica = other

    async def close(self) -> None:
        """End the copies on their way."""
        for task in list(self._copies):
            task.cancel()
        await asyncio.gather(*self._copies, return_exceptions=True)

    async def _attempt(self, replica: Replica, request: Request) -> tuple[Outcome, Answer]:
        """Send a request to a replica that has a place for it, and give the place back."""
        try:
            outcome, answer = await self._sent(replica, request)
        finally:
            self._places.free(replica)
        self._metrics.attempts.labels(replica.group, outcome).inc()
        if outcome == "denied":
            answer = error(HTTPStatus.BAD_GATEWAY, why_unauthorized(replica, answer, time.time()))
        else:
            self._record(replica, outcome, answer)
        if outcome == "refused":
            # it may be stopping, which its probe tells
            self._watch.probe_soon(replica)
        return outcome, answer

    async def _sent(self, replica: Replica, request: Request) -> tuple[Outcome, Answer]:
        # as the caller wrote it: decoded, it may be another one than the replica reads
        path = request.target.partition(b"?")[0].decode("latin-1")
        token = sign(self._key, path, request.body, time.time())
        signed = replace(
            request, headers=[*request.headers, (b"authorization", f"Bearer {token}".encode())]
        )
        try:
            async with asyncio.timeout(self._settings.timeout_s):
                answer = await replica.connections.send(signed)
            return outcome_of(answer.status), answer
        except TimeoutError:
            self._watch.probe_soon(replica)
            return "failed", error(
                HTTPStatus.GATEWAY_TIMEOUT,
                f"the container at {replica.address} did not answer "
                f"in {self._settings.timeout_s:g} s",
            )
        except NotThere as exc:
            self._watch.note(replica, "absent")
            return "unreached", error(HTTPStatus.BAD_GATEWAY, str(exc))
        except Unanswered as exc:
            self._watch.probe_soon(replica)
            outcome: Outcome = "unreached" if isinstance(exc, Unreached) else "failed"
            return outcome, error(HTTPStatus.BAD_GATEWAY, str(exc))

    def _record(self, replica: Replica, outcome: Outcome, answer: Answer) -> None:
        if outcome == "good":
            replica.readiness = after_answer(replica.readiness)
        now = time.monotonic()
        before = replica.record
        replica.record = after_attempt(before, outcome, now, EJECTION[replica.group])
        if replica.record.until > max(now, before.until):
            self._metrics.ejections.inc()
            log.warning(
                "a replica is ejected",
                replica=str(replica.address),
                seconds=round(replica.record.until - now, 1),
                status=answer.status,
                answer=answer.body[:200].decode("utf-8", "replace"),
            )

    def _mirror(self, path: str, request: Request) -> None:
        """Send a copy to the shadow, in the background, if it is the request's lot."""
        percent = self._settings.shadow_percent if self._settings.shadow else 0
        draw = self._chance.random() if percent else 1.0
        most = self._settings.shadow_most
        if not is_mirrored(path, draw, percent, len(self._copies), most):
            if percent and len(self._copies) >= most:
                self._metrics.copies.labels("dropped").inc()
            return
        task = asyncio.create_task(self._copied(request))
        self._copies.add(task)
        task.add_done_callback(self._copies.discard)

    async def _copied(self, request: Request) -> None:
        replica = self._places.take_another("shadow", but=())
        if replica is None:
            self._metrics.copies.labels("dropped").inc()
            return
        outcome, _ = await self._attempt(replica, request)
        self._metrics.copies.labels(outcome).inc()


def error(status: HTTPStatus, message: str) -> Answer:
    """Return an answer of the router itself, in the protocol's form."""
    headers = [
        (b"content-type", b"application/json"),
        (SERVED_BY.encode(), ROUTER.encode()),
    ]
    if status == HTTPStatus.SERVICE_UNAVAILABLE:
        headers.append((b"retry-after", str(RETRY_AFTER_S).encode()))
    return Answer(status, headers, json.dumps({"error": message}).encode())


def unavailable(reason: str) -> Answer:
    """Return the answer if there is no place for a request."""
    return error(
        HTTPStatus.SERVICE_UNAVAILABLE, f"{reason}; ask again in {RETRY_AFTER_S} s, or scale up"
    )


def why_unauthorized(replica: Replica, answer: Answer, now: float) -> str:
    """Return the likely cause of a 401: a wrong clock, by the answer's date, or another key."""
    refused = f"the container at {replica.address} does not accept the router's signature (401)"
    try:
        ahead_s = now - parsedate_to_datetime(answer.header("date") or "").timestamp()
    except (ValueError, OverflowError):
        ahead_s = 0.0
    if ahead_s > LEEWAY_S or ahead_s < -LIFETIME_S / 2:
        side = "ahead of" if ahead_s > 0 else "behind"
        return (
            f"{refused}: the router's clock is {abs(ahead_s):.0f} s {side} the container's; "
            "set it, or start the router's machine again"
        )
    return f"{refused}: it has another signing key; deploy both again: ./deploy.sh --system serving"
