"""One round of a fault: a router, replicas, load, and the check of every answer."""

from __future__ import annotations

import asyncio
import json
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from examples.serving.bench.fleet import ReplicaProcess, RouterProcess, listed
from examples.serving.load import Sample, closed_loop
from examples.serving.router.connections import Request

PATH = b"/v2/models/digits/infer"
MEAN_MS = 3.0


@dataclass(frozen=True, slots=True)
class Row:
    """What one round has shown.

    Attributes:
        fault: its name.
        requests: sent.
        good: answered with 200.
        refused: answered with 503.
        failed: the others.
        wrong: answers with 200 that belong to another request, or none.
        complaints: what is not as it must be.
    """

    fault: str
    requests: int
    good: int
    refused: int
    failed: int
    wrong: int
    complaints: tuple[str, ...]


class Trial:
    """The processes of one round.

    Args:
        stack: ends them.
        seed: of all random numbers.
        folder: an empty one.
    """

    def __init__(self, stack: ExitStack, seed: int, folder: Path) -> None:
        self.stack = stack
        self.seed = seed
        self.folder = folder
        self.replicas: list[ReplicaProcess] = []
        self.samples: list[Sample] = []
        self.wrong = 0
        self.complaints: list[str] = []
        self._router: RouterProcess | None = None

    @property
    def router(self) -> RouterProcess:
        """The router."""
        assert self._router is not None
        return self._router

    def start(
        self, count: int = 3, settings: Mapping[str, str] | None = None, *, mean_ms: float = MEAN_MS
    ) -> None:
        """Start replicas, and a router in front of them."""
        self.start_replicas(count, mean_ms)
        self.start_router(listed([each.address for each in self.replicas]), count, settings)

    def start_replicas(self, count: int, mean_ms: float = MEAN_MS) -> None:
        """Start replicas, two a task."""
        for number in range(count):
            name = f"task-{number // 2}/container-{number % 2}"
            replica = ReplicaProcess(name, mean_ms, seed=self.seed + number)
            self.stack.callback(replica.kill)
            self.replicas.append(replica)

    def start_router(
        self,
        models: str,
        ready: int,
        settings: Mapping[str, str] | None = None,
        command: Sequence[str] = ("-m", "examples.serving.router"),
    ) -> None:
        """Start a router, and wait for its replicas."""
        fast = {"probe_s": "0.2", "discover_s": "0.2"}
        self._router = RouterProcess(models, fast | dict(settings or {}), command)
        self.stack.callback(self._router.stop)
        self._router.await_ready(ready)

    def load(
        self,
        count: int,
        clients: int = 8,
        meanwhile: Callable[[], None] = lambda: None,
    ) -> list[Sample]:
        """Send requests, each with a number that its answer must repeat; return the samples.

        Args:
            count: how many.
            clients: how many at the same time.
            meanwhile: called in a thread, soon after the first.
        """
        first = len(self.samples)

        def request(number: int) -> Request:
            return Request("POST", PATH, (), json.dumps({"id": first + number}).encode())

        async def run() -> list[Sample]:
            loading = asyncio.create_task(closed_loop(self.router.address, request, count, clients))
            await asyncio.sleep(0.1)
            await asyncio.to_thread(meanwhile)
            return await loading

        samples = asyncio.run(run())
        good = [each for each in samples if each.status == 200]
        numbers = Counter(_number(each.body) for each in good)
        # a number twice, or one that was not sent, is another caller's answer
        self.wrong += sum(
            found - (first <= (number if number is not None else -1) < first + count)
            for number, found in numbers.items()
        )
        self.samples += samples
        return samples

    def expect(self, holds: bool, words: str) -> None:
        """Complain unless something holds."""
        if not holds:
            self.complaints.append(words)

    def expect_all_good(self) -> None:
        """Complain unless every request was answered well."""
        bad = Counter(each.status for each in self.samples if each.status != 200)
        self.expect(not bad, f"requests were lost: {dict(bad)}")

    def await_metric(self, name: str, least: float, limit_s: float = 15) -> None:
        """Wait until a metric has grown; complain if it does not."""
        until = time.monotonic() + limit_s
        while self.router.metric(name) < least and time.monotonic() < until:
            time.sleep(0.05)
        found = self.router.metric(name)
        self.expect(found >= least, f"{name} is {found:g}, and {least:g} was expected")

    def row(self, fault: str) -> Row:
        """Return what the round has shown."""
        statuses = Counter(each.status for each in self.samples)
        good, refused = statuses[200], statuses[503]
        return Row(
            fault=fault,
            requests=len(self.samples),
            good=good,
            refused=refused,
            failed=len(self.samples) - good - refused,
            wrong=self.wrong,
            complaints=tuple(self.complaints),
        )


def _number(body: bytes) -> int | None:
    try:
        number = json.loads(body)["echo"]["id"]
    except (ValueError, KeyError, TypeError):
        return None
    return number if isinstance(number, int) else None
