"""The faults: those that workers carry in themselves, and those that are done to the processes."""

from __future__ import annotations

import random
import signal
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import grpc

from examples.parameter_server.client import Client
from examples.parameter_server.core.spec import RunStatus
from examples.parameter_server.fleet import LocalFleet
from examples.parameter_server.wire import ps_pb2 as ps
from examples.parameter_server.wire.client import Peer
from mapreduce.errors import FleetError, MapReduceError, TaskLost
from tests.faults.systems.parameter_server.strangers import called

WAIT_S = 60.0
HANG_S = 4.0


@dataclass
class World:
    """What a fault can be done to."""

    fleet: LocalFleet
    client: Client
    store: Path
    run: str = ""

    def wait(self, what: Callable[[RunStatus], bool]) -> RunStatus:
        """Return the first status of which something is true.

        Raises:
            AssertionError: it does not come.
        """
        end_s = time.monotonic() + WAIT_S
        while time.monotonic() < end_s:
            try:
                status = self.client.status()
            except TaskLost:
                time.sleep(0.05)
                continue
            if what(status) or status.state in ("done", "failed"):
                return status
            time.sleep(0.01)
        raise AssertionError(f"not within {WAIT_S:g} s: {self.client.status()}")

    def reach(self, clock: int) -> bool:
        """Wait for a clock; return whether the run is still on its way."""
        return self.wait(lambda status: status.version >= clock).state == "training"


def _nothing(world: World) -> int:
    del world
    return 0


@dataclass(frozen=True)
class Fault:
    """A fault.

    Attributes:
        name: in the table; workers that break know it.
        inject: breaks something of a run that has begun; returns how often.
        one_in: a worker breaks at one in so many micro-batches.
        workers: how many.
        changes: to the run.
        breaks_connections: whether workers call through proxies that break.
    """

    name: str
    inject: Callable[[World], int] = _nothing
    one_in: int = 40
    workers: int = 3
    changes: Mapping[str, object] = field(default_factory=dict)
    breaks_connections: bool = False


def _kill_server(shard: int) -> Callable[[World], int]:
    def inject(world: World) -> int:
        if not world.reach(random.randint(6, 24)):
            return 0
        world.fleet.servers[shard].process.kill()
        return 1

    return inject


def _kill_at_a_cut(world: World) -> int:
    """Kill a server as soon as a part of a cut is in the store."""
    folder = world.store / "training" / world.run / "cuts"
    clock = random.choice((10, 15, 20))
    end_s = time.monotonic() + WAIT_S
    while time.monotonic() < end_s:
        if [*folder.glob(f"{clock:08}-*/part-*")]:
            world.fleet.servers[random.randrange(2)].process.kill()
            return 1
        time.sleep(0.001)
    return 0


def _stop_server(shard: int) -> Callable[[World], int]:
    """Let a server hang for a while, longer than a lease and a look at it last."""

    def inject(world: World) -> int:
        if not world.reach(random.randint(6, 24)):
            return 0
        process = world.fleet.servers[shard].process
        process.send_signal(signal.SIGSTOP)
        try:
            time.sleep(HANG_S)
        finally:
            process.send_signal(signal.SIGCONT)
        return 1

    return inject


def _kill_all_servers(world: World) -> int:
    if not world.reach(random.randint(6, 24)):
        return 0
    for member in world.fleet.servers:
        member.process.kill()
    return len(world.fleet.servers)


def _end_server(shard: int) -> Callable[[World], int]:
    def inject(world: World) -> int:
        if not world.reach(random.randint(3, 20)):
            return 0
        world.fleet.servers[shard].process.send_signal(signal.SIGTERM)
        return 1

    return inject


def _end_workers(world: World) -> int:
    if not world.reach(3):
        return 0
    for member in world.fleet.workers:
        member.process.send_signal(signal.SIGTERM)
    return len(world.fleet.workers)


def _replace_workers(world: World) -> int:
    """Kill all workers, twice: others come in their places."""
    replaced = 0
    for clock in (5, 15):
        if world.reach(clock):
            for member in [*world.fleet.workers]:
                member.process.kill()
                replaced += 1
    return replaced


def _refuse_cuts(world: World) -> int:
    """Put files where the folders of two cuts would be, until the run says that there is no cut."""
    folder = world.store / "training" / world.run / "cuts"
    folder.mkdir(exist_ok=True)
    places = [folder / f"{clock:08}-000001" for clock in (15, 20)]
    for place in places:
        try:
            place.touch(exist_ok=False)
        except FileExistsError:
            return 0
    status = world.wait(lambda status: "no cut" in status.problem)
    for place in places:
        place.unlink()
    return 1 if "no cut" in status.problem else 0


def _lose_the_last_cut(world: World) -> int:
    """Damage a part of the last cut, and kill a server: the cut before that one is taken."""
    if not world.reach(12):
        return 0
    world.fleet.servers[1].process.send_signal(signal.SIGSTOP)
    parts = sorted((world.store / "training" / world.run / "cuts").glob("*/part-001"))
    content = parts[-1].read_bytes()
    parts[-1].write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    world.fleet.servers[1].process.kill()
    return 1


def _scale(world: World) -> int:
    scaled = 0
    for clock, workers in ((4, 4), (12, 1)):
        if world.reach(clock):
            world.fleet.scale(workers)
            scaled += 1
    return scaled


def _no_worker(world: World) -> int:
    """Take all workers away, see that the run says so, and give it two."""
    if not world.reach(5):
        return 0
    for member in world.fleet.workers:
        member.process.kill()
    world.fleet.scale(0)
    status = world.wait(lambda status: "no worker" in status.problem)
    assert status.state == "training", "a run without workers is not in training"
    world.fleet.scale(2)
    return 1


def _strangers(world: World) -> int:
    """Call every server without a token and with one of another key.

    The connection has the right certificate: it is the server that must refuse.
    """
    for address in world.fleet.addresses:
        for method in ("ShardStatus", "PushGradients", "Restore"):
            for key in ("", "another key of the same length, not this one"):
                code = called(address, world.fleet.key, method, key)
                assert code is grpc.StatusCode.UNAUTHENTICATED, f"{method} with {key!r}: {code}"
    return len(world.fleet.addresses)


def _forged(world: World) -> int:
    """Send garbage, and calls of no generation, with the right key."""
    refused = 0
    for address in world.fleet.addresses:
        peer = Peer(address, world.fleet.key)
        nothing = ps.Generation(run=world.run, number=10**6)
        for request, reply in (
            (ps.PushRequest(generation=nothing), ps.PushReply),
            (ps.FetchRequest(generation=nothing), ps.FetchReply),
            (ps.CheckpointRequest(generation=nothing, wait_s=1), ps.CheckpointReply),
        ):
            try:
                peer.call(request, reply, 5.0)
            except (FleetError, MapReduceError):
                refused += 1
            else:
                raise AssertionError("a call of no generation was answered")
        peer.close()
    return refused


FAULTS: tuple[Fault, ...] = (
    Fault("killed before its push"),
    Fault("killed between its pushes"),
    Fault("killed after its push"),
    Fault("hung", one_in=80),
    Fault("slow", one_in=20),
    Fault("push's answer lost", one_in=5),
    Fault("connections break", breaks_connections=True),
    Fault("generation of before", one_in=10),
    Fault("NaN gradient", one_in=30),
    Fault("NaN pushed", one_in=60, changes={"servers": 1}),
    Fault("wrong length", one_in=60, changes={"servers": 1}),
    Fault("wrong type", one_in=60, changes={"servers": 1}),
    Fault("too large", one_in=20, changes={"servers": 1, "clocks": 10}),
    Fault("server 0 killed", _kill_server(0)),
    Fault("another server killed", _kill_server(1)),
    Fault("one server of three killed", _kill_server(2), changes={"servers": 3}),
    Fault("server 0 hangs", _stop_server(0)),
    Fault("another server hangs", _stop_server(1)),
    Fault("all servers killed", _kill_all_servers),
    Fault("a server killed in a cut", _kill_at_a_cut),
    Fault("the last cut damaged, a server killed", _lose_the_last_cut),
    Fault("the store refuses cuts", _refuse_cuts),
    Fault("scaled 2, 4, 1", _scale, workers=2),
    Fault("no worker at all", _no_worker, workers=2),
    Fault("all workers replaced, twice", _replace_workers, workers=4),
    Fault("SIGTERM to server 0", _end_server(0)),
    Fault("SIGTERM to another server", _end_server(1)),
    Fault("SIGTERM to all workers", _end_workers),
    Fault("callers without the key", _strangers),
    Fault("calls of no generation", _forged),
)
