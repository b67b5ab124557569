"""The services as processes on this machine's loopback address, for one run."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from driver.history.log_file import log_bytes
from driver.targets import prefork
from driver.targets.prefork import Prefork
from driver.text import shown
from driver.transport.endpoint import ROLES, Endpoint, FleetGone
from mapreduce.wire.messages import StageName

HOST = "127.0.0.1"
STOP_S = 8.0


@dataclass(frozen=True, slots=True)
class LocalFleetConfig:
    """The settings of the local services.

    Attributes:
        store: root URL of the store.
        extra_inputs: URLs of further folders that they may read.
        signing_key: a new one for each run.
        mappers: mapper processes, with one slot each.
        reduce_slots: slots of the one reducer.
        log: the file of their logs.
        scratch: their folder for intermediate files.
        task_memory_bytes: memory of a task; None for the services' default.
        chaos: whether the services accept injected faults.
        tls: whether they answer by TLS, as in AWS; on loopback nothing else requires it.
    """

    store: str
    extra_inputs: tuple[str, ...]
    signing_key: str
    mappers: int
    reduce_slots: int
    log: Path
    scratch: Path
    task_memory_bytes: int | None = None
    chaos: bool = False
    tls: bool = False


class LocalFleet:
    """The local services: `async with` starts them, and leaves none behind at its end."""

    refresh_s = 2.0

    def __init__(self, config: LocalFleetConfig) -> None:
        self._config = config
        self._endpoints: dict[StageName, list[Endpoint]] = {"split": [], "map": [], "reduce": []}
        self._prefork: Prefork | None = None

    def start(self) -> None:
        """Start the services.

        Their sockets listen at once, so requests wait in them until each service is up.
        """
        sockets: list[socket.socket] = []
        services: list[dict[str, object]] = []
        slots: list[tuple[StageName, int]] = [("split", 1), ("reduce", self._config.reduce_slots)]
        slots += [("map", 1)] * self._config.mappers
        for stage, count in slots:
            listening = socket.create_server((HOST, 0), backlog=128)
            sockets.append(listening)
            services.append({"role": ROLES[stage], "socket": len(services), "slots": count})
            number = len(self._endpoints[stage])
            scheme = "https" if self._config.tls else "http"
            url = f"{scheme}://{HOST}:{listening.getsockname()[1]}"
            endpoint = Endpoint(f"{ROLES[stage]}-{number}", url, count, ROLES[stage])
            self._endpoints[stage].append(endpoint)
        self._config.log.parent.mkdir(parents=True, exist_ok=True)
        described = {"services": services, "settings": self._settings()}
        with self._config.log.open("ab") as log:
            files = [log.fileno(), *(listening.fileno() for listening in sockets)]
            self._prefork = prefork.take()
            self._prefork.send(json.dumps(described).encode(), files)
        for listening in sockets:
            listening.close()

    async def stop(self) -> None:
        """End all services, and wait until they have exited."""
        started, self._prefork = self._prefork, None
        if started is not None:
            await asyncio.to_thread(started.end, STOP_S)

    async def __aenter__(self) -> LocalFleet:
        self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await asyncio.shield(self.stop())

    async def endpoints(self, stage: StageName) -> list[Endpoint]:
        if self._prefork is None or self._prefork.process.poll() is not None:
            raise FleetGone(
                f"the local services have ended: {self._last_words()} (log: {self._config.log})"
            )
        return self._endpoints[stage]

    async def why_gone(self, stage: StageName, names: Sequence[str]) -> dict[str, str]:
        return {}

    async def why_unreached(self, stage: StageName, names: Sequence[str]) -> str:
        return ""

    def log_text(self) -> bytes:
        """Return the services' log so far, JSON lines; beyond `LOG_BYTES`, its two ends."""
        return log_bytes(self._config.log)

    def _settings(self) -> dict[str, object]:
        config = self._config
        return {
            "store": config.store,
            "signing_key": config.signing_key,
            "extra_inputs": list(config.extra_inputs),
            "scratch": str(config.scratch),
            "drain_s": 0,
            # of this fleet alone, whatever the environment says
            "host": HOST,
            "tls": config.tls,
            "chaos": config.chaos,
            "task_memory_mb": (config.task_memory_bytes or 0) >> 20,
        }

    def _last_words(self) -> str:
        lines = self.log_text().decode(errors="replace").rstrip("\n").split("\n")
        return shown(lines[-1], 300) or "they logged nothing"
