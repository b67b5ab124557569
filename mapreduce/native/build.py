"""Build the extension from its C files, beside them, with the compiler that this machine has.

A user's build only warns: a compiler that these files have not seen may warn of something new, and
must not leave the user without the extension. The checks (`make check`, the tests, `make sanitize`
and `make fuzz`) build with `STRICT`.
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path

from mapreduce.native.sources import FLAGS, FOLDER, sources, sources_digest
from mapreduce.system.operating_system import LINK_OPTIONS

COMPILERS = ("cc", "gcc", "clang")
STRICT = "-Werror"


class NotBuilt(Exception):
    """The extension cannot be built here; says why, and what to do."""


def build(*more: str) -> Path:
    """Compile, try to load what came out, and put it in its place.

    Args:
        more: arguments of the compiler beside the usual ones.

    Returns:
        The built module.

    Raises:
        NotBuilt: there is no compiler, no `Python.h`, or the compiler fails.
    """
    target = FOLDER / f"extension{sysconfig.get_config_var('EXT_SUFFIX')}"
    command = compile_command(*more)
    with tempfile.TemporaryDirectory(dir=FOLDER, prefix=".building-") as folder:
        built = Path(folder) / target.name
        run([*command, "-o", str(built)], "the compiler failed")
        run([sys.executable, "-c", _LOAD, str(built)], "what the compiler made cannot be loaded")
        built.replace(target)
    return target


def compile_command(*more: str) -> list[str]:
    """Return the compiler and its arguments, `more` among them, without the output's name."""
    compiler = shlex.split(os.environ.get("CC", "")) or _found_compiler()
    include = sysconfig.get_paths()["include"]
    if not (Path(include) / "Python.h").is_file():
        raise NotBuilt(
            f"there is no Python.h in {include}; install Python's headers (Debian: python3-dev)"
        )
    files = [str(path) for path in sources() if path.suffix == ".c"]
    digest = f'-DSOURCES_DIGEST="{sources_digest()}"'
    return [*compiler, *FLAGS, *more, *LINK_OPTIONS, f"-I{include}", digest, *files]


_LOAD = """
import importlib.util, sys
spec = importlib.util.spec_from_file_location("extension", sys.argv[1])
module = importlib.util.module_from_spec(spec)
spec.loader.exec_module(module)
module.WordCounts().add(b"word")
"""


def _found_compiler() -> list[str]:
    for name in COMPILERS:
        if path := shutil.which(name):
            return [path]
    raise NotBuilt(
        f"there is no C compiler here ({', '.join(COMPILERS)}); install one, or name it in CC"
    )


def run(command: list[str], failed: str) -> None:
    """Run a command; raises `NotBuilt` with its messages behind `failed`."""
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, errors="replace", check=False
        )
    except OSError as exc:
        raise NotBuilt(f"{command[0]} cannot be run: {exc}") from exc
    if done.returncode:
        raise NotBuilt(f"{failed}:\n{done.stderr.strip()}")
