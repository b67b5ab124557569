"""Terraform, Dockerfiles and shell scripts pass their checkers; no test needs an account."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.e2e.processes import Shell

ROOT = Path(__file__).resolve().parents[2]
CHECKERS = ROOT / ".venv" / "infrastructure-env" / "bin"
SCRIPTS = ("deploy.sh", "destroy.sh", "requirements/lock.sh", ".ci/run")
DOCKERFILES = sorted(
    path.relative_to(ROOT).as_posix() for path in ROOT.glob("services/*/Dockerfile")
)

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
    """`terraform fmt` would change nothing."""
    if shutil.which("terraform") is None:
        pytest.skip("TERRAFORM IS NOT CHECKED: it is not on PATH")
    passes("terraform", "fmt", "-check", "-recursive", "-diff", "terraform")


def test_terraform_is_valid(terraform: tuple[Shell, Path]) -> None:
    """`terraform validate` finds nothing."""
    shell, _ = terraform
    assert "The configuration is valid" in shell.run("terraform", "validate", "-no-color").out


def test_terraform_tests(terraform: tuple[Shell, Path]) -> None:
    """`terraform test` passes with a mocked provider: variables refuse bad values, outputs keep
    their shapes, and policies grant no more.
    """
    shell, _ = terraform
    out = shell.run("terraform", "test", "-no-color").out
    found = re.search(r"Success! (\d+) passed, 0 failed", out)
    assert found, out
    assert int(found[1]) >= 80


@pytest.mark.parametrize(
    ("folder", "kind", "least"),
    [("terraform", "terraform", 40), ("services", "dockerfile", len(DOCKERFILES))],
)
def test_checkov(folder: str, kind: str, least: int) -> None:
    """Checkov finds no failure in Terraform and in the Dockerfiles except those that
    terraform/.checkov.yaml lists, and has looked at all of them.
    """
    out = passes(
        *(checker("checkov"), "--directory", folder),
        *("--config-file", "terraform/.checkov.yaml", "--output", "json"),
    )
    report = json.loads(out)
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
