"""The machine and the versions of a measurement."""

from __future__ import annotations

import os
import platform
import subprocess
from collections.abc import Sequence
from pathlib import Path

PACKAGES = ("pyspark", "mrjob", "dask", "duckdb", "polars")
PROGRAMS = {
    "Java": ("java", "-version"),
    "mawk": ("mawk", "-W", "version"),
    "sort": ("sort", "--version"),
    "gcc": ("gcc", "--version"),
}


def machine() -> dict[str, str]:
    """Return processor, memory and system; nothing that identifies the machine."""
    return {
        "processor": f"{_processor()}, {os.cpu_count()} cores",
        "memory": f"{os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / (1 << 30):.0f} GiB",
        "system": f"{platform.system()} {platform.release().split('-')[0]}, {platform.machine()}",
    }


def versions(peers: Path, root: Path) -> dict[str, str]:
    """Return our commit (`-dirty` if files have changed since) and the peers' releases."""
    commit = _said(
        ("git", "-C", str(root), "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*")
    )
    script = (
        "import sys, importlib.metadata as m; print(*(m.version(name) for name in sys.argv[1:]))"
    )
    released = _said((str(peers), "-c", script, *PACKAGES)).split()
    found = {
        "ours": f"commit {commit}" if commit else "not in a repository",
        "Python": platform.python_version(),
    }
    found |= dict(zip(PACKAGES, released, strict=False))
    return found | {name: _said(command) or "not installed" for name, command in PROGRAMS.items()}


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def _said(command: Sequence[str]) -> str:
    """Return the first line that a command prints, or "" if it is not installed."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError:
        return ""
    lines = (done.stdout + done.stderr).strip().splitlines()
    return lines[0] if lines and not done.returncode else ""
