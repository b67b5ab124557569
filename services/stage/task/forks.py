"""Guard against forks by a job's code: the child runs that code, and ends where it would return to
ours.

Otherwise two processes would continue one task: write the same files, and answer twice. A child of
`multiprocessing` never returns, so it is left alone; so is one of `subprocess`.
"""

from __future__ import annotations

import multiprocessing
import os
import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

import mapreduce

ENDED = 70
"""Exit code of a child that is ended here (EX_SOFTWARE)."""
_ROOT = Path(mapreduce.__file__).parent
_OURS = (
    *(f"{_ROOT / folder}{os.sep}" for folder in ("engine", "formats", "storage")),
    f"{_ROOT / 'code'}{os.sep}",
    f"{Path(__file__).parents[1]}{os.sep}",
)
_LEFT_ALONE = (*_OURS, f"{Path(multiprocessing.__file__).parent}{os.sep}")

_guarded: set[int] = set()


def guard_forks() -> None:
    """End each fork of this process, and their forks, that a job's code makes and lets return to
    ours.
    """
    if not _guarded:  # a hook cannot be removed, and a fork inherits it
        _guarded.add(os.getpid())
        os.register_at_fork(after_in_child=_after_fork)


def _after_fork() -> None:
    """Trace our frames and every call into our code from now on, as a debugger does."""
    frame = sys._getframe().f_back
    if frame is None or _is_in(frame, _LEFT_ALONE):
        return
    # two ways back into our code: a return to one of the frames on the stack, where `_end` runs at
    # the next line, and a new call, which `_called` sees
    while frame is not None:
        if _is_in(frame, _OURS):
            frame.f_trace = _end
        frame = frame.f_back
    sys.settrace(_called)


def _called(frame: FrameType, event: str, arg: Any) -> Callable[..., Any] | None:
    if _is_in(frame, _OURS):
        os._exit(ENDED)
    return None


def _end(frame: FrameType, event: str, arg: Any) -> None:
    os._exit(ENDED)


def _is_in(frame: FrameType, places: tuple[str, ...]) -> bool:
    return frame.f_code.co_filename.startswith(places)
