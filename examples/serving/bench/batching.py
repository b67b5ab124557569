"""What batches bring: two servers of one model, one with batches and one without, in one run.

The model is dense, and wide enough that it, and not the server around it, takes the time: its
weights are read from memory once for a batch, and once for each request without. For a model as
small as the digits', both ways are the same: the server takes all the time.
"""

from __future__ import annotations

import json
import statistics
import tempfile
import time
from asyncio import run as run_async
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from itertools import pairwise
from pathlib import Path

import numpy as np

from examples.serving.bench.fleet import ModelProcess, ask
from examples.serving.bench.verdict import Verdict
from examples.serving.load import Sample, closed_loop, percentile
from examples.serving.model_store import write_model
from examples.serving.router.connections import Address, Request
from examples.serving.sample import as_onnx, read_digits, train
from examples.serving.wire import READY, infer_path
from mapreduce.storage import open_storage
from mapreduce.wire.tokens import new_key, sign

WIDTH = 4096
CLIENTS = 32
ROUNDS = 5
TURN = 6
"""Requests of the single client before the other server's turn."""
LEAST_GAIN = 3.0
"""Requests a second of 32 clients, with batches against without."""
MOST_COST = 1.1
"""The median latency of a single client, with batches against without."""
START_S = 30.0


@dataclass(frozen=True, slots=True)
class Compared:
    """Both ways of one model.

    Attributes:
        model: its name.
        gain: requests a second, with batches against without.
        cost: a single client's median latency, with batches against without.
    """

    model: str
    gain: float
    cost: float

    @property
    def line(self) -> str:
        """The numbers for a terminal."""
        return f"{self.model:<22} {self.gain:>20.2f} x {self.cost:>20.2f} x"


def wide_model(width: int = WIDTH) -> bytes:
    """Return a network of two wide layers between the pixels and the digits."""
    random = np.random.default_rng(7)
    sizes = [64, width, width, 10]
    return as_onnx(
        [
            (random.normal(size=(rows, columns)) / rows**0.5, np.zeros(columns))
            for rows, columns in pairwise(sizes)
        ]
    )


def with_batches(requests: int, say: Callable[[str], None]) -> list[Verdict]:
    """Compare servers with and without batches: the rate of 32 clients, and the p50 of one."""
    count = max(200, min(requests, 1200))
    say(f"{'model':<22} {f'{CLIENTS} clients, rate':>22} {'1 client, p50':>22}")
    small = _measured("digits", as_onnx([train(read_digits()[0])]), count)
    say(small.line)
    wide = _measured(f"dense 64-{WIDTH}-{WIDTH}-10", wide_model(), count)
    say(wide.line)
    return [
        Verdict("rate of the wide model, with batches / without", wide.gain, least=LEAST_GAIN),
        Verdict("p50 of a single client, with batches / without", wide.cost, most=MOST_COST),
    ]


def _measured(name: str, model: bytes, requests: int) -> Compared:
    key = new_key()
    rates: dict[bool, list[float]] = {False: [], True: []}
    alone: dict[bool, list[float]] = {False: [], True: []}
    make = _requests(key)
    with tempfile.TemporaryDirectory(prefix="batching-") as folder:
        store = Path(folder).as_uri()
        write_model(open_storage(), store, "digits", "1", model)
        with _server(store, key, batching=False) as one, _server(store, key, batching=True) as many:
            servers = {False: one, True: many}
            # by short turns, so that a change of the machine's speed falls on both
            for _ in range(ROUNDS):
                for way, address in servers.items():
                    rates[way].append(_rate(address, make, requests // ROUNDS))
            for number in range(requests // TURN):
                way = number % 2 == 1
                # without the first, which connects
                times = _seconds(run_async(closed_loop(servers[way], make, TURN, 1)))[1:]
                alone[way] += times
    gain = statistics.median(rates[True]) / statistics.median(rates[False])
    return Compared(name, gain, percentile(alone[True], 0.5) / percentile(alone[False], 0.5))


@contextmanager
def _server(store: str, key: str, *, batching: bool) -> Iterator[Address]:
    settings = {"batching": str(batching), "latency_ms": "100"}
    process = ModelProcess(store, "1", "bench", key, settings)
    try:
        until = time.monotonic() + START_S
        while ask(process.address, "GET", READY)[0] != HTTPStatus.OK:
            if time.monotonic() > until:
                raise TimeoutError("the model server is not ready")
            time.sleep(0.02)
        yield process.address
    finally:
        process.stop()


def _rate(address: Address, make: Callable[[int], Request], requests: int) -> float:
    """Return the requests a second of many clients."""
    samples = run_async(closed_loop(address, make, requests, CLIENTS))
    _seconds(samples)
    return len(samples) / max(each.at_s + each.seconds for each in samples)


def _seconds(samples: Sequence[Sample]) -> list[float]:
    """Return the times of the answers; raises `RuntimeError` if a request failed."""
    if bad := [each for each in samples if each.status != HTTPStatus.OK]:
        raise RuntimeError(f"{len(bad)} requests failed, the first with {bad[0].status}")
    return [each.seconds for each in samples]


def _requests(key: str) -> Callable[[int], Request]:
    _, held_out = read_digits()
    path = infer_path("digits")
    bodies = []
    for pixels in held_out.pixels:
        tensor = {"name": "pixels", "datatype": "FP32", "shape": [1, 64], "data": pixels.tolist()}
        bodies.append(json.dumps({"inputs": [tensor]}).encode())

    def request(number: int) -> Request:
        body = bodies[number % len(bodies)]
        token = sign(key, path, body, time.time())
        headers = [(b"authorization", f"Bearer {token}".encode())]
        return Request("POST", path.encode(), headers, body)

    return request
