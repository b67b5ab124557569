"""Training in a plain loop, in one process: what every run must give, bit for bit.

The process is one of its own, with OpenBLAS pinned as in servers and workers: in this one NumPy may
have been imported before.
"""

from __future__ import annotations

import os
import platform
import subprocess
import sys

import numpy as np

from examples.parameter_server.checkpoint import fingerprint
from examples.parameter_server.core.spec import RunSpec
from examples.parameter_server.data import micro_batch_rows
from examples.parameter_server.models import model_named
from examples.parameter_server.numerics import pinned


def plain_loop(spec: RunSpec) -> str:
    """Return the SHA-256 of the model that a plain loop trains."""
    done = subprocess.run(
        (sys.executable, "-m", __name__, spec.model_dump_json()),
        env={**os.environ, **pinned(platform.machine())},
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    return done.stdout.strip()


def _trained(spec: RunSpec) -> str:
    model = model_named(spec.model)
    theta = model.init(spec.seed)
    velocity = np.zeros_like(theta)
    for clock in range(spec.clocks):
        total = np.zeros_like(theta)
        for number in range(spec.micro_batches):
            rows = micro_batch_rows(spec.seed, clock, number, spec.batch_rows, model.training_rows)
            total = total + model.gradient(theta, rows)[1]
        velocity = spec.momentum * velocity + total / spec.micro_batches
        theta = theta - spec.learning_rate * velocity
    return fingerprint(theta)


if __name__ == "__main__":
    sys.stdout.write(_trained(RunSpec.model_validate_json(sys.argv[1])))
