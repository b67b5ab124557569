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
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

PROGRAM = Path(__file__).resolve().parents[2] / ".venv" / "emulator-env" / "bin" / "ministack"
MISSING = f"NO S3 EMULATOR: {PROGRAM} is missing, so S3 is NOT tested; run: make .venv/emulator"
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
def running_emulator(bucket: str) -> Iterator[Emulator]:
    """Run S3 with one bucket until the end of the block."""
    with tempfile.TemporaryDirectory() as folder, (Path(folder) / "log").open("w+b") as log:
        port = _free_port()
        process = subprocess.Popen(
            [sys.executable, "-c", LAUNCH, str(PROGRAM)],
            env=_server_environment(port),
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            running = Emulator(f"http://127.0.0.1:{port}")
            _wait(running, process, Path(folder) / "log")
            _make_bucket(running, bucket)
            yield running
        finally:
            _end(process)


def _server_environment(port: int) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    return kept | {
        "BIND_HOST": "127.0.0.1",
        "GATEWAY_PORT": str(port),
        "MINISTACK_REGION": "us-east-1",
        "IOT_MTLS_ENABLED": "0",
        "SFTP_ENABLED": "0",
        "PYTHONWARNINGS": "ignore",
    }


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait(running: Emulator, process: subprocess.Popen[bytes], log: Path) -> None:
    until = time.monotonic() + START_LIMIT_S
    while time.monotonic() < until and process.poll() is None:
        try:
            with urllib.request.urlopen(f"{running.endpoint}/_ministack/health", timeout=5):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.1)
    raise NotStarted(f"the S3 emulator did not start:\n{log.read_text(errors='replace')[-3000:]}")


def _make_bucket(running: Emulator, bucket: str) -> None:
    import boto3  # not needed when S3 is skipped

    client = boto3.client(
        "s3",
        endpoint_url=running.endpoint,
        region_name="us-east-1",
        aws_access_key_id="test",
        aws_secret_access_key="test",
    )
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
