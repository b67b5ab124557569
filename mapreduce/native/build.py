"""Builds the kernel from its C files, beside them, with the compiler that this machine has."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path

from mapreduce.native import FOLDER, sources, sources_digest

COMPILERS = ("cc", "gcc", "clang")


class NotBuilt(Exception):
    """The kernel cannot be built here; says why, and what to do."""


def build() -> Path:
    """Compiles, tries to load what came out, and puts it in its place.

    Returns:
        The built module.

    Raises:
        NotBuilt: there is no compiler, no `Python.h`, or the compiler fails.
    """
    target = FOLDER / f"kernel{sysconfig.get_config_var('EXT_SUFFIX')}"
    command = compile_command()
    with tempfile.TemporaryDirectory(dir=FOLDER, prefix=".building-") as folder:
        built = Path(folder) / target.name
        _run([*command, "-o", str(built)], "the compiler failed")
        _run([sys.executable, "-c", _LOAD, str(built)], "what the compiler made cannot be loaded")
        built.replace(target)
    return target


def compile_command() -> list[str]:
    """The compiler and its arguments, without the output's name."""
    compiler = shlex.split(os.environ.get("CC", "")) or _found_compiler()
    include = sysconfig.get_paths()["include"]
    if not (Path(include) / "Python.h").is_file():
        raise NotBuilt(
            f"there is no Python.h in {include}; install Python's headers (Debian: python3-dev)"
        )
    link = ["-bundle", "-undefined", "dynamic_lookup"] if sys.platform == "darwin" else ["-shared"]
    files = [str(path) for path in sources() if path.suffix == ".c"]
    digest = f'-DSOURCES_DIGEST="{sources_digest()}"'
    return [
        *compiler,
        "-std=c11",
        "-O3",
        "-fPIC",
        "-Wall",
        "-Wextra",
        *link,
        f"-I{include}",
        digest,
        *files,
    ]


_LOAD = """
import importlib.util, sys
spec = importlib.util.spec_from_file_location("kernel", sys.argv[1])
importlib.util.module_from_spec(spec).WordCounts().add(b"word")
"""


def _found_compiler() -> list[str]:
    for name in COMPILERS:
        if path := shutil.which(name):
            return [path]
    raise NotBuilt(
        f"there is no C compiler here ({', '.join(COMPILERS)}); install one, or name it in CC"
    )


def _run(command: list[str], failed: str) -> None:
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, errors="replace", check=False
        )
    except OSError as exc:
        raise NotBuilt(f"{command[0]} cannot be run: {exc}") from exc
    if done.returncode:
        raise NotBuilt(f"{failed}:\n{done.stderr.strip()}")
