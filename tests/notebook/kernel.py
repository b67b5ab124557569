"""A Jupyter kernel, which runs cells as a notebook does."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

ROOT = Path(__file__).resolve().parents[2]
PATIENCE_S = 60


@dataclass
class Output:
    """What a cell has shown: streams, displays by their last update, the result, an error."""

    stdout: str = ""
    stderr: str = ""
    displays: dict[str, dict[str, str]] = field(default_factory=dict)
    updates: int = 0
    result: dict[str, str] = field(default_factory=dict)
    error: str = ""
    error_name: str = ""

    @property
    def text(self) -> str:
        """The result as text."""
        return self.result.get("text/plain", "")


class Kernel:
    """A kernel that has started."""

    def __init__(self, client: Any, manager: Any) -> None:
        self._client = client
        self._manager = manager
        self.process = psutil.Process(manager.provisioner.pid)

    def run(self, code: str) -> Output:
        """Run a cell to its end."""
        return self.output_of(self.begin(code))

    def begin(self, code: str) -> str:
        """Begin to run a cell, and return its id."""
        return str(self._client.execute(code))

    def interrupt(self) -> None:
        """Interrupt the cell that runs, as the button of a notebook does."""
        self._manager.interrupt_kernel()

    def output_of(self, cell: str) -> Output:
        """Wait for the end of a cell, and return what it has shown."""
        found = Output()
        deadline = time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline:
            message = self._client.get_iopub_msg(timeout=PATIENCE_S)
            if message["parent_header"].get("msg_id") != cell:
                continue
            kind, content = message["msg_type"], message["content"]
            if kind == "status" and content["execution_state"] == "idle":
                return found
            _take(found, kind, content)
        raise TimeoutError(f"the cell has not ended in {PATIENCE_S} s: {found}")

    def children(self) -> list[psutil.Process]:
        """Return the processes that the kernel has started, and that have not ended."""
        return self.process.children(recursive=True)


def _take(found: Output, kind: str, content: dict[str, Any]) -> None:
    if kind == "stream":
        setattr(found, content["name"], getattr(found, content["name"]) + content["text"])
    elif kind in ("display_data", "update_display_data"):
        name = content.get("transient", {}).get("display_id", str(len(found.displays)))
        found.updates += kind == "update_display_data"
        found.displays[name] = content["data"]
    elif kind == "execute_result":
        found.result = content["data"]
    elif kind == "error":
        found.error = "\n".join(content["traceback"])
        found.error_name = content["ename"]


@contextmanager
def started(folder: Path) -> Iterator[Kernel]:
    """Start a kernel in a folder; it has ended, with all its processes, after the block."""
    from jupyter_client.manager import KernelManager

    manager = KernelManager(kernel_name="python3")
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "IPYTHONDIR": str(folder / ".ipython")}
    manager.start_kernel(cwd=str(folder), env=environment)
    client = manager.blocking_client()
    client.start_channels()
    try:
        client.wait_for_ready(timeout=PATIENCE_S)
        kernel = Kernel(client, manager)
        yield kernel
        left = kernel.children()
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)
    assert left == [], "the kernel has processes that no cell needs any more"
