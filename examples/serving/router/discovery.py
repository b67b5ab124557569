"""Where the replicas are: a list, a file that may change, or AWS Cloud Map.

Cloud Map by its API and not by DNS: DNS answers with eight addresses at most.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from examples.serving.router.connections import Address
from mapreduce.errors import FleetError

_PORTS = re.compile(r"(\d{1,5})(?:-(\d{1,5}))?")
_FORMS = (
    "write host:port,host:port, or file:///path of a file with one host:port a line, "
    "or cloudmap://NAMESPACE/SERVICE?ports=8080-8081"
)
LAST_PORT = 65535


@dataclass(frozen=True, slots=True)
class Fixed:
    """A list that does not change."""

    addresses: tuple[Address, ...]


@dataclass(frozen=True, slots=True)
class Listed:
    """A file with one host:port a line; empty lines and those that begin with # do not count."""

    path: str


@dataclass(frozen=True, slots=True)
class CloudMap:
    """A service of Cloud Map, and the ports of the containers of each of its tasks."""

    namespace: str
    service: str
    ports: tuple[int, ...]


Source = Fixed | Listed | CloudMap
Lookup = Callable[[], tuple[Address, ...]]
"""Return the addresses now; raises `LookupFailed`, `OSError` or `ValueError`."""


class LookupFailed(FleetError):
    """The addresses could not be looked up this time."""


def source_of(text: str) -> Source:
    """Return the source that a setting names.

    Raises:
        ValueError: it is none of the three forms.
    """
    if text.startswith("file:///"):
        return Listed(urlsplit(text).path)
    if text.startswith("cloudmap://"):
        return _cloud_map(text)
    return Fixed(addresses_in(text.split(",")))


def addresses_in(lines: Iterable[str]) -> tuple[Address, ...]:
    """Return the addresses in a list, each once.

    Raises:
        ValueError: a line is no host:port.
    """
    found: dict[Address, None] = {}
    for line in lines:
        text = line.strip()
        if text and not text.startswith("#"):
            host, colon, port = text.rpartition(":")
            if not colon or not host or "/" in host or not _is_port(port):
                raise ValueError(f"{text[:100]!r} is no address of a replica; {_FORMS}")
            found[Address(host.strip("[]"), int(port))] = None
    return tuple(found)


def everywhere(hosts: Iterable[str], ports: Iterable[int]) -> tuple[Address, ...]:
    """Return every port of every host: on Fargate the containers of a task share its address.

    Where each container has an address of its own, the others of these are just not there.
    """
    each = tuple(ports)
    return tuple(Address(host, port) for host in sorted(set(hosts)) for port in each)


def lookup_of(source: Source) -> Lookup:
    """Return a function that looks the addresses up, now and again."""
    if isinstance(source, Fixed):
        return lambda: source.addresses
    if isinstance(source, Listed):
        return lambda: addresses_in(Path(source.path).read_text(encoding="utf-8").splitlines())
    # only where it is used: it takes a quarter of a second, and no laptop needs it
    from examples.serving.router.cloud_map import hosts_of

    look = hosts_of(source.namespace, source.service)
    return lambda: everywhere(look(), source.ports)


def _cloud_map(text: str) -> CloudMap:
    parts = urlsplit(text)
    service = parts.path.strip("/")
    ports = parse_qs(parts.query).get("ports", [""])[0]
    found = _PORTS.fullmatch(ports)
    if not parts.netloc or not service or "/" in service or found is None:
        raise ValueError(f"{text[:200]!r} names no service of Cloud Map; {_FORMS}")
    first, last = int(found[1]), int(found[2] or found[1])
    if not 1 <= first <= last <= LAST_PORT:
        raise ValueError(f"{ports} are no ports; {_FORMS}")
    return CloudMap(parts.netloc, service, tuple(range(first, last + 1)))


def _is_port(text: str) -> bool:
    return text.isascii() and text.isdigit() and 1 <= int(text) <= LAST_PORT
