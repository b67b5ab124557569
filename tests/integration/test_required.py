"""The commands of CI fail if a check cannot run."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.requirement import VARIABLE

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def bare(tmp_path: Path) -> dict[str, str]:
    """An environment whose PATH has only the commands that a shell script needs, and a user who is
    not root.
    """
    for name in ("bash", "dirname", "make"):
        (tmp_path / name).symlink_to(shutil.which(name) or name)
    (tmp_path / "id").write_text("#!/bin/sh\necho 1000\n")
    (tmp_path / "id").chmod(0o755)
    return {**os.environ, "PATH": str(tmp_path)}


def _run(environment: dict[str, str], *command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False, timeout=60
    )


def test_ci_names_the_packages_that_it_lacks(bare: dict[str, str]) -> None:
    """Without permission to install packages, CI names the missing ones before any check."""
    done = _run(bare, "bash", ".ci/run")
    assert (1, "") == (done.returncode, done.stdout)
    said = (
        "gcc libc6-dev clang libclang-rt-dev mawk default-jre-headless "
        "docker.io docker.io debootstrap docker-registry iptables chromium npm "
        "haproxy util-linux zsh fish linux-perf"
    )
    assert (
        f"CI needs these packages, which it installs only as root on Debian: {said}\n"
        == done.stderr
    )


def test_make_spark_without_java_fails(bare: dict[str, str]) -> None:
    """`make spark` without Java fails, and names the package."""
    done = _run(bare, "make", "spark")
    assert done.returncode != 0
    assert "Java 17 or newer; on Debian: apt-get install default-jre-headless" in done.stderr


def test_ci_requires_everything() -> None:
    """CI sets the variable that the tests read, before the first check, and takes every suite in
    some turn.
    """
    lines = (ROOT / ".ci" / "run").read_text().splitlines()
    assert lines.index(f"export {VARIABLE}=1") < lines.index("    make check")
    suites = [line.split()[1] for line in lines if line.startswith("    make ")]
    expected = (
        "check audit sbom coverage test integration e2e faults simulate e2e porting examples "
        "containerd-store notebook browser bench-test docs-test e2e sanitize fuzz installed e2e "
        "spark bench-test"
    )
    assert expected.split() == suites


def test_ci_without_a_turn_says_what_did_not_run() -> None:
    """No suite is left out in silence: the last line of CI names the turn."""
    lines = (ROOT / ".ci" / "run").read_text().splitlines()
    assert any(line.startswith('echo "CI: the suites of every run and of turn') for line in lines)
