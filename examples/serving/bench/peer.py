"""HAProxy in front of the same replicas, to compare with: `leastconn`, as Debian ships it."""

from __future__ import annotations

import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from examples.serving.router.connections import Address

START_S = 5.0
_CONFIGURATION = """\
global
  maxconn 4096
defaults
  mode http
  timeout connect 5s
  timeout client 120s
  timeout server 120s
frontend callers
  bind {address}
  default_backend replicas
backend replicas
  balance leastconn
{servers}
"""


def is_installed() -> bool:
    """Return whether this machine has HAProxy; on Debian: apt-get install haproxy."""
    return shutil.which("haproxy", path="/usr/sbin:/usr/local/sbin:/usr/bin:/bin") is not None


@contextmanager
def haproxy(replicas: Sequence[Address]) -> Iterator[Address]:
    """Run HAProxy in front of the replicas, and yield its address."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = Address("127.0.0.1", taken.getsockname()[1])
    servers = "\n".join(
        f"  server replica{number} {replica}" for number, replica in enumerate(replicas)
    )
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "haproxy.cfg"
        file.write_text(_CONFIGURATION.format(address=address, servers=servers))
        process = subprocess.Popen(["/usr/sbin/haproxy", "-db", "-q", "-f", str(file)])
        try:
            _await(address)
            yield address
        finally:
            process.kill()
            process.wait()


def _await(address: Address) -> None:
    until = time.monotonic() + START_S
    while True:
        try:
            socket.create_connection((address.host, address.port)).close()
        except OSError:
            if time.monotonic() > until:
                raise
            time.sleep(0.05)
        else:
            return
