"""Model serving: deploy, put a model, ask, kill, roll, scale, break a version, canary, destroy."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from http import HTTPStatus
from pathlib import Path
from typing import Any

import numpy as np

from examples.serving.bench.fleet import ask
from examples.serving.load import Sample, closed_loop
from examples.serving.model.session import load_model
from examples.serving.router.connections import Address, Request
from examples.serving.sample import read_digits, train_digits
from examples.serving.wire import infer_path, model_path
from tests.e2e import images, policies
from tests.e2e.log import Log, StepFailed
from tests.e2e.proof import Proof, allowed, deployed, destroyed, sealed
from tests.e2e.remains import clients
from tests.e2e.stack import SETTLE_S, DeployedStack
from tests.e2e.system import example

ROUTER, MODEL, CANARY = "router", "model", "canary"
CONTAINERS = 2
"""Of a model task."""
LEAST_REQUESTS = 5000
MOST_MB = {"router": 56, "model": 200}
"""What an image may have above its base image."""
CUT_SHORT, GIVEN_UP = "was cut short or changed", "giving up"
"""How long a rollout that cannot succeed may take until it has gone back."""
SYSTEM = replace(
    example(
        "serving",
        variables={"containers_per_task": CONTAINERS, "metrics": True},
        # a version that cannot be loaded is given up in seconds, and metrics come as soon
        environment={"MODEL_LOAD_S": "4", "MODEL_METRICS_S": "5"},
    ),
    requirements=(
        "examples/serving/router/requirements.txt",
        "examples/serving/model/requirements.txt",
    ),
)


def prove(log: Log, proof: Proof) -> None:
    """Run all steps in order."""
    deployed(log, proof)
    _serve(log, proof)
    sealed(log, proof, ROUTER)
    sealed(log, proof, MODEL)
    _look(log, proof)
    _ask(log, proof)
    _change_under_load(log, proof)
    _break(log, proof)
    _canary(log, proof)
    allowed(log, proof, (MODEL,))
    destroyed(log, proof, MODEL)


def _serve(log: Log, proof: Proof) -> None:
    made = proof.stack
    with log.step("without a model the router says so") as note:
        router = _router(made)
        _await(made, lambda: _asked(router, model_path("digits"))[0] == 503, "the router answers")
        note(_asked(router, model_path("digits"))[1].decode().strip())
    with log.step("put a model, and ./deploy.sh --var model_version=1") as note:
        _put(made, "1")
        made.deploy("--var", "model_version=1")
        _await_ready(made, 2)
        note(f"{2 * CONTAINERS} containers of 2 tasks are ready")


def _look(log: Log, proof: Proof) -> None:
    made = proof.stack
    with log.step("images: sizes", vital=False) as note:
        names = [f"{made.name}/{role}" for role in (ROUTER, MODEL)]
        images.measure(
            *(made.engine, proof.cloud.registry, names, made.image_tag, proof.base, note),
            most_mb=MOST_MB,
        )


def _ask(log: Log, proof: Proof) -> None:
    made = proof.stack
    pixels = read_digits()[1].pixels
    expected = load_model(train_digits()[0]).run({"pixels": pixels})["probabilities"]
    with log.step("the 360 held-out digits, through the router") as note:
        samples = asyncio.run(closed_loop(_router(made), _request, len(pixels), 4))
        found = np.full_like(expected, np.nan)
        for answer in map(_output, samples):
            found[int(answer["id"])] = answer["outputs"][0]["data"]
        difference = float(np.abs(found - expected).max())
        same = (found.argmax(axis=1) == expected.argmax(axis=1)).all()
        if not same or not difference <= 1e-5:
            raise StepFailed(f"other classes than in this process, or {difference} apart")
        by = Counter(each.served_by for each in samples)
        note(f"each class as in this process, probabilities at most {difference:.1g} apart")
        note("served by " + ", ".join(f"{name} {count}" for name, count in sorted(by.items())))
        if len(by) != 2 * CONTAINERS:
            raise StepFailed(f"{len(by)} containers have answered, and not {2 * CONTAINERS}")
    with log.step("a caller of a container needs the key", vital=False) as note:
        box, answers = made.boxes(MODEL)[0], 0
        for port in range(9000, 9000 + CONTAINERS):
            url = f"https://{box.address}:{port}{infer_path('digits')}"
            said = made.shell.run(
                *("curl", "--silent", "--insecure", "--data", "{}", url), ok=(0, 7)
            ).out
            if said and json.loads(said) != {"error": "unauthorized"}:
                raise StepFailed(f"{url} answers {said!r}")
            if said:
                answers += 1
                note(f"{url}: {said}")
        if not answers:
            raise StepFailed(f"no container of {box.name} has answered: nothing is shown")
    with log.step("metrics are in the log as CloudWatch wants them", vital=False) as note:
        note(_logged_metrics(proof))


def _change_under_load(log: Log, proof: Proof) -> None:
    """Kill, roll and scale while clients ask; no request may be lost."""
    made = proof.stack
    with _loaded(made) as ended:
        with log.step("under load: docker kill of a container", vital=False) as note:
            killed = made.boxes(MODEL)[0]
            made.engine.docker("kill", killed.id)
            note(f"{killed.name} is killed")
            # ECS ends a task with any of its containers; the emulator leaves the others alone
            for other in [box for box in made.boxes(MODEL) if box.name == killed.name]:
                made.engine.docker("stop", "--time", "40", other.id)
            _await(
                made,
                lambda: killed.name not in {box.name for box in made.boxes(MODEL)},
                "the task is gone",
            )
            _await_ready(made, 2)
            note("another takes its place")
        with log.step("under load: version 1 -> 2", vital=False) as note:
            _put(made, "2", train_digits(steps=60)[0], proof.folder / "second.onnx")
            note(made.apply("-var=model_version=2"))
            _await(made, lambda: _versions(made) == {"2"}, "version 2 answers alone")
            _await_ready(made, 2)
            note(f"version {_versions(made)} answers")
        with log.step("under load: 2 -> 1 -> 3 -> 1 tasks", vital=False) as note:
            for number in (1, 3, 1):
                note(made.apply("-var=model_version=2", f"-var=model_count={number}"))
                _await_ready(made, number)
        with log.step(f"0 of at least {LEAST_REQUESTS} requests are lost", vital=False) as note:
            note(ended())


def _break(log: Log, proof: Proof) -> None:
    """Roll to a version that cannot be loaded.

    ECS waits for the containers' health, and goes back when they end; the service's Terraform test
    pins both. The emulator takes a task for healthy a second after its start, and stops the old
    ones: what shows here is that no container serves the file, that it says why, and that it ends.
    """
    made = proof.stack
    with log.step("a version whose file is cut short is never served", vital=False) as note:
        _put(made, "3", train_digits(steps=61)[0], proof.folder / "third.onnx")
        _cut_short(proof, "3")
        note(made.apply("-var=model_version=3", "-var=model_count=1"))
        for words in (CUT_SHORT, GIVEN_UP):
            _await(made, partial(_is_logged, proof, words), f"the log says {words!r}")
        status, body = _asked(_router(made), model_path("digits"))
        if status == HTTPStatus.OK and json.loads(body)["versions"] == ["3"]:
            raise StepFailed("the router answers for the broken version")
        note(f"its containers end, and say that the file {CUT_SHORT}")
        note(made.apply("-var=model_version=2", "-var=model_count=1"))
        _await_ready(made, 1)
        if _versions(made) != {"2"}:
            raise StepFailed(f"versions {_versions(made)} answer")
        note("version 2 answers again")


def _canary(log: Log, proof: Proof) -> None:
    made = proof.stack
    with log.step("a canary of 25 %", vital=False) as note:
        options = ("-var=model_version=2", "-var=model_count=1", "-var=canary_version=1")
        note(made.apply(*options, "-var=canary_percent=25"))
        # the canary has a role of its own
        proof.watch.enforce(policies.of_state(made.resources(), made.name))
        made.wait_for_boxes(CANARY, CONTAINERS)
        _await_ready(made, 1, also=CONTAINERS)
        samples = asyncio.run(closed_loop(_router(made), _request, 800, 4))
        share = Counter(_output(each)["model_version"] for each in samples)["1"] / len(samples)
        note(f"{share:.1%} of {len(samples)} requests are answered by version 1")
        if not 0.19 <= share <= 0.31:
            raise StepFailed("that is not a quarter")
        note(made.apply("-var=model_version=2", "-var=model_count=1"))


# -- asking ----------------------------------------------------------------------------------------


def _router(made: DeployedStack) -> Address:
    made.wait_for_boxes(ROUTER, 1)
    return Address(made.boxes(ROUTER)[0].address, 8080)


def _asked(address: Address, path: str) -> tuple[int, bytes]:
    """Ask; an address that does not listen yet answers with 0."""
    try:
        return ask(address, "GET", path)
    except OSError:
        return 0, b""


def _request(number: int) -> Request:
    pixels = read_held_out()[number % len(read_held_out())]
    tensor = {"name": "pixels", "datatype": "FP32", "shape": [1, 64], "data": pixels.tolist()}
    body = json.dumps({"id": str(number), "inputs": [tensor]}).encode()
    return Request("POST", infer_path("digits").encode(), (), body)


_held_out: list[Any] = []


def read_held_out() -> list[Any]:
    """Return the held-out images, read once."""
    if not _held_out:
        _held_out.extend(read_digits()[1].pixels)
    return _held_out


def _output(sample: Sample) -> Any:
    """Return the answer; raises `StepFailed` if it is none."""
    if sample.status != HTTPStatus.OK:
        raise StepFailed(f"status {sample.status}: {sample.body!r}")
    return json.loads(sample.body)


def _versions(made: DeployedStack) -> set[str]:
    """Return the versions that answer."""
    samples = asyncio.run(closed_loop(_router(made), _request, 24, 4))
    return {_output(each)["model_version"] for each in samples}


def _await(made: DeployedStack, wanted: Callable[[], bool], what: str) -> None:
    until = time.monotonic() + SETTLE_S
    while not wanted():
        if time.monotonic() > until:
            raise StepFailed(f"not in time: {what}; containers: {made.boxes()}")
        time.sleep(1)


def _await_ready(made: DeployedStack, tasks: int, also: int = 0) -> None:
    """Wait until a number of model tasks run, and the router takes their containers for ready."""
    made.wait_for_boxes(MODEL, tasks * CONTAINERS)

    def ready() -> bool:
        status, body = _asked(_router(made), "/health")
        replicas = json.loads(body)["replicas"] if status == HTTPStatus.OK else []
        return len([each for each in replicas if each["ready"]]) == tasks * CONTAINERS + also

    _await(made, ready, f"{tasks * CONTAINERS + also} containers are ready at the router")


@dataclass
class _Load:
    """Clients that ask one after the other until they are ended."""

    address: Address
    least: int
    samples: list[Sample] = field(default_factory=list)
    failure: list[BaseException] = field(default_factory=list)
    ending: threading.Event = field(default_factory=threading.Event)

    def run(self) -> None:
        """Ask until the end, and at least so often."""
        try:
            while not self.ending.is_set() or len(self.samples) < self.least:
                self.samples += asyncio.run(closed_loop(self.address, _request, 100, 4))
        except BaseException as exc:  # noqa: BLE001 - told in the thread that waits
            self.failure.append(exc)

    def verdict(self) -> str:
        """Return the counts; raises `StepFailed` if a request was lost."""
        if self.failure:
            raise StepFailed(f"the load has ended early: {self.failure[0]!r}")
        statuses = Counter(each.status for each in self.samples)
        versions = Counter(_output(each)["model_version"] for each in self.samples)
        slowest = max(each.seconds for each in self.samples)
        return (
            f"{statuses[200]} of {len(self.samples)} answered, the slowest in {slowest:.2f} s; "
            + ", ".join(f"{count} by version {name}" for name, count in sorted(versions.items()))
        )


@contextmanager
def _loaded(made: DeployedStack, least: int = LEAST_REQUESTS) -> Iterator[Callable[[], str]]:
    """Ask in the background; yield what ends that and returns its counts."""
    load = _Load(_router(made), least)
    thread = threading.Thread(target=load.run)
    thread.start()

    def ended() -> str:
        load.ending.set()
        thread.join()
        return load.verdict()

    try:
        yield ended
    finally:
        load.least = 0
        load.ending.set()
        thread.join()


# -- the model and its service ---------------------------------------------------------------------


def _put(
    made: DeployedStack, version: str, model: bytes | None = None, file: Path | None = None
) -> None:
    options: list[str | Path] = []
    if model is not None and file is not None:
        file.write_bytes(model)
        options = ["--model", file]
    store = f"s3://{made.outputs()['bucket']}"
    made.module("examples.serving", "put", "--store", store, "--version", version, *options)


def _cut_short(proof: Proof, version: str) -> None:
    """Replace a version's file by its first half."""
    s3 = clients(proof.cloud)("s3")
    bucket = proof.stack.outputs()["bucket"]
    found = s3.list_objects_v2(Bucket=bucket, Prefix=f"models/digits/{version}/")["Contents"]
    (key,) = [each["Key"] for each in found if each["Key"].endswith(".onnx")]
    data = s3.get_object(Bucket=bucket, Key=key)["Body"].read()
    s3.put_object(Bucket=bucket, Key=key, Body=data[: len(data) // 2])


def _is_logged(proof: Proof, words: str) -> bool:
    """Return whether a container of the model has logged these words."""
    logs = clients(proof.cloud)("logs")
    group = proof.stack.outputs()["services"][MODEL]["log_group"]
    events = logs.filter_log_events(logGroupName=group)["events"]
    return any(words in each["message"] for each in events)


def _logged_metrics(proof: Proof) -> str:
    """Return the counts of one line of metrics in the log; raises `StepFailed` without one."""
    logs = clients(proof.cloud)("logs")
    group = proof.stack.outputs()["services"][MODEL]["log_group"]
    found: list[dict[str, Any]] = []

    def logged() -> bool:
        events = logs.filter_log_events(logGroupName=group)["events"]
        found.extend(
            line
            for line in (
                json.loads(each["message"]) for each in events if "_aws" in each["message"]
            )
            if line["Requests"]
        )
        return bool(found)

    _await(proof.stack, logged, f"a line of metrics in {group}")
    names = [each["Name"] for each in found[0]["_aws"]["CloudWatchMetrics"][0]["Metrics"]]
    return f"{', '.join(names)}; {found[0]['Requests']} requests in the first line"
