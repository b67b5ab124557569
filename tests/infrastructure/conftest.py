"""The root modules, each initialised once."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from driver.cloud.terraform import system_folders
from tests.e2e import terraform_cli
from tests.e2e.log import CannotRun
from tests.e2e.processes import Shell
from tests.policies.planned import planned_resources, task_policies
from tests.policies.policy import Policy

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = {name: folder.relative_to(ROOT).as_posix() for name, folder in system_folders().items()}
"""The folders of the roots in the checkout, by system."""


@pytest.fixture(scope="session")
def terraform(tmp_path_factory: pytest.TempPathFactory) -> tuple[Shell, Path]:
    """A shell, and an initialised copy of MapReduce's root module without a backend."""
    return initialised("terraform", tmp_path_factory.mktemp("terraform"))


@pytest.fixture(scope="session", params=list(FOLDERS.values()), ids=list(FOLDERS))
def each_root(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Shell, Path]:
    """Each root module in turn: a shell, and an initialised copy without a backend."""
    return initialised(request.param, tmp_path_factory.mktemp("root"))


def initialised(root: str, folder: Path) -> tuple[Shell, Path]:
    """Copy a root module with the modules that it composes, and initialise the copy.

    Args:
        root: the root's folder in the checkout.
        folder: of the copy, which has the checkout's folders.
    """
    if shutil.which("terraform") is None:
        pytest.skip(
            "TERRAFORM IS NOT CHECKED: it is not on PATH; developer.hashicorp.com/terraform/install"
        )
    copy, outputs = folder / root, folder / "outputs"
    outputs.mkdir()
    terraform_cli.copy_of(ROOT / "terraform", folder / "terraform")
    if root != "terraform":
        terraform_cli.copy_of(ROOT / root, copy)
    shell = Shell(copy, dict(os.environ), outputs)
    try:
        shell, _ = terraform_cli.with_provider(shell, copy, folder)
    except CannotRun as exc:
        pytest.skip(f"TERRAFORM IS NOT CHECKED: {exc}")
    return shell, copy


@pytest.fixture(scope="session")
def planned(terraform: tuple[Shell, Path]) -> dict[str, Any]:
    """The planned resources of a stack with every option."""
    return planned_resources(terraform[0])


@pytest.fixture(scope="session")
def policies(planned: dict[str, Any]) -> dict[str, Policy]:
    """The planned policy of each task role."""
    return task_policies(planned)
