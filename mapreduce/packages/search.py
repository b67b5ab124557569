"""Import a job's packages in this process: their folder comes first on the module path.

A process that runs a job's tasks is forked for that job alone. The driver may run one job after
another: then the modules of the earlier job's packages are forgotten, or the next job is refused.
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
        JobLoadError: a module that it holds is loaded from elsewhere: Python would go on with it.
    """
    if folder == _Current.folder:
        return
    if _Current.folder is not None:
        _forget(_Current.folder)
        sys.dont_write_bytecode = _Current.kept_flag
        _Current.folder = None
    if folder is not None:
        _check_not_loaded(folder)
        sys.path.insert(0, str(folder))
        use_one_thread()
        # byte code beside the sources would not be what the digest of the folder proves
        _Current.kept_flag, sys.dont_write_bytecode = sys.dont_write_bytecode, True
        _Current.folder = folder
    importlib.invalidate_caches()


def use_one_thread() -> None:
    """Let numerical libraries that are imported from now on start no threads, unless the
    environment says how many.
    """
    for name in ONE_THREAD:
        os.environ.setdefault(name, "1")


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
    """Unload what was imported from a folder, and search it no more.

    A package with a compiled module stays loaded, because that cannot be loaded twice: the next job
    that holds another version of it is refused.
    """
    sys.path[:] = [each for each in sys.path if each != str(folder)]
    loaded = {
        name: str(file)
        for name, module in list(sys.modules.items())
        if (file := getattr(module, "__file__", None)) and Path(file).is_relative_to(folder)
    }
    compiled = {
        name.partition(".")[0]
        for name, file in loaded.items()
        if file.endswith(tuple(EXTENSION_SUFFIXES))
    }
    tops = {name.partition(".")[0] for name in loaded} - compiled
    for name in [name for name in sys.modules if name.partition(".")[0] in tops]:
        if name in loaded or getattr(sys.modules[name], "__file__", None) is None:
            del sys.modules[name]


def _check_not_loaded(folder: Path) -> None:
    """Refuse a folder that holds a module which is loaded from elsewhere."""
    for name in sorted(top_levels(folder)):
        module = sys.modules.get(name)
        file = getattr(module, "__file__", None)
        if file and not Path(file).is_relative_to(folder):
            version = getattr(module, "__version__", "")
            raise JobLoadError(
                f"the job requires {name}, and this process has loaded {name} "
                f"{f'{version} ' if isinstance(version, str) and version else ''}from {file}; "
                "run the job in a new process"
            )
