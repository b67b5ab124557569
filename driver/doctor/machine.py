"""Checks this machine: Python, the native extension, the scratch disk, Terraform and Docker."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from driver.doctor.finding import Finding
from driver.text import bytes_text
from mapreduce import native

TERRAFORM_AT_LEAST = (1, 11)
FREE_DISK_BYTES = 1 << 30
START_DOCKER = "start Docker (Docker Desktop, or: sudo systemctl start docker)"
BUILD_IT = "python -m mapreduce.native builds it, with a C compiler"


def python() -> Finding:
    """Check the interpreter's version."""
    version = ".".join(map(str, sys.version_info[:3]))
    return Finding("python", sys.version_info >= (3, 11), version, "install Python 3.11 or newer")


def native_extension() -> Finding:
    """Return whether the native extension is in use; without it, runs are slower."""
    seen = "in use"
    if native.extension is None:
        seen = f"{native.why_not}; Python does its work, more slowly ({BUILD_IT})"
    return Finding("native extension", True, seen)


def scratch() -> Finding:
    """Check the disk of intermediate files."""
    folder = tempfile.gettempdir()
    free = shutil.disk_usage(folder).free
    return Finding(
        "scratch disk",
        free >= FREE_DISK_BYTES and os.access(folder, os.W_OK),
        f"{bytes_text(free)} free in {folder}",
        "free some space, or set TMPDIR",
    )


def terraform() -> Finding:
    """Check Terraform's version: ephemeral values and write-only arguments need a recent one."""
    out = _output_of("terraform", "version")
    found = re.search(r"v(\d+)\.(\d+)\.(\d+)", out or "")
    version = (int(found[1]), int(found[2])) if found else (0, 0)
    return Finding(
        "terraform",
        version >= TERRAFORM_AT_LEAST,
        found[0] if found else "not found",
        "install Terraform 1.11 or newer: developer.hashicorp.com/terraform/install",
    )


def docker() -> Finding:
    """Check that a Docker engine answers."""
    version = _output_of("docker", "version", "--format", "{{.Server.Version}}")
    missing = shutil.which("docker") is None
    return Finding(
        "docker",
        bool(version),
        version or ("not found" if missing else "installed, but its engine does not answer"),
        "install Docker" if missing else START_DOCKER,
    )


def _output_of(*command: str) -> str | None:
    """Return the output of a command, or None when it cannot be run or fails."""
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=60, check=False, cwd=Path.home()
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None
