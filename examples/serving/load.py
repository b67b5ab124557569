"""Load on a service: requests that arrive at random times, whether the last ones are answered.

A loop that waits for each answer before its next request slows down with the service, and so hides
the slowness. Here the arrivals are a Poisson process, and each time counts from the arrival.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus

from examples.serving.router.connections import Address, Connections, Request, Unanswered
from examples.serving.wire import SERVED_BY

NO_ANSWER = 0
"""The status of a request that got none."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One request.

    Attributes:
        at_s: its arrival, from the beginning.
        seconds: from its arrival to its whole answer.
        status: the answer's; `NO_ANSWER` for none.
        served_by: which container answered.
        body: the answer's body.
    """

    at_s: float
    seconds: float
    status: int
    served_by: str
    body: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Summary:
    """What a load has found.

    Attributes:
        requests: their number.
        statuses: how many answers had each status.
        p50_ms, p99_ms: of the good answers' times.
        refused_ms: the longest time of a refusal (503); 0 without one.
        by_container: the good answers of each container.
        seconds: from the first arrival to the last answer.
    """

    requests: int
    statuses: Mapping[int, int]
    p50_ms: float
    p99_ms: float
    refused_ms: float
    by_container: Mapping[str, int]
    seconds: float

    @property
    def good(self) -> int:
        """The good answers."""
        return self.statuses.get(HTTPStatus.OK, 0)

    @property
    def failed(self) -> int:
        """The requests that were not answered well."""
        return self.requests - self.good


def arrivals(rate: float, count: int, seed: int) -> list[float]:
    """Return the times of Poisson arrivals, in seconds from the beginning.

    Args:
        rate: arrivals a second.
        count: how many.
        seed: of the times.
    """
    draws, now, times = random.Random(seed), 0.0, []
    for _ in range(count):
        now += draws.expovariate(rate)
        times.append(now)
    return times


def percentile(values: Sequence[float], part: float) -> float:
    """Return the smallest value that at least this part of the values does not exceed; 0 for none.

    Args:
        values: in any order.
        part: 0.99 for the 99th percentile.
    """
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(part * len(ordered)))] if ordered else 0.0


def summary_of(samples: Sequence[Sample]) -> Summary:
    """Return the numbers of a load."""
    good = [each for each in samples if each.status == HTTPStatus.OK]
    refused = [each for each in samples if each.status == HTTPStatus.SERVICE_UNAVAILABLE]
    return Summary(
        requests=len(samples),
        statuses=dict(Counter(each.status for each in samples)),
        p50_ms=1000 * percentile([each.seconds for each in good], 0.5),
        p99_ms=1000 * percentile([each.seconds for each in good], 0.99),
        refused_ms=1000 * max((each.seconds for each in refused), default=0.0),
        by_container=dict(sorted(Counter(each.served_by for each in good).items())),
        seconds=max((each.at_s + each.seconds for each in samples), default=0.0),
    )


def table_of(summary: Summary) -> str:
    """Return the numbers for a terminal."""
    others = ", ".join(
        f"{count} x {status or 'no answer'}"
        for status, count in sorted(summary.statuses.items())
        if status != HTTPStatus.OK
    )
    lines = [
        f"requests   {summary.requests} in {summary.seconds:.1f} s",
        f"good       {summary.good}" + (f"   others: {others}" if others else ""),
        f"latency    p50 {summary.p50_ms:.1f} ms, p99 {summary.p99_ms:.1f} ms",
        "container                      answers   share",
    ]
    for name, count in summary.by_container.items():
        lines.append(f"{name:<30} {count:>7} {100 * count / max(1, summary.good):>6.1f} %")
    return "\n".join(lines)


class _Client:
    """Sends requests and times them.

    Args:
        address: the service.
        requests: returns the request of a number, from 0.
        limit_s: how long an answer may take.
    """

    def __init__(
        self, address: Address, requests: Callable[[int], Request], limit_s: float
    ) -> None:
        self._connections = Connections(address, None, connect_s=limit_s)
        self._requests = requests
        self._limit_s = limit_s
        self._loop = asyncio.get_running_loop()
        self._began = self._loop.time()

    @property
    def now_s(self) -> float:
        """The time since the beginning."""
        return self._loop.time() - self._began

    async def send(self, number: int, at_s: float) -> Sample:
        """Send a request, and return what became of it."""
        try:
            async with asyncio.timeout(self._limit_s):
                answer = await self._connections.send(self._requests(number))
        except (Unanswered, TimeoutError) as exc:
            return Sample(at_s, self.now_s - at_s, NO_ANSWER, "", str(exc).encode())
        served_by = answer.header(SERVED_BY) or ""
        return Sample(at_s, self.now_s - at_s, answer.status, served_by, answer.body)

    def close(self) -> None:
        """Close all connections."""
        self._connections.abort()


async def open_loop(
    address: Address,
    requests: Callable[[int], Request],
    times: Sequence[float],
    limit_s: float = 30.0,
) -> list[Sample]:
    """Send each request at its time, and return what became of all of them.

    Args:
        address: the service.
        requests: returns the request of a number, from 0.
        times: when each is sent, in seconds from the beginning.
        limit_s: how long an answer may take.
    """
    client = _Client(address, requests, limit_s)
    tasks = []
    for number, at_s in enumerate(times):
        pause = at_s - client.now_s
        if pause > 0:
            await asyncio.sleep(pause)
        tasks.append(asyncio.create_task(client.send(number, at_s)))
    samples = await asyncio.gather(*tasks)
    client.close()
    return samples


async def closed_loop(
    address: Address,
    requests: Callable[[int], Request],
    count: int,
    clients: int,
    limit_s: float = 30.0,
) -> list[Sample]:
    """Send requests by clients that each wait for an answer before the next request.

    Args:
        address: the service.
        requests: returns the request of a number, from 0.
        count: all requests together.
        clients: how many at the same time.
        limit_s: how long an answer may take.
    """
    client = _Client(address, requests, limit_s)
    numbers = iter(range(count))
    samples: list[Sample] = []

    async def one_after_the_other() -> None:
        for number in numbers:
            samples.append(await client.send(number, client.now_s))

    await asyncio.gather(*(one_after_the_other() for _ in range(clients)))
    client.close()
    return samples
