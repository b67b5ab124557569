"""Build the native extension with the package where there is a C compiler; all else is in
pyproject.toml.

Without a compiler the wheel is pure Python: the same answers, more slowly.
"""

from __future__ import annotations

import os
import runpy
import shlex
import shutil
from pathlib import Path

from setuptools import Extension, setup

NATIVE = Path(__file__).parent / "mapreduce" / "native"
compiling = runpy.run_path(str(NATIVE / "sources.py"))


def extensions() -> list[Extension]:
    """Return the extension, or nothing where no compiler is found."""
    named = shlex.split(os.environ.get("CC", ""))[:1]
    if not any(map(shutil.which, named or ("cc", "gcc", "clang"))):
        return []
    files = [path for path in compiling["sources"]() if path.suffix == ".c"]
    return [
        Extension(
            "mapreduce.native.extension",
            sources=[path.relative_to(Path(__file__).parent).as_posix() for path in files],
            extra_compile_args=list(compiling["FLAGS"]),
            define_macros=[("SOURCES_DIGEST", f'"{compiling["sources_digest"]()}"')],
            optional=True,
        )
    ]


setup(ext_modules=extensions())
