"""An S3 emulator for the contract suites: one for each test process, which it never outlives."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.contract.emulator import MISSING, PROGRAM, Emulator, running_emulator

BUCKET = "contract-suite"


@pytest.fixture(scope="session")
def emulator() -> Iterator[Emulator]:
    """S3 on loopback, with one bucket; skipped when the emulator is not installed."""
    if not PROGRAM.is_file():
        pytest.skip(MISSING)
    with running_emulator(BUCKET) as running:
        yield running
