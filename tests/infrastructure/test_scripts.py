"""deploy.sh and destroy.sh with programs that only record how they are called."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
RECORD = """#!/bin/bash
echo "$(basename "$0") $* ATTESTATIONS=${BUILDX_NO_DEFAULT_ATTESTATIONS:-}" >>"$CALLS"
"""
# of three images two are missing; the last argument is the step
DRIVER = """
[ "$1 $2 $3" = "-m driver stack" ] || exit 99
case $4 in
platform) echo linux/amd64 ;;
images)
    echo "splitter 1.dkr.ecr/mapreduce/splitter:t2 there"
    echo "mapper 1.dkr.ecr/mapreduce/mapper:t2 missing"
    echo "reducer 1.dkr.ecr/mapreduce/reducer:t2 missing"
    ;;
registry-password) echo secret ;;
esac
"""


@dataclass(frozen=True, slots=True)
class Checkout:
    """A folder with the two scripts, and the programs that they call."""

    folder: Path

    def replace(self, program: str, text: str = "") -> None:
        """Write a program that records its call, and then runs `text`."""
        path = self.folder / program
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(RECORD + text)
        path.chmod(0o755)

    def run(self, script: str, *arguments: str) -> int:
        """Return the exit code of a script."""
        environment = {
            "PATH": f"{self.folder / 'bin'}:/usr/bin:/bin",
            "CALLS": str(self.folder / "calls"),
        }
        return subprocess.run(
            [self.folder / script, *arguments],
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
            timeout=60,
        ).returncode

    @property
    def calls(self) -> list[str]:
        """The calls so far."""
        return (self.folder / "calls").read_text().splitlines()


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    """A checkout in which every program succeeds."""
    for script in ("deploy.sh", "destroy.sh"):
        shutil.copy(ROOT / script, tmp_path)
    (tmp_path / "terraform").mkdir()
    made = Checkout(tmp_path)
    made.replace(".venv/bin/python", DRIVER)
    for program in ("make", "terraform", "docker"):
        made.replace(f"bin/{program}")
    return made


def test_images_are_built_without_attestations(checkout: Checkout) -> None:
    """Each build has the variable that turns attestations off: with one, an image is an index, and
    its push to a repository of immutable tags is refused.
    """
    assert 0 == checkout.run("deploy.sh")
    builds = [call for call in checkout.calls if call.startswith("docker build")]
    assert 2 == len(builds)
    assert all(build.endswith("ATTESTATIONS=1") for build in builds)
