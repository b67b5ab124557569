"""Import a job's packages in this process: their folder comes first on the module path.

A process that runs a job's tasks is forked for that job alone. The driver may run one job after
another: then the modules of the earlier job's packages are forgotten, or the change is refused.
"""

from __future__ import annotations

import importlib
import os
import sys
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path
from typing import ClassVar

from mapreduce.errors import JobLoadError

ONE_THREAD = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS")
"""Variables of numerical libraries. A task has one processor, a pool of threads does not survive
the fork of a task's process, and the number of threads changes the last digits of a sum."""


class _Current:
    folder: ClassVar[Path | None] = None
    kept_flag: ClassVar[bool] = False


def packages_folder() -> Path | None:
    """Return the folder of the packages of the current job."""
    return _Current.folder


def is_of_packages(file: str | Path) -> bool:
    """Return whether a file belongs to the packages of the current job."""
    folder = _Current.folder
    return folder is not None and Path(file).is_relative_to(folder)


def use_packages(folder: Path | None) -> None:
    """Import from this folder first from now on; from no such folder, with None.

    Raises:
        JobLoadError: a module that it holds is loaded from elsewhere, or modules of the earlier
            folder cannot be unloaded.
    """
    before = _Current.folder
    if folder == before:
        return
    if folder is not None:
        _check_not_loaded(folder, before)
    if before is not None:
        _forget(before)
        sys.dont_write_bytecode = _Current.kept_flag
    if folder is not None:
        sys.path.insert(0, str(folder))
        # byte code beside the sources would not be what the digest of the folder proves
        for name in ONE_THREAD:
            os.environ.setdefault(name, "1")
        _Current.kept_flag, sys.dont_write_bytecode = sys.dont_write_bytecode, True
    _Current.folder = folder
    importlib.invalidate_caches()


def top_levels(folder: Path) -> set[str]:
    """Return the names of the modules and packages in a folder."""
    names = set()
    for path in folder.iterdir():
        if path.is_dir() and path.name.isidentifier():
            names.add(path.name)
        elif path.name.endswith((".py", *EXTENSION_SUFFIXES)):
            names.add(path.name.partition(".")[0])
    return names


def _forget(folder: Path) -> None:
    """Unload the modules of a folder."""
    loaded = {
        name: str(file)
        for name, module in list(sys.modules.items())
        if (file := getattr(module, "__file__", None)) and Path(file).is_relative_to(folder)
    }
    compiled = [name for name, file in loaded.items() if file.endswith(tuple(EXTENSION_SUFFIXES))]
    if compiled:
        raise JobLoadError(
            f"this process has loaded {compiled[0].partition('.')[0]} for another job, and Python "
            "cannot load another version of it; run this job in a new process"
        )
    tops = {name.partition(".")[0] for name in loaded}
    for name in list(sys.modules):
        module = sys.modules[name]
        own = name in loaded or (
            name.partition(".")[0] in tops and getattr(module, "__file__", None) is None
        )
        if own:
            del sys.modules[name]
    sys.path[:] = [each for each in sys.path if each != str(folder)]


def _check_not_loaded(folder: Path, before: Path | None) -> None:
    """Refuse a folder with a module that is loaded, and not from the earlier job's packages."""
    for name in sorted(top_levels(folder)):
        module = sys.modules.get(name)
        file = getattr(module, "__file__", None)
        if file and not (before and Path(file).is_relative_to(before)):
            version = getattr(module, "__version__", "")
            raise JobLoadError(
                f"the job requires {name}, and this process has loaded {name} "
                f"{f'{version} ' if isinstance(version, str) and version else ''}from {file}; "
                "run the job in a new process, or with --target local"
            )
