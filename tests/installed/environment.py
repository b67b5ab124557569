"""Wheels of the project, and virtual environments outside the clone that they are installed in."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
NO_COMPILER = "/nonexistent/compiler"


class Failed(Exception):
    """A command that had to work did not; holds its output."""


@dataclass(frozen=True, slots=True)
class Done:
    """What a finished command has printed."""

    stdout: str
    stderr: str
    code: int


def run(
    command: Sequence[object],
    folder: Path,
    *,
    may_fail: bool = False,
    environment: Mapping[str, str] | None = None,
) -> Done:
    """Run a command in a folder, with nothing of this process's Python in its environment.

    Raises:
        Failed: its exit code is not 0, unless it `may_fail`.
    """
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("PYTHON", "VIRTUAL"))
    }
    done = subprocess.run(
        [str(word) for word in command],
        cwd=folder,
        env=kept | {"NO_COLOR": "1"} | dict(environment or {}),
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
    )
    if done.returncode and not may_fail:
        words = " ".join(map(str, command))
        raise Failed(f"{words}: exit code {done.returncode}\n{done.stdout}\n{done.stderr}")
    return Done(done.stdout, done.stderr, done.returncode)


def source_tree(folder: Path) -> Path:
    """Return a copy of the files that git tracks, as a release would have them."""
    listed = run(["git", "ls-files", "-z"], ROOT).stdout.split("\0")
    for name in filter(None, listed):
        source, target = ROOT / name, folder / name
        if source.is_file():
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, target)
    return folder


def wheel(tree: Path, folder: Path, *, compiler: bool) -> Path:
    """Build a wheel of a source tree; without a `compiler` it has no native extension."""
    pip = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", folder]
    run([*pip, tree], folder.parent, environment={} if compiler else {"CC": NO_COMPILER})
    (built,) = folder.glob("*.whl")
    return built


@dataclass(frozen=True, slots=True)
class Environment:
    """A virtual environment."""

    folder: Path

    @classmethod
    def made(cls, folder: Path, wheel: Path) -> Environment:
        """Return a new environment, with a wheel and all that it requires."""
        run([sys.executable, "-m", "venv", folder], folder.parent)
        found = cls(folder)
        run([found.python, "-m", "pip", "install", "--quiet", wheel], folder.parent)
        return found

    @property
    def python(self) -> Path:
        """Its interpreter."""
        return self.folder / "bin" / "python"

    @property
    def command(self) -> Path:
        """The console command."""
        return self.folder / "bin" / "mapreduce"
