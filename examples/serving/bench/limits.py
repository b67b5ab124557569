"""What the router costs, how it shares, and what it does with too much."""

from __future__ import annotations

import asyncio
import random
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from examples.serving.ask import Target, body_of, metadata_of
from examples.serving.bench.fleet import ModelProcess, ReplicaProcess, RouterProcess, listed
from examples.serving.bench.verdict import Verdict
from examples.serving.laptop import fill
from examples.serving.load import Sample, arrivals, closed_loop, open_loop, percentile, summary_of
from examples.serving.router.connections import Address, Request
from examples.serving.wire import infer_path
from mapreduce.wire.tokens import new_key, sign

Say = Callable[[str], None]
ROUNDS = 10
OVERLOAD = 3
_REQUEST = Request("POST", b"/v2/models/digits/infer", (), b'{"inputs": []}')


def overhead(requests: int, say: Say) -> list[Verdict]:
    """Measure one client's p50 at a model server, and through the router in front of it."""
    count = max(50, min(requests, 4000) // (2 * ROUNDS))
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        store, key = Path(folder).as_uri(), new_key()
        fill(store, "digits", "1", None)
        model = ModelProcess(store, "1", "task/1", key)
        stack.callback(model.stop)
        router = RouterProcess(str(model.address), {"signing_key": key})
        stack.callback(router.stop)
        router.await_ready(1)
        target = Target(router.address.host, router.address.port, "digits")
        body = body_of(metadata_of(target), random.Random(1))
        path = infer_path("digits")

        def signed(_: int) -> Request:
            token = sign(key, path, body, time.time())
            return Request(
                "POST", path.encode(), [(b"authorization", f"Bearer {token}".encode())], body
            )

        ways: dict[str, tuple[Address, Callable[[int], Request]]] = {
            "direct": (model.address, signed),
            "through the router": (
                router.address,
                lambda _: Request("POST", path.encode(), (), body),
            ),
        }
        samples: dict[str, list[Sample]] = {way: [] for way in ways}
        for _ in range(ROUNDS):
            for way, (address, request) in ways.items():
                samples[way] += asyncio.run(closed_loop(address, request, count, clients=1))
    direct, through = (
        percentile([sample.seconds for sample in each], 0.5) for each in samples.values()
    )
    failed = sum(summary_of(each).failed for each in samples.values())
    say(f"one client, {2 * ROUNDS * count} requests, {failed} failed")
    say(
        f"  p50 direct {1000 * direct:.2f} ms, through the router {1000 * through:.2f} ms: "
        f"it adds {(through - direct) / direct:.2f} x the direct p50"
    )
    return [
        Verdict("requests that failed", failed, 0, 0),
        Verdict("p50 that the router adds / direct p50", (through - direct) / direct, most=1),
    ]


def shares(requests: int, say: Say, slower: float = 1.0) -> list[Verdict]:
    """Count what a canary of 10 % gets; measure what a hung shadow does to the p99."""
    count, mean_ms = min(requests, 5000), 2.0 * slower
    with ExitStack() as stack:
        replicas = [ReplicaProcess(f"task/{number}", mean_ms, seed=number) for number in range(2)]
        canary, shadow = (ReplicaProcess(f"{name}/0", mean_ms) for name in ("canary", "shadow"))
        for each in (*replicas, canary, shadow):
            stack.callback(each.kill)
        models = listed([each.address for each in replicas])
        router = RouterProcess(models, {"canary": str(canary.address), "canary_percent": "10"})
        stack.callback(router.stop)
        router.await_ready(3)
        found = asyncio.run(closed_loop(router.address, lambda _: _REQUEST, count, 8))
        summary = summary_of(found)
        share = summary.by_container.get("canary/0", 0) / summary.requests
        say(f"canary of 10 %: {share:.1%} of {count} requests, {summary.failed} failed")
        return [
            Verdict("requests that failed", summary.failed, 0, 0),
            Verdict("percentage of the canary", 100 * share, 8.5, 11.5),
            *_hung_shadow(stack, models, shadow, count, 300 / slower, say),
        ]


def _hung_shadow(
    stack: ExitStack,
    models: str,
    shadow: ReplicaProcess,
    requests: int,
    rate: float,
    say: Say,
) -> list[Verdict]:
    # probed rarely, so that it is taken for ready while it hangs
    hung = {"shadow": str(shadow.address), "probe_s": "60"}
    ways: dict[str, RouterProcess] = {}
    for way, settings in (("without a shadow", {}), ("with a hung shadow", hung)):
        ways[way] = RouterProcess(models, settings)
        stack.callback(ways[way].stop)
        ways[way].await_ready(2 + ("shadow" in settings))
    shadow.pause()
    samples: dict[str, list[Sample]] = {way: [] for way in ways}
    for block in range(ROUNDS):
        times = arrivals(rate, count=requests // ROUNDS, seed=block)
        for way, router in ways.items():
            samples[way] += asyncio.run(open_loop(router.address, lambda _: _REQUEST, times))
    copies = ways["with a hung shadow"].metric("router_copies_total")
    without, with_it = (summary_of(each) for each in samples.values())
    say(
        f"hung shadow: p99 {with_it.p99_ms:.1f} ms against {without.p99_ms:.1f} ms, ratio "
        f"{with_it.p99_ms / without.p99_ms:.2f}; {with_it.failed} of {with_it.requests} failed, "
        f"{copies:.0f} copies dropped"
    )
    return [
        Verdict("requests that failed beside a hung shadow", with_it.failed, 0, 0),
        Verdict("p99 with a hung shadow / without", with_it.p99_ms / without.p99_ms, most=1.1),
    ]


def overload(requests: int, say: Say, slower: float = 1.0) -> list[Verdict]:
    """Send three times the capacity; count good answers, and time the refusals."""
    mean_ms, count = 30.0 * slower, 3
    capacity = count * 1000 / mean_ms
    with ExitStack() as stack:
        replicas = [ReplicaProcess(f"task/{number}", mean_ms, seed=number) for number in range(3)]
        for each in replicas:
            stack.callback(each.kill)
        router = RouterProcess(listed([each.address for each in replicas]))
        stack.callback(router.stop)
        router.await_ready(3)
        times = arrivals(OVERLOAD * capacity, min(requests, 6000), seed=5)
        samples = asyncio.run(open_loop(router.address, lambda _: _REQUEST, times))
    # the last answers come when nothing new arrives: only the time of the load counts
    good = [
        each for each in samples if each.status == 200 and each.at_s + each.seconds <= times[-1]
    ]
    refused = [each.seconds for each in samples if each.status == 503]
    others = len(samples) - len(refused) - sum(each.status == 200 for each in samples)
    late = sum(seconds > 0.05 for seconds in refused)
    say(
        f"{OVERLOAD} x the capacity, {len(samples)} requests: good answers at "
        f"{len(good) / times[-1] / capacity:.0%} of the capacity; {len(refused)} refusals (503), "
        f"p50 {1000 * percentile(refused, 0.5):.0f} ms, p99 {1000 * percentile(refused, 0.99):.0f} "
        f"ms, {late} over 50 ms; {others} others"
    )
    return [
        Verdict("good answers / capacity", len(good) / times[-1] / capacity, least=0.9),
        Verdict("refusals after more than 50 ms", late, 0, 0),
        Verdict("answers that are neither good nor a 503", others, 0, 0),
    ]
