"""Start a router and replicas as real processes on loopback, for measurements and tests.

Each process holds the read end of a pipe of this one, so that it ends with it in any case.
"""

from __future__ import annotations

import http.client
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from examples.serving.bench.replica import Mode
from examples.serving.router.connections import Address
from mapreduce.wire.tokens import new_key
from services.shell.supervisor import LIFELINE

ROOT = Path(__file__).parents[3]
LOOPBACK = "127.0.0.1"
START_S = 20.0
POLL_S = 0.02


class ReplicaProcess:
    """One replica for measurements, in a process of its own.

    Args:
        name: its name in `served-by`.
        mean_ms: the mean of its service times.
        seed: of the times.
        mode: its mode at the start.
        port: where it listens; 0 takes a free one.
    """

    def __init__(
        self, name: str, mean_ms: float = 0.0, seed: int = 1, mode: Mode = "good", port: int = 0
    ) -> None:
        self.name = name
        command = [sys.executable, "-m", "examples.serving.bench.replica", "--name", name]
        command += ["--mean-ms", str(mean_ms), "--seed", str(seed), "--mode", mode]
        self._process = subprocess.Popen(
            [*command, "--port", str(port)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
        )
        assert self._process.stdout is not None
        self.address = Address(LOOPBACK, int(self._process.stdout.readline()))

    def set_mode(self, mode: Mode) -> None:
        """Make it answer in another way."""
        ask(self.address, "POST", f"/mode/{mode}")

    def counts(self) -> dict[str, int]:
        """Return how many inferences it has begun, done, and cancelled."""
        counted: dict[str, int] = json.loads(ask(self.address, "GET", "/counts")[1])
        return counted

    def pause(self) -> None:
        """Stop the process where it is: its socket accepts, and nothing answers."""
        self._process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let it go on."""
        self._process.send_signal(signal.SIGCONT)

    def kill(self) -> None:
        """End it at once, with all it has in flight."""
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()
        for end in (self._process.stdin, self._process.stdout):
            if end is not None:
                with suppress(OSError):
                    end.close()


class _Service:
    """A service of ours in a process of its own, which says in its log where it listens.

    Args:
        command: arguments of Python.
        prefix: of its variables.
        settings: its variables, without the prefix and in lower case.
    """

    def __init__(self, command: Sequence[str], prefix: str, settings: Mapping[str, str]) -> None:
        lifeline, self._our_end = os.pipe()
        environment = {name: text for name, text in os.environ.items() if prefix not in name}
        environment |= {f"{prefix}{name.upper()}": text for name, text in settings.items()}
        self._process = subprocess.Popen(
            [sys.executable, *command],
            env=environment | {LIFELINE: str(lifeline)},
            pass_fds=(lifeline,),
            stdin=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            cwd=ROOT,
        )
        os.close(lifeline)
        self.log: list[str] = []
        self._listening = threading.Event()
        self._port = 0
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        if not self._listening.wait(START_S) or not self._port:
            self.stop()
            raise RuntimeError("the service did not start:\n" + "\n".join(self.log))
        self.address = Address(LOOPBACK, self._port)

    def terminate(self) -> int:
        """Have it drain; return its exit code."""
        self._process.terminate()
        return self.wait()

    def wait(self) -> int:
        """Wait for its end; return its exit code."""
        return self._process.wait(START_S)

    def stop(self) -> None:
        """End it at once."""
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()
        with suppress(OSError):
            os.close(self._our_end)
        self._reader.join()
        assert self._process.stderr is not None
        self._process.stderr.close()

    def _read(self) -> None:
        assert self._process.stderr is not None
        for line in self._process.stderr:
            self.log.append(line.rstrip())
            if '"event": "listening"' in line:
                self._port = json.loads(line)["address"][1]
                self._listening.set()
        self._listening.set()


class ModelProcess(_Service):
    """A model server in a process of its own.

    Args:
        store: the URL of the store that has the model.
        version: the model's.
        name: its name in `served-by`.
        key: the signing key.
        settings: more MODEL_ variables, without the prefix.
    """

    def __init__(
        self,
        store: str,
        version: str,
        name: str,
        key: str,
        settings: Mapping[str, str] | None = None,
    ) -> None:
        given = {"store": store, "version": version, "served_by": name, "signing_key": key}
        super().__init__(
            ("-m", "examples.serving.model"),
            "MODEL_",
            given | {"port": "0"} | dict(settings or {}),
        )


class RouterProcess(_Service):
    """A router in a process of its own.

    Args:
        models: its source of replicas.
        settings: more ROUTER_ variables, without the prefix.
        command: what starts it; for a test that changes its clock.
    """

    def __init__(
        self,
        models: str,
        settings: Mapping[str, str] | None = None,
        command: Sequence[str] = ("-m", "examples.serving.router"),
    ) -> None:
        given = {"models": models, "port": "0", "signing_key": new_key()}
        super().__init__(command, "ROUTER_", given | dict(settings or {}))

    def health(self) -> dict[str, object]:
        """Return its answer to `/health`."""
        found: dict[str, object] = json.loads(ask(self.address, "GET", "/health")[1])
        return found

    def await_ready(self, count: int) -> None:
        """Wait until it has so many ready replicas; raises `TimeoutError`."""
        until = time.monotonic() + START_S
        while time.monotonic() < until:
            replicas = self.health()["replicas"]
            assert isinstance(replicas, list)
            if sum(each["ready"] for each in replicas) == count:
                return
            time.sleep(POLL_S)
        raise TimeoutError(f"the router has not {count} ready replicas:\n" + "\n".join(self.log))

    def metric(self, name: str) -> float:
        """Return the sum of a metric over its labels."""
        lines = ask(self.address, "GET", "/metrics")[1].decode().splitlines()
        return sum(
            float(line.rpartition(" ")[2])
            for line in lines
            if line.startswith((f"{name} ", f"{name}{{"))
        )


def ask(address: Address, method: str, path: str, body: bytes = b"") -> tuple[int, bytes]:
    """Return the status and the body of an answer."""
    connection = http.client.HTTPConnection(address.host, address.port, timeout=START_S)
    try:
        connection.request(method, path, body)
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def listed(addresses: Sequence[Address]) -> str:
    """Return the router's setting that names these replicas."""
    return ",".join(map(str, addresses))
