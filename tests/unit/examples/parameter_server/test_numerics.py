"""What the last bits depend on."""

from __future__ import annotations

import pytest

from examples.parameter_server.numerics import pin, pinned


def test_one_thread_and_one_kernel() -> None:
    """On x86-64 the kernel is pinned too; elsewhere there is one."""
    assert {"OPENBLAS_NUM_THREADS": "1", "OPENBLAS_CORETYPE": "Haswell"} == pinned("x86_64")
    assert {"OPENBLAS_NUM_THREADS": "1"} == pinned("aarch64")


def test_a_users_setting_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    """A variable that is set already is kept."""
    monkeypatch.setenv("OPENBLAS_NUM_THREADS", "4")
    monkeypatch.setenv("OPENBLAS_CORETYPE", "Zen")
    monkeypatch.setenv("GRPC_VERBOSITY", "INFO")
    pin()
    import os

    assert "4" == os.environ["OPENBLAS_NUM_THREADS"]
