"""Refuses Windows when this package is imported, before any import that fails there."""

from __future__ import annotations

import sys


def why_unsupported(platform: str) -> str:
    """Return why a system, by its name in `sys.platform`, cannot run this package, or ""."""
    if platform not in ("win32", "cygwin"):
        return ""
    return (
        "MapReduce on Fargate does not run on Windows itself, because its services fork. "
        "Use the Windows Subsystem for Linux: in PowerShell `wsl --install`, then install Python "
        "and this package in the Linux that it starts"
    )


if why := why_unsupported(sys.platform):
    raise ImportError(why)
