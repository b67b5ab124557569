"""Pin what the last bits of a gradient depend on: OpenBLAS's threads and kernel.

Call `pin` before NumPy is imported.
"""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping
from typing import Final

KERNEL: Final = "Haswell"
"""AVX2, which every x86-64 machine of Fargate has."""


def pinned(machine: str) -> dict[str, str]:
    """Return the variables for a kind of processor.

    Args:
        machine: as `platform.machine` names it; elsewhere than on x86-64 there is one kernel.
    """
    threads = {"OPENBLAS_NUM_THREADS": "1"}
    return {**threads, "OPENBLAS_CORETYPE": KERNEL} if machine in ("x86_64", "AMD64") else threads


def pin() -> None:
    """Set the variables in this process, and keep gRPC's notes on connections out of the log."""
    settings: Mapping[str, str] = {**pinned(platform.machine()), "GRPC_VERBOSITY": "NONE"}
    for name, value in settings.items():
        os.environ.setdefault(name, value)
