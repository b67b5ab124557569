"""Wheels of the project, and virtual environments outside the clone that they are installed in."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.installed.pythons import ROOT, Done, Machine, ThisMachine, run

NO_COMPILER = "/nonexistent/compiler"


def source_tree(folder: Path) -> Path:
    """Return a copy of the files that git tracks or will track, as a release would have them."""
    names = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = run(names, ROOT).stdout.split("\0")
    for name in filter(None, listed):
        source, target = ROOT / name, folder / name
        if source.is_file():
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, target)
    return folder


@dataclass(frozen=True, slots=True)
class Environment:
    """A virtual environment of a Python, with the package, built with a compiler or without one."""

    folder: Path
    machine: Machine
    compiled: bool
    wheel: Path

    def run(
        self,
        command: Sequence[object],
        folder: Path,
        *,
        may_fail: bool = False,
        environment: Mapping[str, str] | None = None,
    ) -> Done:
        """Run a command where the environment is."""
        return run(
            command, folder, machine=self.machine, may_fail=may_fail, environment=environment
        )

    @property
    def python(self) -> Path:
        """Its interpreter."""
        return self.folder / "bin" / "python"

    @property
    def command(self) -> Path:
        """The console command."""
        return self.folder / "bin" / "mapreduce"

    @property
    def here(self) -> bool:
        """Whether it is of this machine's Python."""
        return isinstance(self.machine, ThisMachine)


def installed(tree: Path, folder: Path, machine: Machine, *, compiled: bool) -> Environment:
    """Return an environment with a wheel that was built there; without a compiler it is pure.

    An environment that is there already keeps the required packages and gets the new wheel.
    """
    wheels = folder / ("compiled" if compiled else "pure")
    shutil.rmtree(wheels, ignore_errors=True)
    wheels.mkdir(parents=True)
    environment = folder / "environment"
    pip = [environment / "bin" / "python", "-m", "pip"]
    complete = folder / "complete"
    if not complete.exists():
        shutil.rmtree(environment, ignore_errors=True)
        run([machine.python, "-m", "venv", environment], folder, machine=machine)
    run(
        [*pip, "wheel", "--quiet", "--no-deps", "--wheel-dir", wheels, tree],
        folder,
        machine=machine,
        environment={} if compiled else {"CC": NO_COMPILER},
    )
    (wheel,) = wheels.glob("*.whl")
    again = ["--force-reinstall", "--no-deps"] if complete.exists() else []
    run([*pip, "install", "--quiet", *again, wheel], folder, machine=machine)
    complete.touch()
    return Environment(environment, machine, compiled, wheel)
