"""The whole service on this machine: one router, and N machines with K containers each.

Each container is a process, and the machines are names. All end with this process.
"""

from __future__ import annotations

import http.client
import json
import mmap
import os
import random
import signal
import socket
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from examples.serving.ask import Target, body_of, metadata_of
from examples.serving.model_store import ModelRefused, read_model
from examples.serving.wire import infer_path, manifest_url, model_path
from mapreduce.errors import ObjectMissing, UsageError
from mapreduce.storage import open_storage
from mapreduce.wire.tokens import new_key
from services.shell.supervisor import Member, Supervisor, program

LOOPBACK = "127.0.0.1"
READY_S = 60.0
POLL_S = 0.1
LOG_LINES = 5


@dataclass(frozen=True, slots=True)
class Options:
    """What runs on this machine.

    Attributes:
        machines, containers: containers of each of the machines.
        port: the router's.
        store: the URL of the store that has the model.
        name, version: the model.
        canary: another version, on one more machine; None for none.
        canary_percent: its share of the requests.
        shadow: whether the other version gets copies instead.
        policy: which container answers.
        slow_ms: time added to each answer of the first container.
    """

    machines: int
    containers: int
    port: int
    store: str
    name: str
    version: str
    canary: str | None = None
    canary_percent: float = 10.0
    shadow: bool = False
    policy: str = "least"
    slow_ms: float = 0.0


def fill(store: str, name: str, version: str, file: Path | None) -> None:
    """Put a model into a store.

    Args:
        store: the store's URL.
        name: of the model.
        version: of the model.
        file: an ONNX file; None for the small model, which is trained first.

    Raises:
        UsageError: the file cannot be read or served, or the version exists with other bytes.
    """
    # numpy, and for the small model onnx: neither is needed to ask for help
    from examples.serving.model.session import load_model
    from examples.serving.sample import put

    try:
        model = file.read_bytes() if file else None
    except OSError as exc:
        raise UsageError(f"{file} cannot be read: {exc.strerror}; name an ONNX file") from exc
    if model is not None:
        try:
            load_model(model)
        except ModelRefused as exc:
            raise UsageError(f"{file} cannot be served: {exc}") from exc
    put(open_storage(), store, name, version, model)


def check_has(store: str, name: str, version: str) -> None:
    """Check that a store has a version of a model.

    Raises:
        UsageError: it has not.
        ModelRefused: what it has is damaged.
    """
    storage = open_storage()
    try:
        storage.head(manifest_url(store, name, version))
    except ObjectMissing as exc:
        raise UsageError(
            f"{store} has no version {version} of the model {name}; put one: "
            f"python -m examples.serving put --store {store} --name {name} --version {version}"
        ) from exc
    read_model(storage, store, name, version)


def store_url(given: str) -> str:
    """Return the URL of a store that is given as a URL or a folder.

    Raises:
        UsageError: it is empty, as of a variable that is not set.
    """
    if not given.strip():
        raise UsageError("--store is empty; write s3://BUCKET, or a folder")
    return given.rstrip("/") if "://" in given else Path(given).resolve().as_uri()


def members_of(options: Options, ports: Sequence[int], key: str) -> list[Member]:
    """Return the processes: the containers, and the router in front of them.

    Args:
        options: what runs.
        ports: a free port for each container, those of the canary last.
        key: signs the router's requests.
    """
    names = [
        f"machine-{machine}/container-{container}"
        for machine in range(1, options.machines + 1)
        for container in range(1, options.containers + 1)
    ]
    versions = [options.version] * len(names)
    if options.canary is not None:
        names += [f"canary/container-{number}" for number in range(1, options.containers + 1)]
        versions += [options.canary] * options.containers
    members = [
        program(name, _command("model"), _model(options, name, version, port, key, index == 0))
        for index, (name, version, port) in enumerate(zip(names, versions, ports, strict=True))
    ]
    return [*members, program("router", _command("router"), _router(options, ports, key))]


def run(options: Options, log: Path, example: Path) -> int:
    """Run until a signal; print the address and an example when all containers are ready.

    Args:
        options: what runs.
        log: a file for the processes' logs.
        example: a file for a request.

    Returns:
        1 if they are not ready in time, which ends all of them.

    Raises:
        UsageError: the router's port is taken.
    """
    count = (options.machines + (options.canary is not None)) * options.containers
    _check_free(options.port)
    members = members_of(options, _free_ports(count), new_key())
    sys.stdout.write(f"starting {count} containers and a router ...\n")
    sys.stdout.flush()
    announced = os.dup(1)
    with log.open("ab") as file:
        os.dup2(file.fileno(), 2)
        os.dup2(file.fileno(), 1)
    failed = mmap.mmap(-1, 1)  # shared with the forked process

    def announce(_: int) -> None:
        is_ready, text = _awaited(options, count, log, example)
        os.write(announced, text.encode())
        if not is_ready:
            failed[0] = 1
            os.kill(os.getppid(), signal.SIGTERM)
        while True:  # an end would be a new start
            time.sleep(READY_S)

    teller = Member("announcement", (announced,), announce)
    Supervisor([*members, teller], until=None).run()
    os.write(announced, b"\nstopped\n")
    return failed[0]


def ready_containers(port: int) -> int:
    """Return how many containers the router takes for ready; 0 if it does not answer yet."""
    connection = http.client.HTTPConnection(LOOPBACK, port, timeout=2)
    try:
        connection.request("GET", "/health")
        replicas = json.load(connection.getresponse())["replicas"]
    except (OSError, ValueError, KeyError, http.client.HTTPException):
        return 0
    finally:
        connection.close()
    return sum(each["ready"] for each in replicas)


def _awaited(options: Options, count: int, log: Path, example: Path) -> tuple[bool, str]:
    """Return whether the containers are ready in time, and what a user then sees."""
    until = time.monotonic() + READY_S
    found = 0
    while found < count and time.monotonic() < until:
        time.sleep(POLL_S)
        found = ready_containers(options.port)
    if found < count:
        last = "\n".join(log.read_text("utf-8", "replace").splitlines()[-LOG_LINES:])
        return False, f"{last}\nonly {found} of {count} containers are ready after {READY_S:g} s\n"
    metadata = metadata_of(Target(LOOPBACK, options.port, options.name))
    example.write_bytes(body_of(metadata, random.Random(1)))
    return True, announcement(options, log, example)


def announcement(options: Options, log: Path, example: Path) -> str:
    """Return what a user sees when everything runs.

    Args:
        options: what runs.
        log: the file with the logs.
        example: a file with a request.
    """
    address = f"http://{LOOPBACK}:{options.port}"
    canary = f", and {options.canary} on {options.containers} more" if options.canary else ""
    return (
        f"{address} answers, with version {options.version} of {options.name} on "
        f"{options.machines} machines x {options.containers} containers{canary}\n"
        f"  the model       curl {address}{model_path(options.name)}\n"
        f"  ask it          curl -i {address}{infer_path(options.name)} -d @{example}\n"
        f"  load            python -m examples.serving load --port {options.port} "
        f"--name {options.name}\n"
        f"  the containers  curl {address}/health\n"
        f"  logs            {log}\n"
        "Ctrl-C stops everything\n"
    )


def _command(module: str) -> list[str]:
    return [sys.executable, "-m", f"examples.serving.{module}"]


def _environment(settings: Mapping[str, str]) -> dict[str, str]:
    kept = {
        name: text
        for name, text in os.environ.items()
        if not name.startswith(("MODEL_", "ROUTER_"))
    }
    return kept | dict(settings)


def _model(
    options: Options, name: str, version: str, port: int, key: str, is_first: bool
) -> dict[str, str]:
    return _environment(
        {
            "MODEL_STORE": options.store,
            "MODEL_NAME": options.name,
            "MODEL_VERSION": version,
            "MODEL_PORT": str(port),
            "MODEL_SERVED_BY": name,
            "MODEL_SIGNING_KEY": key,
            "MODEL_DELAY_MS": str(options.slow_ms if is_first else 0),
        }
    )


def _router(options: Options, ports: Sequence[int], key: str) -> dict[str, str]:
    addresses = [f"{LOOPBACK}:{port}" for port in ports]
    stable = options.machines * options.containers
    settings = {
        "ROUTER_MODELS": ",".join(addresses[:stable]),
        "ROUTER_PORT": str(options.port),
        "ROUTER_SIGNING_KEY": key,
        "ROUTER_POLICY": options.policy,
    }
    if options.canary is not None:
        group = "SHADOW" if options.shadow else "CANARY"
        settings[f"ROUTER_{group}"] = ",".join(addresses[stable:])
        settings[f"ROUTER_{group}_PERCENT"] = str(options.canary_percent)
    return _environment(settings)


def _check_free(port: int) -> None:
    try:
        socket.create_server((LOOPBACK, port)).close()
    except OSError as exc:
        raise UsageError(
            f"port {port} cannot be used: {exc.strerror}; name another: --port {port + 1}"
        ) from exc


def _free_ports(count: int) -> list[int]:
    """Return so many different free ports."""
    with ExitStack() as open_sockets:
        sockets = [
            open_sockets.enter_context(socket.create_server((LOOPBACK, 0))) for _ in range(count)
        ]
        return [each.getsockname()[1] for each in sockets]
