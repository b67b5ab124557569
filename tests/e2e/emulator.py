"""AWS for this proof: an emulator on the address of Docker's bridge, where this machine and the
containers reach it.
"""

from __future__ import annotations

import os
import socket
import socketserver
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Thread

from tests.e2e.log import StepFailed
from tests.e2e.machine import Engine
from tests.e2e.processes import Running, Shell

REGION = "us-east-1"
START_LIMIT_S = 60.0
OWNER_LABEL = "ministack.instance"
SERVER = {
    "MINISTACK_REGION": REGION,
    "IOT_MTLS_ENABLED": "0",
    "SFTP_ENABLED": "0",
    "PYTHONWARNINGS": "ignore",
}


@dataclass(frozen=True, slots=True)
class Emulator:
    """A running emulator, and the address to which Docker pushes images."""

    endpoint: str
    registry: str
    running: Running

    @property
    def credentials(self) -> dict[str, str]:
        """The credentials of a container; invented ones."""
        return {
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_DISABLE_HOST_PREFIX_INJECTION": "true",  # data-ADDRESS is no address
        }

    def shell(self, shell: Shell) -> Shell:
        """Return a shell whose AWS is the emulator, without real credentials or another network."""
        ours = self.credentials | {
            "AWS_REGION": REGION,
            "AWS_DEFAULT_REGION": REGION,
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
            "MAPREDUCE_REGISTRY_HOST": self.registry,
        }
        return Shell(shell.folder, _neutral(shell.environment) | ours, shell.outputs)


@contextmanager
def emulator(program: Path, engine: Engine, folder: Path) -> Iterator[Emulator]:
    """Start the emulator; end it and its containers with the block.

    Raises:
        StepFailed: it does not start.
    """
    folder.mkdir()
    # without this package the emulator reports each task as running, and starts nothing
    engine.shell.run(program.with_name("python"), "-c", "import docker")
    port = _free_port(engine.gateway)
    variables = SERVER | {
        "BIND_HOST": engine.gateway,
        "GATEWAY_PORT": str(port),
        "MINISTACK_HOSTNAME": folder.parent.name,
        "TMPDIR": str(folder),
    }
    environment = _neutral(engine.shell.environment) | variables
    environment.pop("HOSTNAME", None)  # a container's name would be taken for the emulator's
    endpoint = f"http://{engine.gateway}:{port}"
    shell = Shell(folder, environment, engine.shell.outputs)
    try:
        with (
            shell.start(program, alone=True) as running,
            _relay((engine.gateway, port)) as registry,
        ):
            _wait(running, endpoint)
            yield Emulator(endpoint, registry, running)
    finally:  # as it ends, the emulator removes its tasks' containers, and starts new ones
        engine.remove_containers("--filter", f"label={OWNER_LABEL}={folder.parent.name}:{port}")


def _neutral(environment: dict[str, str]) -> dict[str, str]:
    """Return the environment without variables of an account, a deployment or a proxy."""
    prefixes = ("AWS_", "MAPREDUCE_", "TF_VAR_", "TF_CLI_ARGS", "TF_WORKSPACE")
    return {
        name: value
        for name, value in environment.items()
        if not name.startswith(prefixes) and not name.lower().endswith("_proxy")
    }


def _free_port(host: str) -> int:
    with socket.socket() as probe:
        probe.bind((host, 0))
        return int(probe.getsockname()[1])


def _wait(running: Running, endpoint: str) -> None:
    until = time.monotonic() + START_LIMIT_S
    while running.alive and time.monotonic() < until:
        with (
            suppress(urllib.error.URLError, OSError),
            urllib.request.urlopen(f"{endpoint}/_ministack/health"),
        ):
            return
        time.sleep(0.1)
    raise StepFailed(f"the emulator does not start:\n{running.last_words()}")


@contextmanager
def _relay(target: tuple[str, int]) -> Iterator[str]:
    """Open a port on loopback that leads to the emulator: Docker pushes without TLS only to
    loopback.
    """

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            with socket.create_connection(target) as far:
                back = Thread(target=_pump, args=(far, self.request), daemon=True)
                back.start()
                _pump(self.request, far)
                back.join()

    class Server(socketserver.ThreadingTCPServer):
        daemon_threads = True
        block_on_close = False

    with Server(("127.0.0.1", 0), Handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()


def _pump(source: socket.socket, sink: socket.socket) -> None:
    with suppress(OSError):
        while block := source.recv(1 << 18):
            sink.sendall(block)
    with suppress(OSError):
        sink.shutdown(socket.SHUT_WR)
