"""Requests lost while a container dies, a version rolls, and the number of machines changes."""

from __future__ import annotations

import asyncio
import random
import tempfile
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from examples.serving.ask import Target, body_of, metadata_of
from examples.serving.bench.fleet import ModelProcess, RouterProcess
from examples.serving.bench.verdict import Verdict
from examples.serving.laptop import fill
from examples.serving.load import Sample, arrivals, open_loop, summary_of
from examples.serving.router.connections import Request
from examples.serving.wire import infer_path
from mapreduce.wire.tokens import new_key

RATE = 100.0
READY_LIMIT_S = 30.0


class Deployment:
    """Model servers that come and go, and the list that the router reads.

    Args:
        folder: for the store and the list.
        stack: ends what was started.
    """

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self.store, self.key = (folder / "store").as_uri(), new_key()
        self.list = folder / "replicas"
        self._stack = stack
        self.running: dict[str, ModelProcess] = {}
        self.list.write_text("")

    def start(self, name: str, version: str) -> None:
        """Start a server, and name it in the list."""
        model = ModelProcess(self.store, version, name, self.key)
        self._stack.callback(model.stop)
        self.running[name] = model
        self._write()

    def kill(self, name: str) -> None:
        """End a server with what it has in flight; the list learns of it later."""
        self.running.pop(name).stop()

    def end(self, name: str) -> None:
        """Take a server off the list, then have it drain, as ECS does."""
        model = self.running.pop(name)
        self._write()
        model.terminate()

    def _write(self) -> None:
        lines = [str(each.address) for each in self.running.values()]
        temporary = self.list.with_suffix(".new")
        temporary.write_text("\n".join(lines))
        temporary.replace(self.list)


def through_changes(
    requests: int, say: Callable[[str], None], slower: float = 1.0
) -> list[Verdict]:
    """Send requests all the while, and count those that fail."""
    count = min(requests, 5000)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        deployment = Deployment(folder, stack)
        for version in ("1", "2"):
            fill(deployment.store, "digits", version, None)
        for number in range(3):
            deployment.start(f"first-{number}", "1")
        router = RouterProcess(
            deployment.list.as_uri(), {"signing_key": deployment.key, "discover_s": "1"}
        )
        stack.callback(router.stop)
        router.await_ready(3)
        target = Target(router.address.host, router.address.port, "digits")
        body = body_of(metadata_of(target), random.Random(1))
        request = Request("POST", infer_path("digits").encode(), (), body)
        times = arrivals(RATE / slower, count, seed=2)
        samples = asyncio.run(_during(deployment, router, request, times))
        retries = router.metric("router_retries_total")
    found = summary_of(samples)
    for body in sorted({each.body for each in samples if each.status != 200})[:3]:
        say(f"  a failure: {body[:200].decode('utf-8', 'replace')}")
    answered = Counter(each.served_by.partition("-")[0] for each in samples if each.status == 200)
    say(
        f"killed, rolled from version 1 to 2, 1 -> 3 -> 1: {found.failed} of {found.requests} "
        f"failed ({dict(found.statuses)}), {retries:.0f} tried twice; answers by generation: "
        + ", ".join(f"{name} {count}" for name, count in sorted(answered.items()))
    )
    return [Verdict("requests that failed", found.failed, 0, 0)]


async def _during(
    deployment: Deployment, router: RouterProcess, request: Request, times: list[float]
) -> list[Sample]:
    loading = asyncio.create_task(open_loop(router.address, lambda _: request, times))
    # threads, so that the load goes on meanwhile
    await asyncio.sleep(0.1 * times[-1])
    await asyncio.to_thread(_change, deployment, router)
    return await loading


def _change(deployment: Deployment, router: RouterProcess) -> None:
    deployment.kill("first-0")
    deployment.start("again-0", "1")
    router.await_ready(3)
    # as a rolling update with 100/200 percent: new ones first, then the old ones drain
    for number in range(3):
        deployment.start(f"second-{number}", "2")
    router.await_ready(6)
    for name in ("again-0", "first-1", "first-2"):
        deployment.end(name)
    for name in ("second-1", "second-2"):
        deployment.end(name)
    router.await_ready(1)
    for name in ("third-0", "third-1"):
        deployment.start(name, "2")
    router.await_ready(3)
    for name in ("third-0", "third-1"):
        deployment.end(name)
    router.await_ready(1)
