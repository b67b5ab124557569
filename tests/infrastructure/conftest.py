"""The root module, initialised once."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e import terraform_cli
from tests.e2e.log import CannotRun
from tests.e2e.processes import Shell
from tests.policies.planned import planned_resources, task_policies
from tests.policies.policy import Policy

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


@pytest.fixture(scope="session")
def planned(terraform: tuple[Shell, Path]) -> dict[str, Any]:
    """The planned resources of a stack with every option."""
    return planned_resources(terraform[0])


@pytest.fixture(scope="session")
def policies(planned: dict[str, Any]) -> dict[str, Policy]:
    """The planned policy of each task role."""
    return task_policies(planned)
