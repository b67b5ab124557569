"""The album service: deploy, call, add, scale, roll, lose a task, balance, destroy."""

from __future__ import annotations

import http.client
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from urllib.parse import urlsplit

from examples.albums.album import SEEDS, in_json
from tests.e2e import images
from tests.e2e.log import Log, StepFailed
from tests.e2e.proof import Proof, allowed, deployed, destroyed, sealed
from tests.e2e.stack import DeployedStack
from tests.e2e.system import example
from tests.faults.systems.albums.tasks import JSON, album

ROLE = "albums"
TASKS = 3
STORM = 50
REQUESTS = 2000
LONGEST_S = 3600
MOST_MB = {ROLE: 62}
"""What the image may have above its base image."""
MOST_SOURCE_KB = 2000
"""The project's code and byte code: `mapreduce` is there whole, because its front imports it."""
# the emulator, unlike ECS, stops an old task before the new one answers
SYSTEM = example("albums", environment={"ALBUMS_LINGER_S": "15"})
BLUE_TRAIN = (
    b'{\n    "id": "1",\n    "title": "Blue Train",\n    "artist": "John Coltrane",\n'
    b'    "price": 56.99\n}'
)


def prove(log: Log, proof: Proof) -> None:
    """Run all steps in order."""
    deployed(log, proof)
    sealed(log, proof, ROLE)
    _look(log, proof)
    _call(log, proof)
    _change_under_load(log, proof)
    _balance(log, proof)
    allowed(log, proof, (ROLE,))
    destroyed(log, proof, ROLE)


def _look(log: Log, proof: Proof) -> None:
    made = proof.stack
    with log.step("image: size", vital=False) as note:
        names = [f"{made.name}/{ROLE}"]
        images.measure(
            *(made.engine, proof.cloud.registry, names, made.image_tag, proof.base, note),
            most_mb=MOST_MB,
        )
        size = made.python_in(made.boxes(ROLE)[0], _SIZES).out.split()
        note(f"of that, /app/src {size[0]} kB, and its byte code {size[1]} kB")
        if sum(map(int, size)) > MOST_SOURCE_KB:
            raise StepFailed(f"the project's own part may have {MOST_SOURCE_KB} kB")


_SIZES = """
from pathlib import Path
def kb(folder):
    return sum(p.stat().st_size for p in Path(folder).rglob("*") if p.is_file()) // 1000
print(kb("/app/src"), kb("/app/pycache/app/src"))
"""


def _call(log: Log, proof: Proof) -> None:
    made = proof.stack
    with log.step("urls, and curl of each") as note:
        urls = _urls(made)
        for url in urls:
            one = made.shell.run("curl", "--silent", "--show-error", f"{url}/1").out
            if one.encode() != BLUE_TRAIN:
                raise StepFailed(f"{url}/1 answers {one!r}")
        listed = made.shell.run("curl", "--silent", "--show-error", urls[0]).out
        if listed.encode() != in_json([each.fields() for each in SEEDS.values()]):
            raise StepFailed(f"{urls[0]} answers {listed!r}")
        note(f"{', '.join(urls)}: the source document's bytes")
    with log.step(f"terraform apply album_count={TASKS}") as note:
        note(made.apply(f"-var=album_count={TASKS}"))
        made.wait_for_boxes(ROLE, TASKS)
        note(", ".join(_urls(made)))
        _wait_until_all_answer(made, TASKS)
    with log.step(f"{STORM} POSTs of one id at once over {TASKS} tasks", vital=False) as note:
        note(_storm(_urls(made)))
    with log.step("terraform apply album_count=1", vital=False) as note:
        note(made.apply("-var=album_count=1"))
        made.wait_for_boxes(ROLE, 1)
        (url,) = _urls(made)
        if made.shell.run("curl", "--silent", f"{url}/storm").out.encode() != in_json(
            {"id": "storm", "title": "T", "artist": "A", "price": 1.5}
        ):
            raise StepFailed("the added album is gone with the task that added it")
        note("the added album is there")


def _change_under_load(log: Log, proof: Proof) -> None:
    """Scale, roll and kill while clients get albums; no request may be lost."""
    made = proof.stack
    with _loaded(made) as ended:
        with log.step(f"under load: 1 -> {TASKS} -> 1 tasks", vital=False) as note:
            for number in (TASKS, 1):
                note(made.apply(f"-var=album_count={number}"))
                made.wait_for_boxes(ROLE, number)
        with log.step("under load: ./deploy.sh with another image", vital=False) as note:
            before = made.image_tag
            made.change("examples/albums/app.py")
            made.deploy()
            made.wait_for_boxes(ROLE, 1)
            note(f"{before} -> {made.image_tag}")
        with log.step("under load: docker kill of one of two tasks", vital=False) as note:
            made.apply("-var=album_count=2")
            made.wait_for_boxes(ROLE, 2)
            _wait_until_all_answer(made, 2)
            killed = made.boxes(ROLE)[0]
            made.engine.docker("kill", killed.id)
            note(f"{killed.name} is killed")
            made.wait_for_boxes(ROLE, 2)
            note("another takes its place")
        with log.step(f"0 of at least {REQUESTS} requests are lost", vital=False) as note:
            note(ended())


def _balance(log: Log, proof: Proof) -> None:
    made = proof.stack
    with log.step("a load balancer is one address for all tasks", vital=False) as note:
        note(made.apply("-var=album_count=2", "-var=load_balancer=true"))
        _wait_until_all_answer(made, 2)
        (url,) = _urls(made)
        # the emulator answers at its own address for the balancer's name
        answers = Counter(_asked(proof.cloud.endpoint, url) for _ in range(20))
        if answers != {(200, BLUE_TRAIN): 20}:
            raise StepFailed(f"{url} answers {answers}")
        note(f"{url}: 20 requests, 20 right answers")
        note(made.apply("-var=album_count=1"))
        if made.outputs().get("load_balancer_url") is not None:
            raise StepFailed("the load balancer is still there")


def _urls(made: DeployedStack) -> list[str]:
    return made.module("examples.albums", "urls").out.split()


def _wait_until_all_answer(made: DeployedStack, number: int) -> None:
    """Wait until each task answers: a container runs before its service listens."""
    made.wait_for_boxes(ROLE, number)
    for box in made.boxes(ROLE):
        made.shell.run(
            *("curl", "--silent", "--show-error", "--retry", "30", "--retry-connrefused"),
            *("--retry-delay", "1", f"http://{box.address}:8080/health"),
        )


def _storm(urls: list[str]) -> str:
    together = threading.Barrier(STORM)

    def send(number: int) -> int:
        connection = http.client.HTTPConnection(
            urlsplit(urls[number % len(urls)]).netloc, timeout=60
        )
        together.wait()
        connection.request("POST", "/albums", album("storm"), JSON)
        status = connection.getresponse().status
        connection.close()
        return status

    with ThreadPoolExecutor(STORM) as clients:
        statuses = Counter(clients.map(send, range(STORM)))
    if statuses != {201: 1, 409: STORM - 1}:
        raise StepFailed(f"statuses: {dict(statuses)}")
    return f"one 201, {statuses[409]} x 409"


@contextmanager
def _loaded(made: DeployedStack) -> Iterator[Callable[[], str]]:
    """Send requests in the background; yield what ends them and returns their counts."""
    command = ("load", "--requests", str(REQUESTS), "--seconds", str(LONGEST_S), "--pause", "0.1")
    with made.running("examples.albums", *command) as running:

        def ended() -> str:
            running.process.terminate()
            return running.finish().out.strip()

        yield ended


def _asked(endpoint: str, url: str) -> tuple[int, bytes]:
    """Ask the emulator for an album at the load balancer's name."""
    connection = http.client.HTTPConnection(urlsplit(endpoint).netloc, timeout=60)
    try:
        connection.request("GET", "/albums/1", headers={"Host": urlsplit(url).netloc})
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()
