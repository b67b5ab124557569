"""Where the job's own code is called: what it raises is shown as its author needs it, with frames and record."""

from __future__ import annotations

import importlib
import os
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType

from mapreduce.encoding import NotCarriable
from mapreduce.errors import MapReduceError, UserCodeError

RECORD_LIMIT = 200
_ROOT = Path(__file__).resolve().parent.parent.parent
_OURS = tuple(f"{_ROOT / room}{os.sep}" for room in ("mapreduce", "services", "driver"))
_MACHINERY = ("<frozen importlib", f"{Path(importlib.__file__).parent}{os.sep}")


class Place:
    """What the job's code is working on now; the engine sets it, an error reads it."""

    __slots__ = ("name_of_key", "offset", "record", "step", "url")

    def __init__(self, step: str) -> None:
        self.step = step
        self.url = ""
        self.name_of_key = "byte"
        self.offset: object = None
        self.record: object = None

    def __str__(self) -> str:
        if not self.url:
            return ""
        return self.url if self.offset is None else f"{self.url} at {self.name_of_key} {self.offset}"


@contextmanager
def user_code(place: Place) -> Iterator[None]:
    """Turns what the job's code raises into a `UserCodeError` that says where; lets our own errors pass.

    Raises:
        UserCodeError: from anything else that comes out of the block, but for the system's errors in the engine's own
            reading and writing.
    """
    try:
        yield
    except UserCodeError as exc:
        exc.place = exc.place or str(place)
        exc.record = exc.record or _record(place)
        raise
    except (MapReduceError, MemoryError):
        raise
    except Exception as exc:
        if isinstance(exc, OSError) and not user_frames(exc.__traceback__):
            raise  # the machine's: a full disk under what the engine writes
        raise as_user_error(exc, place) from exc


def as_user_error(exc: Exception, place: Place) -> UserCodeError:
    """What the author is shown of an exception: the cause in a line, their own frames, and the record."""
    frames = user_frames(exc.__traceback__)
    if isinstance(exc, NotCarriable):
        message = f"{place.step} yielded something that cannot be carried: {exc}"
    elif not frames and isinstance(exc, TypeError | ValueError):
        message = f"{place.step} yielded what is no (key, value) pair, or a value that cannot be used: {exc}"
    else:
        message = f"{place.step} raised {type(exc).__name__}: {exc}"
    shown = "".join([*traceback.format_list(frames), *traceback.format_exception_only(exc)]) if frames else ""
    return UserCodeError(_cut(message, 2000), traceback=shown, place=str(place), record=_record(place))


def _record(place: Place) -> str:
    return "" if place.record is None else _cut(repr(place.record))


def user_frames(trace: TracebackType | None) -> list[traceback.FrameSummary]:
    """The frames of a traceback from the first that is not the engine's own on, without the import machinery's."""
    frames = [frame for frame in traceback.extract_tb(trace) if not frame.filename.startswith(_MACHINERY)]
    for at, frame in enumerate(frames):
        if not frame.filename.startswith(_OURS):
            return frames[at:]
    return []


def _cut(text: str, limit: int = RECORD_LIMIT) -> str:
    return text if len(text) <= limit else f"{text[:limit]}... ({len(text)} characters)"
