"""One real mapper, started as the documentation says, with one slot, and a slow job."""

from __future__ import annotations

import os
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psutil

from driver.transport.trust import stack_context
from mapreduce.code import JobSource, pack
from mapreduce.storage import open_storage
from mapreduce.wire import keys
from mapreduce.wire.certificates import host_name
from mapreduce.wire.messages import ByteRange, JobSpec, MapTask, Split
from mapreduce.wire.tokens import sign
from tests.integration.commands import ROOT

KEY = "k" * 32
SLOW = """\
import os, time
from mapreduce import Job, Sum

class Slow(Job):
    seconds: float = 0.0
    die: bool = False
    counts_keys: bool = False
    prints: int = 0
    reduce = Sum()

    def map(self, key, value):
        if self.die:
            os.kill(os.getpid(), 9)
        if self.counts_keys:
            self.count("keys", sum("SIGNING_KEY" in name for name in os.environ))
        for number in range(self.prints):
            print(f"printed {number} {'x' * 1000}", flush=True)
        time.sleep(self.seconds)
        yield value, 1
"""


@dataclass
class Mapper:
    """A mapper with one slot.

    `tls` is that of a caller with the key, if the mapper answers by TLS.
    """

    process: subprocess.Popen[bytes]
    url: str
    store: str
    job: JobSpec
    text: Path
    tls: ssl.SSLContext | None = None

    @property
    def port(self) -> int:
        """Its port on 127.0.0.1."""
        return httpx.URL(self.url).port or 0

    def ask(self, method: str, path: str, **options: Any) -> httpx.Response:
        """Send one request over a new connection; by TLS the certificate must be the mapper's."""
        proven = {"sni_hostname": host_name("mapper")} if self.tls else {}
        with httpx.Client(verify=self.tls or False, timeout=30) as client:
            return client.request(method, self.url + path, extensions=proven, **options)

    def task(self, **parameters: Any) -> bytes:
        """Return a map task over the whole text."""
        info = open_storage().head(f"file://{self.text}")
        piece = ByteRange(
            url=info.url, etag=info.etag, size=info.size, start=0, end=info.size, source=info.url
        )
        return (
            MapTask(
                run="run-1",
                store=self.store,
                index=0,
                job=self.job.model_copy(update={"parameters": parameters}),
                split=Split(index=0, pieces=(piece,)),
                partitions=2,
            )
            .model_dump_json()
            .encode()
        )

    def post(self, body: bytes, token: str | None = None, key: str = KEY) -> httpx.Response:
        """Send a signed request."""
        token = sign(key, "/map", body, time.time()) if token is None else token
        headers = {"authorization": f"Bearer {token}"}
        return self.ask("POST", "/map", content=body, headers=headers)

    def health(self) -> dict[str, Any]:
        """Return the answer of /health."""
        answer: dict[str, Any] = self.ask("GET", "/health").json()
        return answer

    def wait_for(self, **expected: Any) -> None:
        """Wait until /health has these values."""
        deadline = time.monotonic() + 20
        while not expected.items() <= self.health().items():
            assert time.monotonic() < deadline, (expected, self.health())
            time.sleep(0.02)


@contextmanager
def running_mapper(
    tmp_path: Path,
    program: Sequence[str | Path] = ("-m", "services.mapper"),
    before: Sequence[str] = (),
    slow: str = SLOW,
    **changed: str,
) -> Iterator[Mapper]:
    """Run `python -m services.mapper` on a free port over a folder, with these settings.

    `before` is a command that starts it, and `slow` the code of its job. After its end its log is
    in the file `log` of that folder.
    """
    store = tmp_path / "store"
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "slow.py").write_text(slow)
    text = store / "input" / "text.txt"
    text.parent.mkdir(parents=True)
    text.write_text("one\ntwo\none\n")
    digest, data = pack(JobSource(tmp_path / "code", "slow", "Slow"))
    open_storage().write(keys.code(f"file://{store}", digest), data)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    settings = {
        "MAPREDUCE_STORE": f"file://{store}",
        "MAPREDUCE_SIGNING_KEY": KEY,
        "MAPREDUCE_PORT": str(port),
        "MAPREDUCE_SLOTS": "1",
        "MAPREDUCE_SCRATCH": str(tmp_path / "scratch"),
        "MAPREDUCE_DRAIN_S": "20",
        "MAPREDUCE_MAX_BODY_MB": "1",
    }
    settings |= changed
    process = subprocess.Popen(
        [*before, sys.executable, *program],
        env=os.environ | settings | {"PYTHONPATH": str(ROOT)},
        stderr=subprocess.PIPE,
    )
    job = JobSpec(code=digest, module="slow", name="Slow")
    tls = settings.get("MAPREDUCE_TLS") == "true"
    url = f"{'https' if tls else 'http'}://127.0.0.1:{port}"
    context = stack_context(settings["MAPREDUCE_SIGNING_KEY"]) if tls else None
    made = Mapper(process, url, f"file://{store}", job, text, context)
    deadline = time.monotonic() + 30
    while True:
        try:
            made.health()
            break
        except httpx.HTTPError:
            assert time.monotonic() < deadline
            time.sleep(0.05)
    family = [psutil.Process(process.pid), *psutil.Process(process.pid).children(recursive=True)]
    try:
        yield made
    finally:
        if process.poll() is None:
            process.terminate()
        _, logged = process.communicate(timeout=30)
        if logged:
            (tmp_path / "log").write_bytes(logged)
    _, alive = psutil.wait_procs(family, timeout=5)
    assert alive == []


def has_in_memory(pid: int, sought: bytes) -> bool:
    """Return whether the writable memory of a process contains some bytes (Linux, as root)."""
    with Path(f"/proc/{pid}/mem").open("rb", buffering=0) as memory:
        for line in Path(f"/proc/{pid}/maps").read_text().splitlines():
            place, rights = line.split()[:2]
            first, last = (int(part, 16) for part in place.split("-"))
            if not rights.startswith("rw"):
                continue
            try:
                memory.seek(first)
                if sought in memory.read(last - first):
                    return True
            except OSError:
                continue
    return False
