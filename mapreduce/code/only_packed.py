"""Let a job that runs from its own folder use only the files that travel with it.

A run in the driver's process imports the job's own file, where the author's breakpoints are. Beside
it lies more than a task elsewhere will find: a module that no import statement names, or a data
file. Here they are as absent as there, and the message says what to write.
"""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from types import FrameType, ModuleType
from typing import Any, ClassVar

from mapreduce.code.modules import INSTALLED, PROGRAM_FOLDER
from mapreduce.code.reserved import is_reserved
from mapreduce.packages import is_of_packages

_SOURCES = (".py", ".pyc")


@contextmanager
def only_packed(root: Path, files: Collection[Path]) -> Iterator[None]:
    """Hide from a job what lies in its folder and does not travel with it.

    Args:
        root: the folder of its code.
        files: the files that travel.
    """
    _Packed.root = root.resolve()
    _Packed.files = frozenset(path.resolve() for path in files)
    _Packed.names = frozenset(str(path) for path in {*files, *_Packed.files})
    sys.meta_path.insert(0, _Packed)
    _hook()
    _Packed.active = True
    try:
        yield
    finally:
        _Packed.active = False
        sys.meta_path.remove(_Packed)


@contextmanager
def opened_beside(root: Path) -> Iterator[set[Path]]:
    """Note the files below a job's folder that its code opens while it is imported.

    Its tasks import it elsewhere, where a file that does not travel is missing, or is another.
    """
    _Noted.root, _Noted.files = root.resolve(), set()
    _hook()
    _Noted.active = True
    try:
        yield _Noted.files
    finally:
        _Noted.active = False


class _Noted:
    """What `opened_beside` notes."""

    active: ClassVar[bool] = False
    root: ClassVar[Path] = Path()
    files: ClassVar[set[Path]] = set()


def _note(path: Path) -> None:
    if not _is_below(path, _Noted.root) or not path.is_file():
        return
    # a look for the plug-ins of every package, which other packages take when they are imported
    if path.name == "entry_points.txt" and path.parent.suffix == ".dist-info":
        return
    frame: FrameType | None = sys._getframe(2)
    while frame is not None and not frame.f_code.co_filename.startswith(f"{PROGRAM_FOLDER}/"):
        if _is_below(Path(frame.f_code.co_filename), _Noted.root):
            _Noted.files.add(path)
            return
        frame = frame.f_back


def _hook() -> None:
    if not _Packed.hooked:  # a hook of Python's cannot be removed
        sys.addaudithook(_look)
        _Packed.hooked = True


class _Packed:
    """The job, and a finder that refuses its other modules."""

    active: ClassVar[bool] = False
    hooked: ClassVar[bool] = False
    root: ClassVar[Path] = Path()
    files: ClassVar[frozenset[Path]] = frozenset()
    names: ClassVar[frozenset[str]] = frozenset()
    """The files as frames name them."""

    @classmethod
    def find_spec(
        cls, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Raise for a module that does not travel; find none.

        Raises:
            ModuleNotFoundError: says what to do.
        """
        if is_reserved(name.partition(".")[0]):
            return None
        places = [str(cls.root)] if path is None else [each for each in path if _is_own(Path(each))]
        spec = PathFinder.find_spec(name, places, target) if places else None
        origin = Path(spec.origin).resolve() if spec and spec.has_location and spec.origin else None
        if origin is not None and _is_own(origin) and origin not in cls.files:
            raise ModuleNotFoundError(
                f"{origin} lies beside the job and does not travel with it, as no import names it; "
                f"write `import {name}` in the job's file",
                name=name,
            )
        return None


def _is_own(path: Path) -> bool:
    """Return whether a path lies in the job's folder and not in an environment below it."""
    return _is_below(path, _Packed.root)


def _is_below(path: Path, root: Path) -> bool:
    return (
        path.is_relative_to(root)
        and not INSTALLED & set(path.parts)
        and not path.is_relative_to(PROGRAM_FOLDER)
        and not is_of_packages(path)
    )


def _look(event: str, arguments: tuple[Any, ...]) -> None:
    """Refuse that the job's code opens a file beside it that does not travel."""
    if event != "open" or not (_Packed.active or _Noted.active):
        return
    name = arguments[0]
    if not isinstance(name, str) or name.endswith(_SOURCES):
        return
    # without a look at the disk: this hook sees every file that is opened
    path = Path(os.path.abspath(name))  # noqa: PTH100
    if _Noted.active:
        _note(path)
        return
    if not _is_own(path) or path in _Packed.files or not path.is_file():
        return
    if path.resolve() not in _Packed.files and _is_by_the_job(sys._getframe(1)):
        raise FileNotFoundError(
            errno.ENOENT,
            "does not travel with the job; name it in `files` and open `self.path(name)`",
            name,
        )


def _is_by_the_job(frame: FrameType | None) -> bool:
    """Return whether the job's code is nearer on the stack than the engine's."""
    program = f"{PROGRAM_FOLDER}/"
    while frame is not None:
        file = frame.f_code.co_filename
        if file in _Packed.names:
            return True
        if file.startswith(program):
            return False
        frame = frame.f_back
    return False
