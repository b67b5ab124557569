"""The faults of the album service: each is one round that raises `Wrong` for a wrong answer."""

from __future__ import annotations

import http.client
import json
import random
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from examples.albums.album import SEEDS, in_json
from examples.albums.load import Tally, load
from tests.contract.emulator import Emulator
from tests.faults.object_store import Deed, Request, Rule, troubled
from tests.faults.systems.albums.tasks import JSON, Tasks, Wrong, add, album, ask, running

BUCKET = "albums-faults"
STORM = 50
REQUESTS = 300
STORE_LIMIT_S = 1.0
BOUND_S = 3.0
"""When an answer must be there although the store hangs: its limit, and a busy machine's delays."""


@dataclass
class World:
    """Where the rounds take place.

    Attributes:
        folder: for temporary files.
        tasks: three tasks over a folder, which several faults share.
        s3: a server of S3, if there is one.
        chance: the random choices.
        number: of the round, in the names of albums and folders.
    """

    folder: Path
    tasks: Tasks
    s3: Emulator | None
    chance: random.Random
    number: int = 0
    notes: list[str] = field(default_factory=list)

    @property
    def url(self) -> str:
        """Return the address of one of the tasks."""
        return self.chance.choice(self.tasks.urls())

    def next_round(self) -> str:
        """Return a new name, for an album or a folder."""
        self.number += 1
        return f"round{self.number}"


def check(holds: bool, said: object) -> None:
    """Raise `Wrong` unless a condition holds."""
    if not holds:
        raise Wrong(str(said))


def _seeds_answer(url: str) -> None:
    """Check that the three albums are answered in time."""
    for one in SEEDS.values():
        began = time.monotonic()
        answer = ask(url, f"/albums/{one.id}")
        check(answer.status == 200 and answer.body == in_json(one.fields()), answer)
        check(time.monotonic() - began < BOUND_S, "one of the three albums took too long")


# -- tasks that end --------------------------------------------------------------------------------


def _under_load(world: World, meanwhile: Callable[[], None]) -> None:
    """Check that no GET is lost while something happens to the tasks."""
    done = threading.Event()
    found: list[Tally] = []
    requests = threading.Thread(
        target=lambda: found.append(
            load(
                lambda: world.tasks.urls(),
                lambda begun: begun < REQUESTS or not done.is_set(),
                clients=4,
                seed=world.number,
            )
        )
    )
    requests.start()
    try:
        meanwhile()
    finally:
        done.set()
        requests.join()
    world.notes.append(str(found[0]))
    check(found[0].is_good and found[0].requests >= REQUESTS, found[0])


def killed(world: World) -> None:
    """A task is killed under load; another takes its place."""

    def deed() -> None:
        world.tasks.kill(world.chance.choice(world.tasks.listed))
        world.tasks.start()

    _under_load(world, deed)


def scaled(world: World) -> None:
    """The service shrinks from three tasks to one under load, and grows again."""

    def deed() -> None:
        leaving = world.tasks.listed[:2]
        for task in leaving:
            world.tasks.stop(task)
        check([task.ended() for task in leaving] == [0, 0], "a task did not end by itself")
        for _ in leaving:
            world.tasks.start()

    _under_load(world, deed)


def rolled(world: World) -> None:
    """Each task is replaced under load, as a new image does."""

    def deed() -> None:
        for old in tuple(world.tasks.listed):
            world.tasks.start()
            world.tasks.stop(old)

    _under_load(world, deed)


def stopped_in_a_request(world: World) -> None:
    """A task is stopped in the middle of a request's body: the album is added and answered."""
    name = world.next_round()
    body = album(name)
    task = world.tasks.start()
    address = urlsplit(task.url)
    with socket.create_connection((str(address.hostname), address.port or 0), 30) as connection:
        connection.sendall(
            b"POST /albums HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"
            b"Content-Length: %d\r\n\r\n%b" % (len(body), body[:10])
        )
        world.tasks.stop(task)
        late = ask(task.url, "/albums/1")
        check(late.status == 200 and late.headers.get("connection") == "close", late)
        connection.sendall(body[10:])
        answer = http.client.HTTPResponse(connection)
        answer.begin()
        check(answer.status == 201, answer.status)
    check(task.ended() == 0, "the task did not end by itself")
    check(ask(world.url, f"/albums/{name}").status == 200, "the album is lost")


def killed_while_adding(world: World) -> None:
    """A task is killed while clients add albums; they repeat requests, and each album is there once
    with its own client's answer.
    """
    prefix = world.next_round()
    names = [f"{prefix}-{number}" for number in range(24)]
    victim = world.chance.choice(world.tasks.listed)

    def keep(name: str) -> int:
        for _ in range(20):
            try:
                answer = add(world.url, name, Idempotency_Key=f"key-{name}")
            except (OSError, http.client.HTTPException):
                continue
            if answer.status != 503:
                return answer.status
        return 0

    with ThreadPoolExecutor(6) as clients:
        answers = [clients.submit(keep, name) for name in names]
        world.tasks.kill(victim)
        statuses = Counter(answer.result() for answer in answers)
    world.tasks.start()
    check(statuses == {201: len(names)}, statuses)
    listed = json.loads(ask(world.url, "/albums").body)
    found = [one["id"] for one in listed if one["id"].startswith(f"{prefix}-")]
    check(found == sorted(names), found)


# -- clients ---------------------------------------------------------------------------------------


def storm(world: World) -> None:
    """Fifty clients add an album of one id at once over three tasks: one succeeds."""
    name = world.next_round()
    urls = world.tasks.urls()
    together = threading.Barrier(STORM)

    def send(number: int) -> int:
        together.wait()
        return add(urls[number % len(urls)], name).status

    with ThreadPoolExecutor(STORM) as clients:
        statuses = Counter(clients.map(send, range(STORM)))
    check(statuses == {201: 1, 409: STORM - 1}, statuses)


def odd_ids(world: World) -> None:
    """Ids that no album can have: not found, and refused when added."""
    for path in ("a/b", "a%2Fb", "..%2f1", "%2e%2e", "%00", "x" * 10_000, "1%20", "%ff", "4.json"):
        answer = ask(world.url, f"/albums/{path}")
        check((answer.status, answer.body) == (404, in_json({"message": "album not found"})), path)
    for one in ("a/b", "a%2Fb", "..", "", "x" * 10_000, "é", "a\0", " 1", 4, None):
        sent = album("4", id=one)
        answer = ask(world.url, "/albums", method="POST", body=sent, headers=JSON)
        check(answer.status == 422 and answer.body.startswith(b'{\n    "message": "id: '), one)


def odd_bodies(world: World) -> None:
    """Bodies that are no album: refused with the reason."""
    fields = ({"price": "1"}, {"price": -1}, {"price": float("nan")}, {"price": float("inf")})
    bodies = [album("4", **one) for one in (*fields, {"title": ""}, {"artist": None}, {"x": 1})]
    for body in (*bodies, b"", b"{", b"null", b"\xff", b"[" * 200_000, album("4")[:-1]):
        answer = ask(world.url, "/albums", method="POST", body=body, headers=JSON)
        check(answer.status == 422 and "message" in json.loads(answer.body), (body[:80], answer))
    answer = ask(world.url, "/albums", method="POST", body=album("4"))
    check(answer.status == 415, answer)
    check(ask(world.url, "/albums/4").status == 404, "a refused album was added")


def large_bodies(world: World) -> None:
    """A body over 1 MiB is refused, with its length said before or not; the task goes on."""
    large = album("4", title="x" * (1 << 20))

    def pieces() -> Iterator[bytes]:
        for at in range(0, len(large), 1 << 16):
            yield large[at : at + (1 << 16)]

    for body in (large, pieces()):
        try:
            answer = ask(world.url, "/albums", method="POST", body=body, headers=JSON)
            check(answer.status == 413, answer)
        except (BrokenPipeError, ConnectionResetError):
            pass  # the task had answered and closed while the client was still sending
    _seeds_answer(world.url)


def slow_bodies(world: World) -> None:
    """A body that does not arrive is refused in time; the task answers others meanwhile."""
    task = world.tasks.start(patience_s=0.3)
    address = urlsplit(task.url)
    with socket.create_connection((str(address.hostname), address.port or 0), 30) as connection:
        connection.sendall(
            b"POST /albums HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"
            b"Content-Length: 90\r\n\r\n{"
        )
        _seeds_answer(task.url)
        answer = http.client.HTTPResponse(connection)
        answer.begin()
        check(answer.status == 408, answer.status)
    world.tasks.kill(task)


def duplicates(world: World) -> None:
    """An album that exists stays as it is, also one of the three."""
    name = world.next_round()
    check(add(world.url, name, Idempotency_Key="one").status == 201, "the album is not added")
    for url in world.tasks.urls():
        check(add(url, name).status == 409, "a duplicate is added")
        check(add(url, name, Idempotency_Key="one").status == 201, "a repetition is refused")
        check(add(url, "1").status == 409, "one of the three albums is replaced")
    _seeds_answer(world.url)


# -- the store -------------------------------------------------------------------------------------


def a_folder_that_is_none(world: World) -> None:
    """The store's folder is a file: the three albums are answered, the rest is refused."""
    folder = world.folder / world.next_round()
    folder.mkdir()
    (folder / "store").write_text("")
    with running(folder, 1) as tasks:
        (url,) = tasks.urls()
        _seeds_answer(url)
        check(add(url, "4").status == 503, "an album is added nowhere")


def _behind(deed: Deed, *, seconds: float = 0.0, request: Request = "") -> Callable[[World], None]:
    """Return a round with a task whose S3 fails; `s3` is there."""

    def of_s3(world: World) -> None:
        name, told = world.next_round(), list[str]()
        assert world.s3 is not None
        rule = Rule(deed, world.chance, told.append, 1.0, 10_000, seconds=seconds)
        rule.request = request
        rule.part = f"albums/{name}"
        settings = {"store": f"s3://{BUCKET}", "store_limit_s": STORE_LIMIT_S}
        with troubled(world.s3.endpoint, rule) as endpoint:
            environment = world.s3.environment | {"AWS_ENDPOINT_URL": endpoint}
            with running(world.folder / name, 1, environment, **settings) as tasks:
                (url,) = tasks.urls()
                _judge_s3(url, name, deed)
                rule.most = 0  # the store works again
                _judge_afterwards(url, name)
        check(bool(told), "the fault was never injected")

    return of_s3


def _judge_s3(url: str, name: str, deed: Deed) -> None:
    _seeds_answer(url)
    for is_new in (True, False):
        began = time.monotonic()
        answer = add(url, name) if is_new else ask(url, f"/albums/{name}")
        check(time.monotonic() - began < BOUND_S, "the answer took too long")
        if deed == "answer lost":  # the second PUT finds the object of the first
            check(answer.status in (200, 201), answer)
        else:
            check(answer.status == 503 and answer.headers["retry-after"] == "1", answer)
    _seeds_answer(url)


def _judge_afterwards(url: str, name: str) -> None:
    later = f"{name}-later"
    until = time.monotonic() + 10 * BOUND_S
    while (status := add(url, later, Idempotency_Key="k").status) == 503:
        check(time.monotonic() < until, "the store works again, and the task does not")
    check(status == 201 and ask(url, f"/albums/{later}").status == 200, status)


def storm_on_s3(world: World) -> None:
    """Fifty clients add an album of one id at once over three tasks on S3: one succeeds."""
    assert world.s3 is not None
    settings = {"store": f"s3://{BUCKET}", "store_limit_s": 20}
    folder = world.folder / world.next_round()
    with running(folder, 3, world.s3.environment, **settings) as tasks:
        storm(World(folder, tasks, world.s3, world.chance, world.number * 1000))


FAULTS: dict[str, Callable[[World], None]] = {
    "task killed under load": killed,
    "3 -> 1 -> 3 tasks under load": scaled,
    "every task replaced under load": rolled,
    "SIGTERM in the middle of a request": stopped_in_a_request,
    "task killed while clients add": killed_while_adding,
    "50 POSTs of one id at once": storm,
    "ids with slashes, dots, 10 KB": odd_ids,
    "NaN, strings, unknown fields, broken JSON": odd_bodies,
    "body over 1 MiB": large_bodies,
    "body that stops arriving": slow_bodies,
    "duplicate and repeated requests": duplicates,
    "store is no folder": a_folder_that_is_none,
}
S3_FAULTS: dict[str, Callable[[World], None]] = {
    "50 POSTs of one id at once, on S3": storm_on_s3,
    "S3 says SlowDown": _behind("slow down"),
    "S3 says InternalError": _behind("server error"),
    "S3 does not answer": _behind("no answer", seconds=5.0),
    "S3's answer to a PUT is lost": _behind("answer lost", request="put"),
}
