"""Clients that get albums all the time, and count what each request came to.

A client sends its request to one address. If the connection breaks, it looks up the addresses
again and tries one other; a second failure is a lost request.
"""

from __future__ import annotations

import http.client
import random
import re
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, fields
from urllib.parse import urlsplit

from examples.albums.album import SEEDS, in_json
from mapreduce.errors import UsageError

TIMEOUT_S = 5.0
LOOK_S = 2.0
"""How long looked-up addresses are used."""
EXPECTED = {f"/albums/{album.id}": in_json(album.fields()) for album in SEEDS.values()}
Addresses = Callable[[], Sequence[str]]


@dataclass(frozen=True, slots=True)
class Tally:
    """Counts of requests.

    Attributes:
        answered: the right answer at the first address.
        elsewhere: the right answer at the second address.
        lost: no answer.
        wrong: another status or body.
    """

    answered: int = 0
    elsewhere: int = 0
    lost: int = 0
    wrong: int = 0

    def __add__(self, other: Tally) -> Tally:
        return Tally(
            *(getattr(self, field.name) + getattr(other, field.name) for field in fields(Tally))
        )

    @property
    def requests(self) -> int:
        """All of them."""
        return self.answered + self.elsewhere + self.lost + self.wrong

    @property
    def is_good(self) -> bool:
        """Whether no request is lost or has a wrong answer."""
        return self.lost + self.wrong == 0

    def __str__(self) -> str:
        return (
            f"{self.requests} requests: {self.answered} answered, {self.elsewhere} by a second "
            f"address, {self.lost} lost, {self.wrong} wrong"
        )


def chosen(
    addresses: Sequence[str],
    broken: str | None,
    chance: random.Random,
    earlier: Sequence[str] = (),
) -> str | None:
    """Return the address for a request, or None if there is none.

    Args:
        addresses: those of the tasks now.
        broken: that of a connection that broke, which is the last choice.
        chance: chooses.
        earlier: addresses of a while ago: a task that is being replaced still answers, when the new
            one does not yet.
    """
    now, before = (
        [address for address in some if address != broken] for some in (addresses, earlier)
    )
    candidates = now or before or addresses
    return chance.choice(candidates) if candidates else None


def at(urls: Sequence[str]) -> Addresses:
    """Return a look-up of given addresses.

    Args:
        urls: `http://host:port`, with a path or without.

    Raises:
        UsageError: one is not such an address.
    """
    found = [f"http://{_place(url)}" for url in urls]
    return lambda: found


def _place(url: str) -> str:
    """Return HOST:PORT of a URL that a connection can be made to; raises `UsageError`."""
    try:
        parts = urlsplit(url)
        host, port = (parts.hostname or "").encode("idna"), parts.port
    except ValueError:  # a bracket, a port, or a label of the host's name
        host, port = b"", None
    if host and port != 0 and parts.scheme == "http" and re.fullmatch(r"[^\s@]+", parts.netloc):
        return parts.netloc
    raise UsageError(f"{url!r} is not an address; write http://HOST:PORT")


class Directory:
    """The addresses, looked up again after `LOOK_S` or on demand; shared by threads.

    Args:
        look: returns the addresses, `http://host:port` each.

    Attributes:
        earlier: the addresses before they last changed.
    """

    def __init__(self, look: Addresses) -> None:
        self._look = look
        self._lock = threading.Lock()
        self._found: Sequence[str] = ()
        self._until = 0.0
        self.earlier: Sequence[str] = ()

    def addresses(self, *, anew: bool = False) -> Sequence[str]:
        """Return the addresses."""
        with self._lock:
            if anew or time.monotonic() >= self._until:
                before, self._found = self._found, self._look()
                if set(before) != set(self._found):
                    self.earlier = before
                self._until = time.monotonic() + LOOK_S
            return self._found


class _Unreached(Exception):
    """There is no connection to an address, so nothing was sent."""


class Client:
    """One client: a connection to each address, kept open between requests.

    Args:
        directory: the addresses.
        chance: chooses addresses and albums.
    """

    def __init__(self, directory: Directory, chance: random.Random) -> None:
        self._directory = directory
        self._chance = chance
        self._connections: dict[str, http.client.HTTPConnection] = {}

    def get(self) -> Tally:
        """Get one album, and return what came of it.

        A request whose connection breaks is sent once more, to another address. An address that
        cannot be reached has got no request, so the next one is tried.
        """
        path = self._chance.choice(list(EXPECTED))
        first = chosen(self._directory.addresses(), None, self._chance)
        good = self._got(first, path)
        if good is not None:
            return Tally(answered=1) if good else Tally(wrong=1)
        unreached = {first}
        while True:
            found = self._directory.addresses(anew=True)
            others = [each for each in found if each not in unreached]
            earlier = [each for each in self._directory.earlier if each not in unreached]
            second = chosen(others, None, self._chance, earlier) or first
            try:
                good = self._answered(second, path)
            except _Unreached:
                if second in unreached:
                    return Tally(lost=1)
                unreached.add(second)
                continue
            if good is None:
                return Tally(lost=1)
            return Tally(elsewhere=1) if good else Tally(wrong=1)

    def close(self) -> None:
        """Close the connections."""
        for connection in self._connections.values():
            connection.close()

    def _got(self, address: str | None, path: str) -> bool | None:
        """Return whether the answer is right; None without one."""
        try:
            return self._answered(address, path)
        except _Unreached:
            return None

    def _answered(self, address: str | None, path: str) -> bool | None:
        """Return whether the answer is right; None for a broken connection.

        Raises:
            _Unreached: nothing listens at the address.
        """
        if address is None:
            return None
        connection = self._connections.get(address) or self._connected(address)
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            body = answer.read()
        except (OSError, http.client.HTTPException):
            connection.close()
            del self._connections[address]
            return None
        return answer.status == http.HTTPStatus.OK and body == EXPECTED[path]

    def _connected(self, address: str) -> http.client.HTTPConnection:
        connection = http.client.HTTPConnection(urlsplit(address).netloc, timeout=TIMEOUT_S)
        try:
            connection.connect()
        except OSError as exc:
            connection.close()
            raise _Unreached from exc
        self._connections[address] = connection
        return connection


def load(
    look: Addresses,
    keep_on: Callable[[int], bool],
    *,
    clients: int,
    pause_s: float = 0.0,
    seed: int = 0,
) -> Tally:
    """Get albums with some clients at a time; return what came of all requests.

    Args:
        look: returns the addresses.
        keep_on: whether to send another request, after this many.
        clients: how many.
        pause_s: what a client waits after each request.
        seed: of the random choices.
    """
    directory = Directory(look)
    lock = threading.Lock()
    total, begun = Tally(), 0

    def next_one() -> bool:
        nonlocal begun
        with lock:
            begun += 1
            return keep_on(begun - 1)

    def work(number: int) -> None:
        nonlocal total
        client = Client(directory, random.Random(seed + number))
        try:
            while next_one():
                done = client.get()
                with lock:
                    total += done
                time.sleep(pause_s)
        finally:
            client.close()

    with ThreadPoolExecutor(clients) as threads:
        for ended in [threads.submit(work, number) for number in range(clients)]:
            ended.result()
    return total
