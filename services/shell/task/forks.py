"""What happens when a job's own code forks: the copy runs that code, and ends where it would come back into ours.

Else two processes would go on with one task: write the same files, and answer twice. A process of `multiprocessing`
never comes back, so it is left alone; so is one that `subprocess` starts.
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
"""Exit code of a copy that is ended here (EX_SOFTWARE)."""
_ROOT = Path(mapreduce.__file__).parent
_OURS = (
    *(f"{_ROOT / room}{os.sep}" for room in ("engine", "formats", "storage")),
    f"{_ROOT / 'code'}{os.sep}",
    f"{Path(__file__).parents[1]}{os.sep}",
)
_LEFT_ALONE = (*_OURS, f"{Path(multiprocessing.__file__).parent}{os.sep}")

_guarded: set[int] = set()


def guard_forks() -> None:
    """End each copy of this process, and of its own copies, that a job's code makes and lets come back to ours."""
    if not _guarded:  # a hook cannot be taken out again, and a copy has it already
        _guarded.add(os.getpid())
        os.register_at_fork(after_in_child=_after_fork)


def _after_fork() -> None:
    """Have the interpreter look at each line of ours and each call into ours from now on, as a debugger does."""
    frame = sys._getframe().f_back
    if frame is None or _is_in(frame, _LEFT_ALONE):
        return
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
