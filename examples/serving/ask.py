"""Ask a running service: what its model takes, and load with random numbers of that shape."""

from __future__ import annotations

import asyncio
import http.client
import json
import random
from dataclasses import dataclass
from math import prod
from typing import Any

from examples.serving.load import Summary, arrivals, open_loop, summary_of, table_of
from examples.serving.router.connections import Address, Request
from examples.serving.wire import infer_path, model_path
from mapreduce.errors import UsageError

__all__ = ["Target", "body_of", "load", "metadata_of", "table_of"]

TIMEOUT_S = 10.0
BODIES = 100
"""So many different requests; more would only take memory."""


@dataclass(frozen=True, slots=True)
class Target:
    """A model behind a router: where the router listens, and the model's name."""

    host: str
    port: int
    name: str


def metadata_of(target: Target) -> dict[str, Any]:
    """Return what the service says of its model.

    Raises:
        UsageError: nothing answers there, or it has no such model.
    """
    where = f"http://{target.host}:{target.port}{model_path(target.name)}"
    connection = http.client.HTTPConnection(target.host, target.port, timeout=TIMEOUT_S)
    try:
        connection.request("GET", model_path(target.name))
        answer = connection.getresponse()
        body = answer.read()
        if answer.status != http.HTTPStatus.OK:
            raise UsageError(f"{where} answers {answer.status}: {_error_in(body)}")
        found: dict[str, Any] = json.loads(body)
        return found
    except (OSError, http.client.HTTPException, ValueError) as exc:
        raise UsageError(
            f"{where} does not answer: {exc}; start the service first: python -m examples.serving"
        ) from exc
    finally:
        connection.close()


def body_of(metadata: dict[str, Any], draws: random.Random) -> bytes:
    """Return an inference request of one row, with random numbers of 0 to 1."""
    tensors = []
    for each in metadata["inputs"]:
        shape = [1 if size < 0 else size for size in each["shape"]]
        whole = "INT" in each["datatype"]
        data = [
            draws.randint(0, 1) if whole else round(draws.random(), 4) for _ in range(prod(shape))
        ]
        tensors.append(
            {"name": each["name"], "shape": shape, "datatype": each["datatype"], "data": data}
        )
    return json.dumps({"inputs": tensors}).encode()


def load(target: Target, requests: int, rate: float, seed: int) -> Summary:
    """Send requests at random times, and return what became of them.

    Raises:
        UsageError: nothing answers there, or it has no such model.
    """
    metadata, draws = metadata_of(target), random.Random(seed)
    bodies = [body_of(metadata, draws) for _ in range(min(BODIES, requests))]
    path = infer_path(target.name).encode()
    headers = [(b"content-type", b"application/json")]
    asked = [Request("POST", path, headers, body) for body in bodies]
    times = arrivals(rate, requests, seed)
    address = Address(target.host, target.port)
    samples = asyncio.run(open_loop(address, lambda number: asked[number % len(asked)], times))
    return summary_of(samples)


def _error_in(body: bytes) -> str:
    try:
        return str(json.loads(body)["error"])
    except (ValueError, KeyError, TypeError):
        return body[:200].decode("utf-8", "replace")
