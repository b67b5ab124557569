"""The tail of the latency with one slow replica of three, by policy and beside HAProxy."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import ExitStack

from examples.serving.bench.fleet import ReplicaProcess, RouterProcess, listed
from examples.serving.bench.peer import haproxy, is_installed
from examples.serving.bench.verdict import Verdict
from examples.serving.load import Sample, arrivals, open_loop, summary_of
from examples.serving.router.connections import Address, Request

FAST_MS, SLOW_MS = 5.0, 25.0
LOAD = 0.6
BLOCK = 1000
"""Requests of one way before the next one's turn: the machine's other work meets all of them."""
ANSWER_S = 120.0
LEAST_GAIN, MOST_OF_PEER = 5.0, 1.5
_REQUEST = Request("POST", b"/v2/models/digits/infer", (), b'{"inputs": []}')
UNLIMITED = {"in_flight": "100000", "waiting": "100000", "wait_s": "100", "timeout_s": "120"}
"""No way may refuse a request, else its tail would look short."""


def with_a_slow_replica(
    requests: int, say: Callable[[str], None], slower: float = 1.0
) -> list[Verdict]:
    """Measure the p99 of each way over as many requests, and print it with the ratios."""
    means_ms = [slower * mean_ms for mean_ms in (FAST_MS, FAST_MS, SLOW_MS)]
    rate = LOAD * sum(1000 / mean_ms for mean_ms in means_ms)
    say(
        f"replicas with mean service times of {', '.join(f'{each:g}' for each in means_ms)} ms, "
        f"Poisson arrivals at {LOAD:.0%} of the capacity"
    )
    with ExitStack() as stack:
        replicas = [
            ReplicaProcess(f"task/{number}", mean_ms, seed=number)
            for number, mean_ms in enumerate(means_ms)
        ]
        for replica in replicas:
            stack.callback(replica.kill)
        addresses = [each.address for each in replicas]
        ways: dict[str, Address] = {}
        for policy in ("least", "two-choices", "round-robin"):
            router = RouterProcess(listed(addresses), {"policy": policy} | UNLIMITED)
            stack.callback(router.stop)
            router.await_ready(len(addresses))
            ways[policy] = router.address
        if is_installed():
            ways["HAProxy leastconn"] = stack.enter_context(haproxy(addresses))
        samples: dict[str, list[Sample]] = {way: [] for way in ways}
        for block in range(max(1, requests // BLOCK)):
            for way, address in ways.items():
                times = arrivals(rate, min(BLOCK, requests), seed=block)
                found = asyncio.run(open_loop(address, lambda _: _REQUEST, times, ANSWER_S))
                samples[way] += found
    return _judged(samples, say)


def _judged(samples: dict[str, list[Sample]], say: Callable[[str], None]) -> list[Verdict]:
    summaries = {way: summary_of(each) for way, each in samples.items()}
    least = summaries["least"].p99_ms
    say(f"  {'way':<20}{'requests':>9}{'failed':>8}{'p50 ms':>9}{'p99 ms':>9}  p99 / least's")
    for way, each in summaries.items():
        say(
            f"  {way:<20}{each.requests:>9}{each.failed:>8}{each.p50_ms:>9.1f}{each.p99_ms:>9.1f}"
            f"  {each.p99_ms / least:.2f}"
        )
    worst = summaries["round-robin"].p99_ms
    verdicts = [
        Verdict("requests that failed", sum(each.failed for each in summaries.values()), 0, 0),
        Verdict("p99 of round robin / of least in flight", worst / least, least=LEAST_GAIN),
    ]
    if "HAProxy leastconn" not in summaries:
        say("  HAProxy is not installed (Debian: apt-get install haproxy)")
        return verdicts
    ratio = least / summaries["HAProxy leastconn"].p99_ms
    return [*verdicts, Verdict("p99 of least in flight / of HAProxy", ratio, most=MOST_OF_PEER)]
