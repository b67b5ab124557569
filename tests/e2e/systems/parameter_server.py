"""The parameter server: deploy, train, lose a server, scale, refuse strangers, export, destroy."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import grpc

from examples.parameter_server.client import Client
from examples.parameter_server.core.spec import RunStatus
from mapreduce.errors import MapReduceError
from mapreduce.wire.tokens import new_key
from tests.e2e import images, remains
from tests.e2e.log import Log, StepFailed
from tests.e2e.processes import Running
from tests.e2e.proof import Proof, allowed, deployed, destroyed, not_looked_at, resolved_in, sealed
from tests.e2e.stack import DeployedStack
from tests.e2e.system import example
from tests.faults.systems.parameter_server.strangers import called

SERVER, WORKER = "parameter-server", "worker"
EXAMPLE = "examples.parameter_server"
WORKERS = 4
CLOCKS = 300
LEAST_ACCURACY = 0.97
RECOVERY_S = 30.0
CUT_EVERY = 20
TRAINING_S = 600.0
MOST_MB = {"parameter-server": 150}
"""What the image may have above its base image."""
# a model that sleeps, for a run that lasts while Terraform works: its bits do not depend on the
# length of its steps
SLOW = ("--model", "waiting:0.1", "--clocks", "300", "--micro-batches", "8")
FAST = ("--model", "waiting:0", "--clocks", "300", "--micro-batches", "8")
SYSTEM = example("parameter_server", resolves=True, variables={"worker_count": WORKERS})


def prove(log: Log, proof: Proof) -> None:
    """Run all steps in order."""
    deployed(log, proof)
    sealed(log, proof, SERVER)
    sealed(log, proof, WORKER)
    _look(log, proof)
    bits = _train(log, proof)
    _refuse(log, proof)
    _lose_the_server(log, proof, bits)
    _scale(log, proof)
    _export(log, proof)
    allowed(log, proof, (SERVER,))
    destroyed(log, proof, WORKER)


def _look(log: Log, proof: Proof) -> None:
    made = proof.stack
    with log.step("image: size", vital=False) as note:
        names = [f"{made.name}/{SERVER}"]
        images.measure(
            *(made.engine, proof.cloud.registry, names, made.image_tag, proof.base, note),
            most_mb=MOST_MB,
        )
    with log.step(f"a worker resolves {SERVER}.{made.name}.local", vital=False) as note:
        if not made.engine.own:
            not_looked_at(note)
            return
        (server,) = made.boxes(SERVER)
        name = made.outputs()["dns_names"][SERVER]
        found = resolved_in(made, made.boxes(WORKER)[0], name)
        if found != {server.address}:
            raise StepFailed(f"{name} is {found or 'nothing'}, and not {server.address}")
        note(f"{name} is {server.address}")


def _train(log: Log, proof: Proof) -> str:
    """Train on the stack and on this machine; return the SHA-256 of both."""
    made = proof.stack
    with log.step(f"train {CLOCKS} clocks on {WORKERS} workers: BSP") as note:
        began_s = time.monotonic()
        there = _on_the_stack(made, "--clocks", str(CLOCKS))
        accuracy = there["evaluation"]["accuracy"]
        note(f"accuracy {accuracy:.3f} after {time.monotonic() - began_s:.0f} s: {_ledger(there)}")
        if accuracy < LEAST_ACCURACY:
            raise StepFailed(f"it is below {LEAST_ACCURACY}")
    with log.step("the same bits as on this machine", vital=False) as note:
        here = _told(made, "train", "--workers", "2", "--clocks", str(CLOCKS))
        _same(there["sha256"], here["sha256"])
        note(f"{WORKERS} workers there, 2 here: SHA-256 {here['sha256'][:16]}...")
    return str(there["sha256"])


def _refuse(log: Log, proof: Proof) -> None:
    made = proof.stack
    with log.step("a caller without the key, or with another, is refused", vital=False) as note:
        address = f"{made.boxes(SERVER)[0].address}:8000"
        for key in ("", new_key()):
            code = called(address, _signing_key(proof), "Status", key)
            if code is not grpc.StatusCode.UNAUTHENTICATED:
                raise StepFailed(f"the server answers {code.name}")
        stranger = replace(made, shell=made.shell.having(PS_SIGNING_KEY=new_key()))
        options = ("status", "--target", "aws", "--address", address)
        said = stranger.module(EXAMPLE, *options, ok=(3,)).err.strip()
        if "error: " not in said or "Traceback" in said:
            raise StepFailed(said)
        note(said.splitlines()[-1])


def _lose_the_server(log: Log, proof: Proof, bits: str) -> None:
    """Kill the server in a run: training goes on from the last cut, with the same bits."""
    made = proof.stack
    with log.step("docker kill of the server in a run", vital=False) as note:
        with _training(made, "--clocks", str(CLOCKS)) as running:
            before = _status_when(proof, running, lambda now: now.version >= 4 * CUT_EVERY)
            (killed,) = made.boxes(SERVER)
            made.engine.docker("kill", killed.id)
            killed_s = time.monotonic()
            after = _status_when(
                proof, running, lambda now: now.generation > before.generation and now.version > 0
            )
            on_s = time.monotonic() - killed_s
            _status_when(proof, running, lambda now: now.version > before.version)
            ended = json.loads(running.finish(limit_s=TRAINING_S).out)
        again = before.version - after.cut
        note(
            f"at clock {before.version}; training goes on after {on_s:.0f} s from the cut at "
            f"{after.cut}: {_ledger(ended)}"
        )
        _same(bits, ended["sha256"])
        note("the same SHA-256 as without the loss")
        if on_s > RECOVERY_S:
            raise StepFailed(f"that is more than {RECOVERY_S:.0f} s")
        if again > 2 * CUT_EVERY:
            raise StepFailed(f"{again} clocks are done again")


def _scale(log: Log, proof: Proof) -> None:
    made = proof.stack
    with log.step("in a run: 4 -> 8 -> 2 workers", vital=False) as note:
        (server,) = made.boxes(SERVER)
        with _training(made, *SLOW) as running:
            for number in (8, 2):
                _status_when(proof, running, lambda now: now.version > 0)
                note(made.apply(f"-var=worker_count={number}"))
                made.wait_for_boxes(WORKER, number)
                seen = _status_when(proof, running, partial(_has_workers, number))
                note(f"{seen.workers} workers at clock {seen.version}")
            ended = json.loads(running.finish(limit_s=TRAINING_S).out)
        if [server.id] != [box.id for box in made.boxes(SERVER)]:
            raise StepFailed("the server was replaced")
        here = _told(made, "train", "--workers", "2", *FAST)
        _same(ended["sha256"], here["sha256"])
        note(f"no server replaced; {_ledger(ended)}; the same SHA-256 as on this machine")


def _export(log: Log, proof: Proof) -> None:
    made = proof.stack
    with log.step("training metrics in the log, as CloudWatch reads them", vital=False) as note:
        note(_metrics(proof))
    with log.step("export of the trained model to the bucket", vital=False) as note:
        run = next(
            key.split("/")[1]
            for key in sorted(remains.objects(proof.cloud))
            if key.startswith("training/") and key.endswith("/_SUCCESS")
        )
        told = _told(made, "export", "--run", run)
        if told != _told(made, "export", "--run", run):
            raise StepFailed("a second export says something else")
        wanted = {f"models/digits/1/{told['sha256']}.onnx", "models/digits/1/model.json"}
        if not wanted <= remains.objects(proof.cloud):
            raise StepFailed(f"not in the bucket: {wanted}")
        note(f"{told['url']}: accuracy {told['accuracy']:.3f}, {told['size_bytes']} bytes")


def _metrics(proof: Proof) -> str:
    logs = remains.clients(proof.cloud)("logs")
    group = proof.stack.outputs()["log_groups"][SERVER]
    pages = logs.get_paginator("filter_log_events").paginate(logGroupName=group)
    lines = [event["message"] for page in pages for event in page["events"]]
    found = [json.loads(line) for line in lines if '"_aws"' in line]
    whole = [each for each in found if each.get("Clock") == CLOCKS and "Loss" in each]
    if not whole:
        raise StepFailed(f"none of {len(lines)} lines of {group} has the last clock")
    directive = whole[-1]["_aws"]["CloudWatchMetrics"][0]
    names = [metric["Name"] for metric in directive["Metrics"]]
    return f"{len(found)} lines with {', '.join(names)} in {directive['Namespace']}"


def _has_workers(number: int, now: RunStatus) -> bool:
    return now.workers == number


def _on_the_stack(made: DeployedStack, *options: str) -> Any:
    return _told(made, "train", "--target", "aws", *options)


def _told(made: DeployedStack, *words: str) -> Any:
    """Return the document that a command prints."""
    return json.loads(made.module(EXAMPLE, *words).out)


def _training(made: DeployedStack, *options: str) -> Any:
    return made.running(EXAMPLE, "train", "--target", "aws", *options)


def _status_when(
    proof: Proof, running: Running, holds: Callable[[RunStatus], bool], limit_s: float = 300.0
) -> RunStatus:
    """Return the first status of the run in training that a condition holds for."""
    signing = _signing_key(proof)
    until_s = time.monotonic() + limit_s
    while time.monotonic() < until_s:
        if (now := _status(proof.stack, signing)) and now.state != "done" and holds(now):
            return now
        if not running.alive:
            raise StepFailed(f"the run is over\n{running.last_words()}")
        time.sleep(0.2)
    raise StepFailed(f"that has not come about in {limit_s:.0f} s\n{running.last_words()}")


def _signing_key(proof: Proof) -> str:
    name = proof.stack.outputs()["signing_key_parameter"]
    ssm = remains.clients(proof.cloud)("ssm")
    return str(ssm.get_parameter(Name=name, WithDecryption=True)["Parameter"]["Value"])


def _status(made: DeployedStack, key: str) -> RunStatus | None:
    """Return what the server does; None while none answers."""
    for box in made.boxes(SERVER):
        client = Client(f"{box.address}:8000", key)
        try:
            return client.status()
        except MapReduceError:
            continue
        finally:
            client.close()
    return None


def _same(one: str, other: str) -> None:
    if one != other:
        raise StepFailed(f"{one} is not {other}")


def _ledger(told: dict[str, Any]) -> str:
    """Return the ledger of a run in words; raise `StepFailed` if it does not add up."""
    counts = told["counts"]
    refused = sum(counts["refused"].values())
    if counts["leased"] != counts["applied"] + refused:
        raise StepFailed(f"leased is not applied + refused: {counts}")
    return f"{counts['leased']} leases = {counts['applied']} applied + {refused} refused"
