"""S3 on loopback for tests: an emulator that ends with its parent, even if that is killed."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

VENV = Path(__file__).resolve().parents[2] / ".venv"
START_LIMIT_S = 60

# Linux ends the emulator with its parent (prctl, PR_SET_PDEATHSIG = 1), even if that is killed.
# The new process sets it before it becomes the emulator, because a process with threads must run
# no Python between fork and exec.
LAUNCH = """
import ctypes, os, signal, sys
if sys.platform == "linux":
    ctypes.CDLL(None, use_errno=True).prctl(1, signal.SIGKILL)
os.execv(sys.argv[1], sys.argv[1:])
"""


@dataclass(frozen=True, slots=True)
class Server:
    """A program that serves S3.

    Attributes:
        program: its path.
        target: the target of the Makefile that installs it.
        health: the path of an answer that shows that it is up.
        settings: its environment variables.
        port_variable: the variable of its port; "" if it takes the option `--port`.
    """

    program: Path
    target: str
    health: str
    settings: Mapping[str, str]
    port_variable: str = ""

    @property
    def missing(self) -> str:
        """Return why its tests are skipped; "" if it is installed."""
        if self.program.is_file():
            return ""
        return (
            f"NO S3 EMULATOR: {self.program} is missing, so S3 is NOT tested; "
            f"run: make {self.target}"
        )


MINISTACK = Server(
    program=VENV / "emulator-env" / "bin" / "ministack",
    target=".venv/emulator",
    health="/_ministack/health",
    settings={
        "BIND_HOST": "127.0.0.1",
        "MINISTACK_REGION": "us-east-1",
        "IOT_MTLS_ENABLED": "0",
        "SFTP_ENABLED": "0",
    },
    port_variable="GATEWAY_PORT",
)
MOTO = Server(
    program=VENV / "moto-env" / "bin" / "moto_server",
    target=".venv/moto",
    health="/moto-api/data.json",
    settings={"S3_IGNORE_SUBDOMAIN_BUCKETNAME": "true"},
)
SERVERS = {"ministack": MINISTACK, "moto": MOTO}


class NotStarted(Exception):
    """The emulator ended, or does not answer; the message holds the end of its log."""


@dataclass(frozen=True, slots=True)
class Emulator:
    """A running emulator: its address, and the environment in which AWS's tools find it."""

    endpoint: str

    @property
    def environment(self) -> dict[str, str]:
        """The variables for clients, with invented credentials."""
        return {
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_REGION": "us-east-1",
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_EC2_METADATA_DISABLED": "true",
        }


@contextmanager
def running_emulator(
    *buckets: str, server: Server = MINISTACK, settings: Mapping[str, str] | None = None
) -> Iterator[Emulator]:
    """Run S3 with these buckets until the end of the block.

    Args:
        buckets: their names.
        server: the program.
        settings: further environment variables of it.
    """
    with tempfile.TemporaryDirectory() as folder, (Path(folder) / "log").open("w+b") as log:
        port = free_port()
        process = subprocess.Popen(
            [sys.executable, "-c", LAUNCH, str(server.program), *_options(server, port)],
            env=_server_environment(server, port) | dict(settings or {}),
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            running = Emulator(f"http://127.0.0.1:{port}")
            _wait(running, server, process, Path(folder) / "log")
            _make_buckets(running, buckets)
            yield running
        finally:
            _end(process)


def _options(server: Server, port: int) -> list[str]:
    return [] if server.port_variable else ["--host", "127.0.0.1", "--port", str(port)]


def _server_environment(server: Server, port: int) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    kept |= {"PYTHONWARNINGS": "ignore", **server.settings}
    return kept | ({server.port_variable: str(port)} if server.port_variable else {})


def free_port() -> int:
    """Return a port of loopback on which nothing listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait(running: Emulator, server: Server, process: subprocess.Popen[bytes], log: Path) -> None:
    until = time.monotonic() + START_LIMIT_S
    while time.monotonic() < until and process.poll() is None:
        try:
            with urllib.request.urlopen(f"{running.endpoint}{server.health}", timeout=5):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.1)
    raise NotStarted(f"the S3 emulator did not start:\n{log.read_text(errors='replace')[-3000:]}")


def _make_buckets(running: Emulator, buckets: Sequence[str]) -> None:
    import boto3  # not needed when S3 is skipped

    client = boto3.client(
        "s3",
        endpoint_url=running.endpoint,
        region_name="us-east-1",
        aws_access_key_id="test",
        aws_secret_access_key="test",
    )
    for bucket in buckets:
        client.create_bucket(Bucket=bucket)
    client.close()


def _end(process: subprocess.Popen[bytes]) -> None:
    """End the emulator and its descendants."""
    for signal_number in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, signal_number)
        except ProcessLookupError:
            break
        try:
            process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            continue
    process.wait()
