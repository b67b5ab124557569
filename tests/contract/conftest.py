"""S3 servers for the contract suites: one of each for a test process, which they never outlive."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.contract.emulator import MINISTACK, MOTO, SERVERS, Emulator, Server, running_emulator

BUCKET = "contract-suite"


@pytest.fixture(scope="session")
def ministack() -> Iterator[Emulator]:
    """The first server, with one bucket; skipped when it is not installed."""
    yield from _running(MINISTACK)


@pytest.fixture(scope="session")
def moto() -> Iterator[Emulator]:
    """The second server, with one bucket; skipped when it is not installed."""
    yield from _running(MOTO)


@pytest.fixture(scope="session", params=SERVERS)
def emulator(request: pytest.FixtureRequest) -> Emulator:
    """Each server in turn: two show what one of them forgives."""
    running: Emulator = request.getfixturevalue(request.param)
    return running


def _running(server: Server) -> Iterator[Emulator]:
    if server.missing:
        pytest.skip(server.missing)
    with running_emulator(BUCKET, server=server) as running:
        yield running
