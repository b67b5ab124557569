"""Find the processes of a run: driver -> supervisor -> services -> fork server -> workers."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Literal

import psutil

Role = Literal["splitter", "mapper", "reducer"]


def supervisor(driver: int) -> psutil.Process | None:
    """Return the process that a driver has started for its services."""
    children = _children(driver)
    return next((child for child in children if "services.local_fleet" in _command(child)), None)


def services(parent: psutil.Process, role: Role, logs: Iterable[Path]) -> list[psutil.Process]:
    """Return the living services of a role: they listen on the ports that the role's logs name."""
    ports = {port for log in logs for port in _ports(log, role)}
    return [service for service in _children(parent.pid) if _listens(service) & ports]


def workers(service: psutil.Process) -> list[psutil.Process]:
    """Return a service's workers: the children of its fork server."""
    return [
        worker for fork_server in _children(service.pid) for worker in _children(fork_server.pid)
    ]


def _children(pid: int) -> list[psutil.Process]:
    try:
        return psutil.Process(pid).children()
    except psutil.NoSuchProcess:
        return []


def _command(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.Error:
        return []


def _ports(log: Path, role: Role) -> set[int]:
    ports = set()
    for line in log.read_text(errors="replace").splitlines():
        try:
            said = json.loads(line)
        except ValueError:
            continue
        if (
            isinstance(said, dict)
            and said.get("event") == "listening"
            and said.get("service") == role
        ):
            ports.add(said["address"][1])
    return ports


def _listens(process: psutil.Process) -> set[int]:
    try:
        connections = process.net_connections("tcp4")
    except psutil.Error:
        return set()
    return {each.laddr.port for each in connections if each.status == psutil.CONN_LISTEN}
