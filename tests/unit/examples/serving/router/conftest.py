"""Asynchronous tests run on asyncio, as the router does."""

from __future__ import annotations

import pytest


@pytest.fixture
def anyio_backend() -> str:
    """Return the event loop of tests marked with anyio."""
    return "asyncio"
