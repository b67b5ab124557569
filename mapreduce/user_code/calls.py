"""Call the job's own code: what it raises is shown as its author needs it, with their frames and the record.

An error of the engine or of the machine is never shown as the job's.
"""

from __future__ import annotations

import dis
import os
import sysconfig
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Literal

from mapreduce.aggregate import NotAggregable
from mapreduce.encoding import NotCarriable
from mapreduce.errors import MapReduceError, UserCodeError
from mapreduce.user_code.yielded import NotAPair, RaisedOutsidePython

RECORD_LIMIT = 200
_MESSAGE_LIMIT = 2000
_ROOT = Path(__file__).resolve().parent.parent.parent
_OURS = tuple(f"{_ROOT / folder}{os.sep}" for folder in ("mapreduce", "services", "driver"))
_FOR_AUTHORS = tuple(
    str(_ROOT / "mapreduce" / name)
    for name in (
        "aggregate.py",
        "batch.py",
        "job.py",
        "parameters.py",
        "word_counts.py",
        "words.py",
    )
)
"""Files of ours that a job calls: what they raise is about the call."""
_PYTHON = tuple({f"{sysconfig.get_path(name)}{os.sep}" for name in ("stdlib", "platstdlib")})
_PACKAGES = ("site-packages", "dist-packages")
_DEPENDENCIES = frozenset(
    (
        "backports",
        "duckdb",
        "fsspec",
        "msgspec",
        "nanoarrow",
        "obstore",
        "pydantic",
        "pydantic_core",
        "regex",
        "xxhash",
    )
)
"""Packages that the engine calls. Any other installed package is the job's."""
_MACHINERY = ("<frozen importlib", f"{sysconfig.get_path('stdlib')}{os.sep}importlib{os.sep}")
_RAISE = dis.opmap["RAISE_VARARGS"]

Owner = Literal["author", "engine", "either"]


class Place:
    """What the job's code is working on now; the engine sets it, an error reads it."""

    __slots__ = ("name_of_key", "offset", "record", "step", "url")

    def __init__(self, step: str, record: object = None) -> None:
        self.step = step
        self.url = ""
        self.name_of_key = "byte"
        self.offset: object = None
        self.record = record

    @property
    def byte(self) -> int | None:
        """The byte at which the record begins; None where its key is no offset."""
        is_offset = self.name_of_key == "byte" and type(self.offset) is int
        return self.offset if is_offset else None  # type: ignore[return-value]

    def __str__(self) -> str:
        if not self.url:
            return ""
        return (
            self.url if self.offset is None else f"{self.url} at {self.name_of_key} {self.offset}"
        )


@contextmanager
def user_code(place: Place) -> Iterator[None]:
    """Turn what the job's code raises into a `UserCodeError` that says where; let all other errors pass.

    Raises:
        UserCodeError: the job's code raised, or gave what cannot be used.
    """
    try:
        yield
    except BaseException as exc:
        told = told_as(exc, place)
        if told is exc:
            raise
        raise told from exc


def told_as(exc: BaseException, place: Place) -> BaseException:
    """Return the error to raise for one that came out of a call of the job's code: a `UserCodeError`, or itself."""
    if isinstance(exc, UserCodeError):
        exc.place = exc.place or str(place)
        exc.record = exc.record or _record(place)
        if not exc.url:
            exc.url, exc.offset = _printable(place.url), place.byte
        return exc
    if isinstance(exc, MapReduceError | MemoryError):
        return exc
    if isinstance(exc, RaisedOutsidePython):
        return as_user_error(exc.cause, place)
    if isinstance(exc, NotCarriable | NotAPair | NotAggregable):
        return as_user_error(exc, place)
    if (
        isinstance(exc, RuntimeError)
        and isinstance(exc.__cause__, StopIteration)
        and not is_authors(exc)
    ):
        exc = exc.__cause__  # a generator of the engine's was in between
    return as_user_error(exc, place) if is_authors(exc) else exc


def is_authors(exc: BaseException) -> bool:
    """True when the job's code raised an exception, or called what raised it; False when the engine did, or a signal.

    The innermost frame that is the engine's or the author's decides: `values` that cannot be read fail below a frame
    of the author's, and are still not their fault.
    """
    innermost: TracebackType | None = None
    trace = exc.__traceback__
    while trace is not None:
        if _owner(trace.tb_frame.f_code.co_filename) != "either":
            innermost = trace
        trace = trace.tb_next
    if innermost is None or _owner(innermost.tb_frame.f_code.co_filename) == "engine":
        return False
    if isinstance(
        exc, KeyboardInterrupt
    ):  # Ctrl-C arrives anywhere; a job's own is raised by a statement
        return (
            innermost.tb_next is None
            and innermost.tb_frame.f_code.co_code[innermost.tb_lasti] == _RAISE
        )
    return True


def as_user_error(exc: BaseException, place: Place) -> UserCodeError:
    """Return what the author is shown of an exception: the cause in a line, their own frames, and the record."""
    frames = user_frames(exc.__traceback__)
    shown = (
        "".join([*traceback.format_list(frames), *traceback.format_exception_only(exc)])
        if frames
        else ""
    )
    message = _printable(_cut(_message(exc, place), _MESSAGE_LIMIT))
    return UserCodeError(
        message,
        traceback=_printable(shown),
        place=_printable(str(place)),
        record=_record(place),
        url=_printable(place.url),
        offset=place.byte,
    )


def _message(exc: BaseException, place: Place) -> str:
    group = (
        "" if place.url or place.record is None else f" (for the key {_cut(repr(place.record))})"
    )
    if isinstance(exc, NotCarriable):
        return f"{place.step} yielded something that cannot be carried: {exc}{group}"
    if isinstance(exc, NotAPair):
        return f"{place.step} {exc}{group}"
    if isinstance(exc, NotAggregable):
        return (
            f"{place.step} yielded what cannot be aggregated: {exc}"
            if place.url
            else f"{exc}{group}"
        )
    if isinstance(exc, SystemExit):
        return (
            f"{place.step} ended the process with exit({'' if exc.code is None else repr(exc.code)}); a job may not "
            "call exit(), quit() or sys.exit(): return to go on, raise an exception to fail"
        )
    if isinstance(exc, StopIteration):
        return f"{place.step} raised StopIteration: next() found no value; give it a default, as in next(values, None)"
    return f"{place.step} raised {type(exc).__name__}: {text_of(exc)}".removesuffix(": ")


def text_of(exc: BaseException) -> str:
    """Return the words of an exception, whatever its author's `__str__` does."""
    try:
        return str(exc)
    except Exception as failed:  # noqa: BLE001 - the author's code may raise anything
        return f"<its text raises {type(failed).__name__}>"


def _record(place: Place) -> str:
    return "" if place.record is None else _printable(_cut(repr(place.record)))


def user_frames(
    trace: TracebackType | None, *, without_ours: bool = False
) -> list[traceback.FrameSummary]:
    """Return the frames of a traceback from the author's first one on, without those of the import machinery.

    What the engine called itself, also of Python's library, is not among them; what the author called is.

    Args:
        trace: the traceback.
        without_ours: leave out the frames of ours that the author called.
    """
    frames = [
        frame for frame in traceback.extract_tb(trace) if not frame.filename.startswith(_MACHINERY)
    ]
    for at, frame in enumerate(frames):
        if _owner(frame.filename) == "author":
            shown = frames[at:]
            return (
                [each for each in shown if not each.filename.startswith(_OURS)]
                if without_ours
                else shown
            )
    return []


def _owner(filename: str) -> Owner:
    if filename.startswith(_OURS):
        return "either" if filename in _FOR_AUTHORS else "engine"
    if filename.startswith("<frozen "):
        return "either"
    steps = Path(filename).parts
    for packages in _PACKAGES:
        if packages in steps:
            name = steps[steps.index(packages) + 1].removesuffix(".py")
            return "either" if name in _DEPENDENCIES else "author"
    return "either" if filename.startswith(_PYTHON) else "author"


def _printable(text: str) -> str:
    """Return text that UTF-8 can carry: half a surrogate would break the message that tells of it."""
    return text.encode("utf-8", "backslashreplace").decode()


def _cut(text: str, limit: int = RECORD_LIMIT) -> str:
    return text if len(text) <= limit else f"{text[:limit]}... ({len(text)} characters)"
