"""Clients that count what their requests come to."""

from __future__ import annotations

import http.client
import random
import time
from typing import Any

import pytest

from examples.albums import load as module
from examples.albums.load import EXPECTED, Client, Directory, Tally, at, chosen, load
from mapreduce.errors import UsageError

CHANCE = random.Random(1)


class _Net:
    """Addresses: "up" answers, "down" refuses, "broken" and "cut" break, "odd" answers something
    else.
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch, **addresses: str) -> None:
        self.states = addresses
        self.asked: list[str] = []
        self.closed: list[str] = []
        monkeypatch.setattr(http.client, "HTTPConnection", self._connection)

    def _connection(self, name: str, timeout: float) -> Any:
        net = self

        class Connection:
            """A connection that answers at once."""

            status = 200

            def connect(self) -> None:
                """Connect."""
                if net.states[name] == "down":
                    net.asked.append(name)
                    raise ConnectionRefusedError

            def request(self, method: str, path: str) -> None:
                """Send."""
                assert (method, timeout) == ("GET", 5.0)
                net.asked.append(name)
                if net.states[name] in ("down", "broken"):
                    raise ConnectionResetError
                self.path = path

            def getresponse(self) -> Any:
                """Return the answer."""
                if net.states[name] == "cut":
                    raise http.client.IncompleteRead(b"")
                return self

            def read(self) -> bytes:
                """Return the body."""
                return EXPECTED[self.path] if net.states[name] == "up" else b"odd"

            def close(self) -> None:
                """Close."""
                net.closed.append(name)

        return Connection()

    @property
    def urls(self) -> list[str]:
        """The addresses."""
        return [f"http://{name}" for name in self.states]


def test_expected_answers_are_those_of_the_seeds() -> None:
    """The clients know the three albums' bytes."""
    assert list(EXPECTED) == ["/albums/1", "/albums/2", "/albums/3"]
    assert EXPECTED["/albums/2"].startswith(b'{\n    "id": "2",')


def test_a_second_try_goes_to_another_address() -> None:
    """The broken address is chosen again only if there is no other."""
    assert chosen(["a", "b"], "a", CHANCE) == "b"
    assert chosen(["a"], "a", CHANCE) == "a"
    assert chosen([], "a", CHANCE) is None
    assert chosen(["a"], "a", CHANCE, ["a", "old"]) == "old"
    assert chosen(["a", "b"], "a", CHANCE, ["old"]) == "b"
    assert {chosen(["a", "b"], None, CHANCE) for _ in range(50)} == {"a", "b"}


@pytest.mark.parametrize("state", ["down", "broken", "cut"])
def test_a_broken_connection_is_tried_at_one_other_address(
    monkeypatch: pytest.MonkeyPatch, state: str
) -> None:
    """One of two addresses fails: no request is lost, and each is sent twice at most."""
    net = _Net(monkeypatch, a="up", b=state)
    total = load(lambda: net.urls, lambda begun: begun < 40, clients=1)
    assert total.requests == 40
    assert total.answered + total.elsewhere == 40
    assert total.elsewhere == net.asked.count("b") > 0
    assert total.is_good


def test_two_broken_connections_are_a_lost_request(monkeypatch: pytest.MonkeyPatch) -> None:
    """There is no third try, and no address at all is a loss too."""
    net = _Net(monkeypatch, a="broken", b="cut", c="broken")
    assert load(lambda: net.urls, lambda begun: begun < 1, clients=1) == Tally(lost=1)
    assert len(net.asked) == 2
    assert load(list, lambda begun: begun < 3, clients=1) == Tally(lost=3)


def test_addresses_without_a_connection_are_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    """What was not sent is no try: of many tasks that start, the one that answers is found."""
    net = _Net(monkeypatch, a="down", b="down", c="down", d="up")
    total = load(lambda: net.urls, lambda begun: begun < 40, clients=1)
    assert (total.is_good, total.answered + total.elsewhere) == (True, 40)
    net = _Net(monkeypatch, a="down", b="down")
    assert load(lambda: net.urls, lambda begun: begun < 1, clients=1) == Tally(lost=1)
    assert {"a", "b"} == set(net.asked)


def test_another_answer_is_wrong_and_not_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """An answer with other bytes counts as wrong, at the first and the second address."""
    net = _Net(monkeypatch, a="odd")
    total = load(lambda: net.urls, lambda begun: begun < 2, clients=1)
    assert (total, total.is_good, len(net.asked)) == (Tally(wrong=2), False, 2)


def test_addresses_are_looked_up_again_when_a_connection_breaks(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A task that has been replaced is gone from the list before the second try."""
    net = _Net(monkeypatch, old="down", new="up")
    looks = iter([["http://old"], ["http://new"]])
    client = Client(Directory(lambda: next(looks)), CHANCE)
    assert [client.get(), client.get()] == [Tally(elsewhere=1), Tally(answered=1)]
    client.close()
    assert net.closed == ["old", "new"]


def test_a_task_that_is_being_replaced_still_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    """When the one task of the list does not answer yet, the one before it is tried."""
    net = _Net(monkeypatch, old="up", new="down")
    looks = iter([["http://old"], ["http://new"], ["http://new"]])
    directory = Directory(lambda: next(looks))
    client = Client(directory, CHANCE)
    assert client.get() == Tally(answered=1)
    directory.addresses(anew=True)
    assert client.get() == Tally(elsewhere=1)
    assert net.asked == ["old", "new", "old"]


def test_addresses_are_looked_up_again_after_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    """New tasks get requests without a broken connection."""
    now = 10.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    looks = iter([["a"], ["b"]])
    directory = Directory(lambda: next(looks))
    assert [directory.addresses(), directory.addresses()] == [["a"], ["a"]]
    now += module.LOOK_S
    assert directory.addresses() == ["b"]


def test_each_client_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Several clients send exactly as many requests as asked."""
    net = _Net(monkeypatch, a="up", b="up")
    assert load(lambda: net.urls, lambda begun: begun < 200, clients=4).answered == 200
    assert str(Tally(5, 4, 3, 2)) == (
        "14 requests: 5 answered, 4 by a second address, 3 lost, 2 wrong"
    )


@pytest.mark.parametrize(
    "url",
    [
        "127.0.0.1:8080",
        "https://a:1",
        "http://",
        "albums",
        "http://127.0.0.1:80a",
        "http://[::1",
        "http://a:65536",
        "http://a:0",
        "http://a..b:80",
        "http://a b:80",
        "http://me@a:80",
    ],
)
def test_an_address_that_is_none_is_refused(url: str) -> None:
    """The message shows the form of an address."""
    with pytest.raises(UsageError, match="write http://HOST:PORT"):
        at([url])


def test_a_path_does_not_belong_to_an_address() -> None:
    """What `urls` prints can be given to `load`."""
    assert at(["http://127.0.0.1:8080/albums"])() == ["http://127.0.0.1:8080"]
