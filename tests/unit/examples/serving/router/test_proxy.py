"""What a request becomes when replicas fail; the replicas are stand-ins without a socket."""

from __future__ import annotations

import asyncio
import json
import random
import time
from collections.abc import Callable
from email.utils import formatdate
from typing import Any

import pytest

from examples.serving.router.connections import Address, Answer, NotThere, Request, Unanswered
from examples.serving.router.decisions.admission import Limits
from examples.serving.router.decisions.canary import Group
from examples.serving.router.decisions.ejection import EJECTION, Record
from examples.serving.router.decisions.readiness import Readiness
from examples.serving.router.metrics import Metrics
from examples.serving.router.places import Places
from examples.serving.router.proxy import Proxy, why_unauthorized
from examples.serving.router.replicas import Replica, Replicas
from examples.serving.router.settings import RouterSettings
from examples.serving.router.watching import Watch
from mapreduce.wire.tokens import opened

pytestmark = pytest.mark.anyio
KEY = "k" * 32
NOW = 1_800_000_000.0
PATH = "/v2/models/digits/infer"
REQUEST = Request("POST", PATH.encode(), [(b"accept", b"application/json")], b"{}")
GOOD = Answer(200, [(b"served-by", b"task/0")], b"good")
Reply = Answer | Exception | None
"""An answer, a failure, or None for none at all."""


class World:
    """A proxy in front of replicas that reply as a test says.

    Args:
        replies: of each replica in turn, for every request.
        canary: the reply of a canary, which gets all requests if the settings do not say less.
        settings: of the router.
    """

    def __init__(self, *replies: Reply, canary: Reply = None, **settings: Any) -> None:
        given: dict[str, Any] = {"models": "", "signing_key": KEY}
        given |= {"canary_percent": 100 if canary else 0} | settings
        self.settings = RouterSettings(**given)
        self.sent: list[tuple[str, Request]] = []
        self.replicas = Replicas(None, connect_s=1)
        self.metrics = Metrics()
        groups: dict[Group, tuple[Reply, ...]] = {"stable": replies}
        if canary:
            groups["canary"] = (canary,)
        for group, each in groups.items():
            addresses = [Address(group, port) for port in range(1, len(each) + 1)]
            for replica, reply in zip(self.replicas.update(group, addresses), each, strict=True):
                replica.readiness = Readiness(ready=True)
                replica.connections.send = self._sender(replica, reply)  # type: ignore[assignment,method-assign]
                replica.probes.send = self._never  # type: ignore[assignment,method-assign]
        self.places = Places(self.replicas, "least", Limits(), random.Random(1))
        self.watch = Watch(self.replicas, {}, probe_s=1, discover_s=1)
        self.proxy = Proxy(self.settings, self.places, self.watch, self.metrics, random.Random(1))

    async def ask(self) -> Answer:
        """Return the answer to one request."""
        answer = await self.proxy.answer(PATH, REQUEST)
        await self.watch.stop()
        return answer

    @property
    def in_flight(self) -> int:
        """The requests that still have a place."""
        return sum(each.in_flight for each in self.replicas)

    def _sender(self, replica: Replica, reply: Reply) -> Callable[[Request], Any]:
        async def send(request: Request) -> Answer:
            self.sent.append((str(replica.address), request))
            await asyncio.sleep(0)  # others are in flight at the same time
            if isinstance(reply, Exception):
                raise reply
            return reply or await self._never(request)

        return send

    async def _never(self, _: Request) -> Answer:
        await asyncio.Event().wait()
        raise AssertionError


async def test_an_answer_passes_as_it_is() -> None:
    """Status, headers and body are the replica's."""
    world = World(GOOD)
    assert await world.ask() == GOOD
    assert world.in_flight == 0


async def test_each_attempt_has_a_token_of_its_own() -> None:
    """A token is good for one use, so the second attempt is signed again."""
    world = World(Answer(500, [], b""), Answer(500, [], b""))
    await world.ask()
    tokens = [dict(request.headers)[b"authorization"].decode() for _, request in world.sent]
    assert len(set(tokens)) == 2
    for token in tokens:
        opened(KEY, PATH, token.removeprefix("Bearer "), time.time()).check_body(b"{}")


@pytest.mark.parametrize(
    "failure",
    [
        *(Answer(status, [], b"") for status in (500, 502, 503, 504, 401)),
        NotThere("no connection"),
        Unanswered("broken off"),
    ],
    ids=str,
)
async def test_a_failure_is_tried_once_elsewhere(failure: Answer | Exception) -> None:
    """Whichever replica gets it first, the caller gets the good answer."""
    for _ in range(10):
        world = World(failure, GOOD)
        assert await world.ask() == GOOD
        assert world.in_flight == 0


async def test_an_answer_that_blames_the_request_is_not_tried_again() -> None:
    """400 is the answer of every replica."""
    world = World(*[Answer(400, [], b"wrong shape")] * 3)
    assert (await world.ask()).status == 400
    assert len(world.sent) == 1


async def test_two_attempts_are_the_most() -> None:
    """With three bad replicas the caller gets the second failure."""
    world = World(*[Answer(500, [], b"broken")] * 3)
    assert (await world.ask()).body == b"broken"
    assert len(world.sent) == 2
    assert world.sent[0][0] != world.sent[1][0]


async def test_what_was_never_sent_is_no_attempt() -> None:
    """A whole task is gone: its containers refuse one after the other, and another one answers."""
    for _ in range(10):
        world = World(*[NotThere("no connection")] * 4, GOOD)
        assert await world.ask() == GOOD
        assert world.metrics.retries._value.get() == 0
        assert len({name for name, _ in world.sent}) == len(world.sent)


async def test_a_silent_replica_is_left_after_the_limit() -> None:
    """An attempt without an answer ends, and its place is free."""
    world = World(None, timeout_s=0.001)
    answer = await world.ask()
    assert answer.status == 504
    assert b"did not answer in 0.001 s" in answer.body
    assert world.in_flight == 0


async def test_a_replica_that_is_gone_gets_no_more() -> None:
    """A refused connection makes it unready at once, before the next probe."""
    world = World(NotThere("no connection"))
    assert (await world.ask()).status == 502
    assert world.replicas.ready("stable") == []
    answer = await world.ask()
    assert answer.status == 503
    assert answer.header("retry-after") == "1"
    assert answer.header("served-by") == "router"


async def test_a_failing_canary_costs_no_answer() -> None:
    """The stable version answers in its place."""
    world = World(GOOD, canary=Answer(500, [], b""))
    assert await world.ask() == GOOD
    assert [name for name, _ in world.sent] == ["canary:1", "stable:1"]


@pytest.mark.parametrize("percent", [10, 25, 50, 100])
async def test_a_canary_that_always_fails_costs_no_answer(percent: float) -> None:
    """Whatever its share is, each request is answered, and the canary soon gets none."""
    world = World(GOOD, GOOD, canary=Answer(500, [], b"broken"), canary_percent=percent)
    for _ in range(300):
        assert await world.proxy.answer(PATH, REQUEST) == GOOD
    await world.watch.stop()
    assert [name for name, _ in world.sent].count("canary:1") <= EJECTION["canary"].failures


async def test_canaries_that_fail_at_once_cost_no_answer() -> None:
    """So many requests are in flight at a canary that fails as the budget has no retries for."""
    world = World(GOOD, GOOD, canary=Answer(500, [], b"broken"))
    answers = await asyncio.gather(*(world.proxy.answer(PATH, REQUEST) for _ in range(32)))
    await world.watch.stop()
    assert [GOOD] * 32 == answers


async def test_a_request_that_no_replica_accepts_ejects_none() -> None:
    """A caller cannot have healthy replicas ejected by requests that each of them answers 401."""
    world = World(*[Answer(401, [], b"unauthorized")] * 3)
    for _ in range(20):
        assert (await world.proxy.answer(PATH, REQUEST)).status == 502
    await world.watch.stop()
    assert {Record()} == {each.record for each in world.replicas}


async def test_a_replica_that_alone_refuses_signatures_is_ejected() -> None:
    """Others accept the same requests, so it has another key, or another clock."""
    world = World(Answer(401, [], b"unauthorized"), GOOD, GOOD)
    for _ in range(40):
        assert await world.proxy.answer(PATH, REQUEST) == GOOD
    await world.watch.stop()
    assert [name for name, _ in world.sent].count("stable:1") == EJECTION["stable"].failures


async def test_the_path_is_signed_as_the_caller_wrote_it() -> None:
    """The replica checks the path as it comes; its query is not signed."""
    world = World(GOOD)
    request = Request("POST", b"/v2/models/%64igits/infer?a=b", (), b"{}")
    await world.proxy.answer(PATH, request)
    token = dict(world.sent[0][1].headers)[b"authorization"].decode().removeprefix("Bearer ")
    opened(KEY, "/v2/models/%64igits/infer", token, time.time()).check_body(b"{}")


async def test_a_caller_that_hangs_up_frees_the_place() -> None:
    """A cancelled request leaves nothing in flight, and says nothing of the replica."""
    world = World(None)
    asking = asyncio.create_task(world.proxy.answer(PATH, REQUEST))
    while not world.sent:
        await asyncio.sleep(0)
    assert world.in_flight == 1
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    assert world.in_flight == 0
    assert world.replicas.ready("stable")


async def test_a_spent_budget_ends_retries() -> None:
    """Without a budget the caller gets the first failure."""
    world = World(*[Answer(500, [], b"")] * 2)
    for _ in range(200):
        await world.proxy.answer(PATH, REQUEST)
    await world.watch.stop()
    assert len(world.sent) <= 200 + 20 + 0.2 * 200


@pytest.mark.parametrize(
    ("ahead_s", "words"),
    [(90, "90 s ahead of"), (-90, "90 s behind"), (0, "another signing key")],
)
def test_a_refused_signature_names_its_cause(ahead_s: float, words: str) -> None:
    """A clock that is off is told from another key by the date of the answer."""
    replica = Replica("stable", Address("a", 1), None, 1)
    answer = Answer(401, [(b"date", formatdate(NOW, usegmt=True).encode())], b"")
    assert words in why_unauthorized(replica, answer, NOW + ahead_s)
    undated = Answer(401, [(b"date", b"yesterday")], b"")
    assert "another signing key" in why_unauthorized(replica, undated, NOW)


async def test_a_401_is_the_router_s_fault_and_not_the_caller_s() -> None:
    """The caller shows no token, so it gets 502 and the cause."""
    answer = await World(Answer(401, [], b"unauthorized")).ask()
    assert answer.status == 502
    assert "signature" in json.loads(answer.body)["error"]
