"""Terraform, Dockerfiles and shell scripts pass their checkers; no test needs an account."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from driver.cloud.deploy.base_images import dockerfiles
from tests.e2e.processes import Shell
from tests.infrastructure.conftest import FOLDERS

ROOT = Path(__file__).resolve().parents[2]
CHECKERS = ROOT / ".venv" / "infrastructure-env" / "bin"
SCRIPTS = ("deploy.sh", "destroy.sh", "requirements/lock.sh", ".ci/run")
DOCKERFILES = [path.relative_to(ROOT).as_posix() for path in dockerfiles(ROOT)]
LEAST_RESOURCES = {"terraform": 40}
"""The least number of resources that checkov finds in a root; for an example it is 5."""
IMAGES_AND_ROOTS = [
    *((folder, "terraform") for folder in FOLDERS.values()),
    ("services", "dockerfile"),
    ("driver", "dockerfile"),
    ("examples", "dockerfile"),
]

pytestmark = pytest.mark.timeout(600)


def checker(name: str) -> str:
    """Return a checker's path; `make check` installs it."""
    path = CHECKERS / name
    if not path.is_file():
        pytest.skip(f"NOT CHECKED: {name} is missing; run: make .venv/infrastructure")
    return str(path)


def passes(*command: str) -> str:
    """Return the output of a command, which must exit with 0."""
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout}\n{done.stderr}"
    return done.stdout + done.stderr


def test_terraform_is_formatted() -> None:
    """`terraform fmt` would change nothing in any root."""
    if shutil.which("terraform") is None:
        pytest.skip("TERRAFORM IS NOT CHECKED: it is not on PATH")
    for folder in FOLDERS.values():
        passes("terraform", "fmt", "-check", "-recursive", "-diff", folder)


def test_terraform_is_valid(each_root: tuple[Shell, Path]) -> None:
    """`terraform validate` finds nothing."""
    shell, _ = each_root
    assert "The configuration is valid" in shell.run("terraform", "validate", "-no-color").out


def test_terraform_tests(each_root: tuple[Shell, Path]) -> None:
    """`terraform test` passes with a mocked provider: variables refuse bad values, outputs keep
    their shapes, and policies grant no more.
    """
    shell, copy = each_root
    out = shell.run("terraform", "test", "-no-color").out
    found = re.search(r"Success! (\d+) passed, 0 failed", out)
    assert found, out
    assert int(found[1]) >= (5 if "examples" in copy.parts else 80)


@pytest.mark.parametrize(("folder", "kind"), IMAGES_AND_ROOTS)
def test_checkov(folder: str, kind: str) -> None:
    """Checkov finds no failure in Terraform and in the Dockerfiles except those that
    terraform/.checkov.yaml lists, and has looked at all of them.
    """
    out = passes(
        *(checker("checkov"), "--directory", folder),
        *("--config-file", "terraform/.checkov.yaml", "--output", "json"),
        *("--framework", kind),
    )
    report = json.loads(out)
    dockerfiles_in = sum(each.startswith(f"{folder}/") for each in DOCKERFILES)
    least = dockerfiles_in if kind == "dockerfile" else LEAST_RESOURCES.get(folder, 5)
    if not least:
        pytest.skip(f"there is no Dockerfile in {folder}")
    assert kind == report["check_type"]
    assert report["summary"]["resource_count"] >= least


def test_every_skipped_check_has_its_reason() -> None:
    """Each check that terraform/.checkov.yaml skips has a reason in a comment."""
    lines = (ROOT / "terraform" / ".checkov.yaml").read_text().splitlines()
    skipped = [line for line in lines if re.match(r"\s+- CKV", line)]
    assert skipped
    reasons, reason = [], ""
    for line in lines:
        text = line.strip()
        reason = text if text.startswith("#") else reason
        if text.startswith("- CKV"):
            reasons.append("#" in text or bool(reason))
    assert all(reasons)


@pytest.mark.parametrize("script", SCRIPTS)
def test_shellcheck(script: str) -> None:
    """ShellCheck finds no mistake in a shell script."""
    passes(checker("shellcheck"), script)


@pytest.mark.parametrize("dockerfile", DOCKERFILES)
def test_hadolint(dockerfile: str) -> None:
    """A Dockerfile passes hadolint."""
    passes(checker("hadolint"), dockerfile)
