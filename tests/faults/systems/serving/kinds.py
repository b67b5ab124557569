"""The faults of the serving system; each function injects one, and says what must hold."""

from __future__ import annotations

import json
import os
import socket
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from unittest.mock import patch

from examples.serving.bench.fleet import ModelProcess, ask, listed
from examples.serving.laptop import fill
from examples.serving.wire import infer_path, manifest_url
from mapreduce.wire.tokens import new_key
from tests.faults.systems.serving.cloud_map import CloudMapEndpoint
from tests.faults.systems.serving.trial import Trial

COUNT = 300
ROW = {"name": "pixels", "shape": [1, 64], "datatype": "FP32", "data": [0.0] * 64}
CLOCK = Path(__file__).parent / "skewed_router.py"


def killed(trial: Trial) -> None:
    """A container is killed with what it has in flight."""
    trial.start()
    trial.load(COUNT, meanwhile=trial.replicas[trial.seed % 3].kill)
    trial.expect_all_good()


def hung(trial: Trial) -> None:
    """A container accepts requests and never answers."""
    trial.start(settings={"timeout_s": "60"})
    began = time.monotonic()
    trial.load(COUNT, meanwhile=trial.replicas[trial.seed % 3].pause)
    trial.expect_all_good()
    trial.expect(time.monotonic() - began < 30, "its requests waited for the long limit")
    trial.replicas[trial.seed % 3].resume()
    trial.router.await_ready(3)


def hung_without_probes(trial: Trial) -> None:
    """A container hangs, and only the limit of an attempt tells: the probes are far apart."""
    trial.start(settings={"timeout_s": "1", "probe_s": "60"})
    trial.load(COUNT, meanwhile=trial.replicas[trial.seed % 3].pause)
    trial.expect_all_good()
    trial.replicas[trial.seed % 3].resume()


def slow(trial: Trial) -> None:
    """A container becomes 20 x slower."""
    trial.start()
    slowed = trial.replicas[trial.seed % 3]
    samples = trial.load(COUNT, meanwhile=lambda: slowed.set_mode("slow"))
    trial.expect_all_good()
    share = sum(each.served_by == slowed.name for each in samples) / COUNT
    trial.expect(share < 0.3, f"the slow container got {share:.0%} of the requests")


def answers_500(trial: Trial) -> None:
    """A container answers every inference with 500, at once."""
    trial.start()
    trial.load(COUNT, meanwhile=lambda: trial.replicas[trial.seed % 3].set_mode("error"))
    trial.expect_all_good()
    trial.expect(trial.router.metric("router_ejections_total") >= 1, "it was not ejected")


def ready_too_early(trial: Trial) -> None:
    """A container says that it is ready before its model is loaded."""
    trial.start()
    early = trial.replicas[trial.seed % 3]
    early.set_mode("unloaded")
    trial.load(COUNT)
    trial.expect_all_good()
    early.set_mode("good")
    deadline = time.monotonic() + 15
    while time.monotonic() < deadline and not early.counts()["done"]:
        trial.load(20)
    trial.expect(early.counts()["done"] > 0, "it got no request after its model was loaded")
    trial.expect_all_good()


def cut_answer(trial: Trial) -> None:
    """A container ends in the middle of each answer."""
    trial.start()
    trial.load(COUNT, meanwhile=lambda: trial.replicas[trial.seed % 3].set_mode("cut"))
    trial.expect_all_good()


def task_gone(trial: Trial) -> None:
    """A whole task is gone, with both of its containers."""
    trial.start(6)
    task = 2 * (trial.seed % 3)

    def end() -> None:
        for replica in trial.replicas[task : task + 2]:
            replica.kill()

    trial.load(COUNT, meanwhile=end)
    trial.expect_all_good()


def all_gone(trial: Trial) -> None:
    """Every container is gone: callers get a 503 at once, and no hang."""
    trial.start()
    trial.load(50)
    trial.expect_all_good()
    for replica in trial.replicas:
        replica.kill()
    trial.load(30)
    samples = trial.load(100)
    statuses = Counter(each.status for each in samples)
    trial.expect(set(statuses) == {503}, f"they got {dict(statuses)}")
    longest = max(each.seconds for each in samples)
    trial.expect(longest < 2, f"a caller waited {longest:.1f} s")


def every_answer_500(trial: Trial) -> None:
    """Every container answers 500: the retries stay within their budget."""
    trial.start()
    for replica in trial.replicas:
        replica.set_mode("error")
    trial.load(COUNT)
    retries, most = trial.router.metric("router_retries_total"), 20 + 0.2 * COUNT
    trial.expect(retries <= most, f"{retries:g} retries of {COUNT} requests")
    for replica in trial.replicas:
        replica.set_mode("good")
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline and trial.load(1)[0].status != 200:
        time.sleep(0.2)
    trial.expect(trial.load(20)[-1].status == 200, "it did not come back")


def caller_hangs_up(trial: Trial) -> None:
    """Callers hang up before their answers: the work is cancelled, its place is free."""
    trial.start(1, mean_ms=20)
    head = b"POST /v2/models/digits/infer HTTP/1.1\r\nhost: a\r\ncontent-length: 2\r\n\r\n{}"
    address = trial.router.address
    replica, asked, deadline = trial.replicas[0], 0, time.monotonic() + 20
    # on a busy machine the first ones hang up before the router has sent anything
    while asked < 30 or (not replica.counts()["cancelled"] and time.monotonic() < deadline):
        with socket.create_connection((address.host, address.port)) as one:
            one.sendall(head)
            time.sleep(0.002 * (1 + asked % 10))
        asked += 1
    trial.await_metric("router_hung_up_total", 1)
    trial.load(50)
    trial.expect_all_good()
    trial.expect(trial.router.metric("router_in_flight") == 0, "a place was not given back")
    trial.expect(replica.counts()["cancelled"] > 0, "no work was cancelled")


def look_up_throttled(trial: Trial) -> None:
    """Cloud Map throttles DiscoverInstances: the last list stays."""
    trial.start_replicas(1)
    endpoint = CloudMapEndpoint(["127.0.0.1"])
    trial.stack.callback(endpoint.stop)
    port = trial.replicas[0].address.port
    variables = {
        "AWS_ENDPOINT_URL": endpoint.url,
        "AWS_DEFAULT_REGION": "eu-west-1",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
    }
    with patch.dict(os.environ, variables):
        trial.start_router(f"cloudmap://serving.local/model?ports={port}", 1)
    trial.load(50)
    endpoint.throttles = True
    trial.await_metric("router_lookups_failed_total", 1)
    trial.load(100)
    trial.expect_all_good()
    endpoint.throttles = False


def clock_off(trial: Trial) -> None:
    """The router's clock is 90 s behind: no token is valid, and the answer says so."""
    key = new_key()
    store = _stored(trial, "1")
    model = ModelProcess(store, "1", "task-0/container-0", key)
    trial.stack.callback(model.stop)
    trial.start_router(str(model.address), 1, {"signing_key": key}, command=(str(CLOCK), "-90"))
    body = json.dumps({"inputs": [ROW]}).encode()
    status, answer = ask(trial.router.address, "POST", infer_path("digits"), body)
    trial.expect(status == 502, f"the status is {status}")
    told = json.loads(answer)["error"]
    trial.expect("clock is" in told and "behind" in told, f"the answer is {told}")


def model_cut_short(trial: Trial) -> None:
    """A new version's file is cut short: it is never ready, and says why; the old one answers."""
    key = new_key()
    store = _stored(trial, "1", "2")
    description = Path(manifest_url(store, "digits", "2").removeprefix("file://"))
    file = next(description.parent.glob("*.onnx"))
    file.chmod(0o644)
    file.write_bytes(file.read_bytes()[:-7])
    models = [ModelProcess(store, version, f"v{version}/0", key) for version in ("1", "2")]
    for model in models:
        trial.stack.callback(model.stop)
    addresses = listed([model.address for model in models])
    trial.start_router(addresses, 1, {"signing_key": key})
    body = json.dumps({"inputs": [ROW]}).encode()
    for _ in range(50):
        status, _ = ask(trial.router.address, "POST", infer_path("digits"), body)
        trial.expect(status == 200, f"the status is {status}")
    status, answer = ask(models[1].address, "GET", "/v2/health/ready")
    trial.expect(status == 503, f"the bad version's readiness is {status}: {answer!r}")
    log = "\n".join(models[1].log)
    trial.expect("another digest" in log, f"its log does not say why: {log[-300:]}")


def overload(trial: Trial) -> None:
    """More callers than the containers take: some get a 503, the others their answers."""
    trial.start(2, settings={"in_flight": "2", "waiting": "2"})
    samples = trial.load(COUNT, clients=40)
    statuses = Counter(each.status for each in samples)
    trial.expect(set(statuses) == {200, 503}, f"they got {dict(statuses)}")


def _stored(trial: Trial, *versions: str) -> str:
    store = (trial.folder / "store").as_uri()
    for version in versions:
        fill(store, "digits", version, None)
    return store


FAULTS: dict[str, Callable[[Trial], None]] = {
    "container killed": killed,
    "container hung": hung,
    "container hung, no probe": hung_without_probes,
    "container slow": slow,
    "container answers 500": answers_500,
    "ready before its model": ready_too_early,
    "answer cut": cut_answer,
    "task gone": task_gone,
    "all gone": all_gone,
    "every answer 500": every_answer_500,
    "caller hangs up": caller_hangs_up,
    "look-up throttled": look_up_throttled,
    "clock off": clock_off,
    "model file cut short": model_cut_short,
    "overload": overload,
}
