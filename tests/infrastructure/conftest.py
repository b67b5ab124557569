"""The root module, initialised once."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e import terraform_cli
from tests.e2e.log import CannotRun
from tests.e2e.processes import Shell

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def terraform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Shell, Path]]:
    """A shell, and an initialised copy of the root module without a backend."""
    if shutil.which("terraform") is None:
        pytest.skip(
            "TERRAFORM IS NOT CHECKED: it is not on PATH; developer.hashicorp.com/terraform/install"
        )
    folder = tmp_path_factory.mktemp("terraform")
    copy, outputs = folder / "terraform", folder / "outputs"
    outputs.mkdir()
    terraform_cli.copy_of(ROOT / "terraform", copy)
    shell = Shell(copy, dict(os.environ), outputs)
    try:
        shell, _ = terraform_cli.with_provider(shell, copy, folder)
    except CannotRun as exc:
        pytest.skip(f"TERRAFORM IS NOT CHECKED: {exc}")
    yield shell, copy
