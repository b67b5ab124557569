"""What the name of a Spark master says: this machine or a cluster, its slots, and its address."""

from __future__ import annotations

import os
import re
import socket
from collections.abc import Iterator

from mapreduce.errors import FleetError

CONNECT_S = 4.0
"""Seconds that the masters of a standalone cluster have for a connection, all together."""
DEFAULT_PORT = 7077

_LOCAL = re.compile(r"local(?:\[(\*|\d+)(?:,\s*\d+)?\])?")
_STANDALONE = "spark://"


def is_local(master: str) -> bool:
    """Return whether Spark runs on this machine alone."""
    return _LOCAL.fullmatch(master) is not None


def map_slots(master: str) -> int:
    """Return how many map tasks will run at the same time, as far as the master's name says."""
    found = _LOCAL.fullmatch(master)
    if found is None or found[1] is None:
        return 1
    return os.cpu_count() or 1 if found[1] == "*" else max(1, int(found[1]))


def check_answers(master: str) -> None:
    """Refuse a standalone cluster of which no master takes a connection; Spark would wait a minute.

    Raises:
        FleetError: with the cause of each.
    """
    if not master.startswith(_STANDALONE):
        return
    refused = []
    addresses = list(_addresses(master))
    for host, port in addresses:
        try:
            with socket.create_connection((host, port), CONNECT_S / len(addresses)):
                return
        except OSError as exc:
            refused.append(f"{host}:{port}: {exc.strerror or exc}")
    raise FleetError(
        f"no Spark master answers at {master} ({'; '.join(refused)}); "
        "check --spark-master, and that the cluster runs"
    )


def _addresses(master: str) -> Iterator[tuple[str, int]]:
    """Yield the masters' addresses: `spark://one:7077,two:7077` names those of one cluster."""
    for address in master.removeprefix(_STANDALONE).split(","):
        host, colon, port = address.strip().rpartition(":")
        if not colon:
            host, port = port, str(DEFAULT_PORT)
        if not host or not port.isdigit() or int(port) > 65535:
            raise FleetError(
                f"--spark-master {master}: {address!r} is no address; write spark://HOST:PORT"
            )
        yield host.strip("[]"), int(port)
