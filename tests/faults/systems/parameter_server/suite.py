"""Run after run under one fault after the other: each must give the plain loop's SHA-256.

A run is right if it is done, its model has the bits of the plain loop, its account adds up, and its
mark is in the store. A fault counts only if it was injected.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from examples.parameter_server.checkpoint import DONE, Outcome
from examples.parameter_server.core.spec import RunSpec, RunStatus
from examples.parameter_server.fleet import LocalFleet
from mapreduce.errors import MapReduceError
from tests.faults.systems.parameter_server.kinds import FAULTS, Fault, World
from tests.faults.systems.parameter_server.proxy import BreakingProxy
from tests.faults.systems.parameter_server.reference import plain_loop

SPEC = RunSpec(
    model="mlp",
    clocks=30,
    micro_batches=8,
    batch_rows=16,
    servers=2,
    checkpoint_every=5,
    lease_s=1.5,
)
RUN_S = 90.0


@dataclass(frozen=True, slots=True)
class Row:
    """One fault: its rounds, how often it struck, and what was wrong."""

    fault: str
    rounds: int
    injected: int
    wrong: int
    complaints: tuple[str, ...] = ()


def table(
    rounds: int,
    told: Callable[[Row], None] = lambda _: None,
    only: Callable[[str], bool] = lambda _: True,
) -> list[Row]:
    """Inject every fault in some rounds, and return a row for each.

    Args:
        rounds: of each fault.
        told: is called with each row.
        only: whether a fault of that name is injected.
    """
    rows: list[Row] = []
    for fault in (each for each in FAULTS if only(each.name)):
        spec = SPEC.model_copy(update=fault.changes)
        sha256 = plain_loop(spec)
        with tempfile.TemporaryDirectory(prefix="ps-faults-") as folder:
            rows.append(_row(fault, spec, sha256, rounds, Path(folder)))
        told(rows[-1])
    return rows


def _row(fault: Fault, spec: RunSpec, sha256: str, rounds: int, folder: Path) -> Row:
    record = folder / "injected"
    record.touch()
    (folder / "store").mkdir()
    complaints: list[str] = []
    injected = 0
    with ExitStack() as ends:
        fleet = LocalFleet(fault.workers, spec.servers, folder / "store", folder / "log")
        addresses = fleet.addresses
        proxies = []
        if fault.breaks_connections:
            proxies = [
                ends.enter_context(BreakingProxy(int(each.rpartition(":")[2]), most=60))
                for each in addresses
            ]
            addresses = tuple(proxy.address for proxy in proxies)
        arguments = (fault.name, str(record), str(fault.one_in), ",".join(addresses))
        module = "tests.faults.systems.parameter_server.worker"
        fleet.worker_command = (sys.executable, "-m", module, *arguments)
        ends.enter_context(fleet)
        client = fleet.client
        ends.callback(client.close)
        for _ in range(rounds):
            world = World(fleet, client, folder / "store")
            try:
                world.run = client.begin(spec)
                struck = fault.inject(world)
                status = client.follow(world.run, _within(RUN_S))
                complaint = _complaint(status, spec, sha256, folder / "store")
            except (MapReduceError, AssertionError) as exc:
                struck, complaint = 0, f"{type(exc).__name__}: {exc}"
            injected += struck
            if complaint:
                complaints.append(complaint)
            fleet.scale(fault.workers)
    injected += len(record.read_text().splitlines()) + sum(proxy.broken for proxy in proxies)
    if not injected:
        complaints.append("the fault was never injected")
    return Row(fault.name, rounds, injected, len(complaints), tuple(complaints))


def _within(limit_s: float) -> Callable[[RunStatus], None]:
    end_s = time.monotonic() + limit_s

    def check(status: RunStatus) -> None:
        assert time.monotonic() < end_s, f"no end in {limit_s:g} s: {status}"

    return check


def _complaint(status: RunStatus, spec: RunSpec, sha256: str, store: Path) -> str:
    counts = status.counts
    if status.state != "done":
        return f"{status.state}: {status.problem}"
    if status.sha256 != sha256:
        return f"another model: {status.sha256} after generation {status.generation}"
    if counts.leased != counts.applied + sum(counts.refused.values()):
        return f"the account is off: {counts}"
    if counts.applied != spec.clocks * spec.micro_batches:
        return f"{counts.applied} gradients were applied"
    mark = store / "training" / status.run / DONE
    if not mark.exists() or Outcome.model_validate_json(mark.read_bytes()).sha256 != sha256:
        return "there is no mark in the store"
    return ""


def main(rounds: int) -> int:
    """Print the table; return 1 if an answer was wrong or a fault was not injected."""
    _write(f"{'fault':<44} {'rounds':>6} {'injected':>8} {'wrong':>5}")
    rows = table(rounds, _say)
    wrong = sum(row.wrong for row in rows)
    _write(json.dumps({"faults": len(rows), "runs": rounds * len(rows), "wrong": wrong}))
    return 1 if wrong else 0


def _say(row: Row) -> None:
    _write(f"{row.fault:<44} {row.rounds:>6} {row.injected:>8} {row.wrong:>5}")
    for complaint in row.complaints[:3]:
        _write(f"    {complaint[:300]}")


def _write(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()
