"""What a command says where its packages are not installed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from examples import say_what_is_missing

ROOT = Path(__file__).resolve().parents[3]
SYSTEMS = ("albums", "parameter_server", "serving")


@pytest.mark.parametrize("system", SYSTEMS)
def test_a_fresh_clone_says_what_to_run(system: str) -> None:
    """Without site packages, a command is one line with the next command, and no stack trace."""
    done = subprocess.run(
        [sys.executable, "-S", "-m", f"examples.{system}"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode in (1, 2)
    assert 1 == done.stderr.count("\n")
    assert "run: make .venv/examples" in done.stderr


@pytest.mark.parametrize(
    "error", [ValueError("x"), ModuleNotFoundError("No module", name="examples.albums.other")]
)
def test_another_error_keeps_its_stack_trace(
    error: Exception, capsys: pytest.CaptureFixture[str]
) -> None:
    """A mistake of ours is not hidden."""
    say_what_is_missing(type(error), error, error.__traceback__)
    assert f"{type(error).__name__}: {error}" in capsys.readouterr().err
