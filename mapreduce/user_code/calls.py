"""Call the job's code, and report its errors with the author's frames and the record.

An error of the engine or of the machine is never reported as the job's.
"""

from __future__ import annotations

import dis
import os
import re
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
_UNPACKED = re.compile(r"/jobs/[0-9a-f]{64}/")
"""The folder of a job's code where a task runs."""
_ROOTS = tuple({path.parents[2] for path in (Path(__file__), Path(__file__).resolve())})
"""The folder of our packages: as the import names it, so do its frames, and without links."""
_OURS = tuple(
    f"{root / folder}{os.sep}" for root in _ROOTS for folder in ("mapreduce", "services", "driver")
)
_FOR_AUTHORS = tuple(
    str(root / "mapreduce" / name)
    for root in _ROOTS
    for name in (
        *"aggregate.py aggregations batch.py job.py".split(),
        *"code/only_packed.py user_code/parameters.py word_counts.py words.py".split(),
    )
)
"""Our modules that a job calls: their errors are about the author's call."""
_PYTHON = tuple({f"{sysconfig.get_path(name)}{os.sep}" for name in ("stdlib", "platstdlib")})
_PACKAGES = ("site-packages", "dist-packages")
_DEPENDENCIES = frozenset(
    "backports duckdb fsspec msgspec nanoarrow obstore pydantic pydantic_core regex xxhash".split()
)
"""Packages that the engine calls. Any other installed package counts as the job's."""
_MACHINERY = (
    "<frozen importlib",
    f"{sysconfig.get_path('stdlib')}{os.sep}importlib{os.sep}",
    *(str(root / "mapreduce" / "code" / "from_source.py") for root in _ROOTS),
)
_USED_AS_A_LIST = re.compile(
    r"'(?:generator|itertools\.\w+|[\w.]*[Ii]terator)' (?:object )?"
    r"(?:has no len\(\)|is not subscriptable|is not reversible)"
)
_RAISE = dis.opmap["RAISE_VARARGS"]

Owner = Literal["author", "engine", "either"]


class Place:
    """The step and record that the job's code is processing; the engine sets it, errors read it."""

    __slots__ = ("name_of_key", "offset", "record", "step", "url")

    def __init__(self, step: str, record: object = None) -> None:
        self.step = step
        self.url = ""
        self.name_of_key = "byte"
        self.offset: object = None
        self.record = record

    @property
    def byte(self) -> int | None:
        """The byte at which the record begins, or None if its key is not an offset."""
        is_offset = self.name_of_key == "byte" and type(self.offset) is int
        return self.offset if is_offset else None  # type: ignore[return-value]

    def __str__(self) -> str:
        if not self.url or self.offset is None:
            return self.url
        return f"{self.url} at {self.name_of_key} {self.offset}"


@contextmanager
def user_code(place: Place) -> Iterator[None]:
    """Turn an error of the job's code into a `UserCodeError` with its place; pass all other errors.

    Raises:
        UserCodeError: the job's code raised, or returned an unusable value.
    """
    try:
        yield
    except BaseException as exc:
        told = told_as(exc, place)
        if told is exc:
            raise
        raise told from exc


def told_as(exc: BaseException, place: Place) -> BaseException:
    """Return the error to raise for one from a call of the job's code: a `UserCodeError`, or
    itself.
    """
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
        exc = exc.__cause__  # it passed a generator of the engine, which wrapped it (PEP 479)
    return as_user_error(exc, place) if is_authors(exc) else exc


def is_authors(exc: BaseException) -> bool:
    """Return whether the job's code raised an exception, or called the code that raised it.

    The innermost frame that is the engine's or the author's decides: a failed read of `values` lies
    below a frame of the author's and is still not their error.
    """
    innermost: TracebackType | None = None
    trace = exc.__traceback__
    while trace is not None:
        if _owner(trace.tb_frame.f_code.co_filename) != "either":
            innermost = trace
        trace = trace.tb_next
    if innermost is None or _owner(innermost.tb_frame.f_code.co_filename) == "engine":
        return False
    # Ctrl-C arrives anywhere; a KeyboardInterrupt of the job comes from a `raise` statement
    if isinstance(exc, KeyboardInterrupt):
        return (
            innermost.tb_next is None
            and innermost.tb_frame.f_code.co_code[innermost.tb_lasti] == _RAISE
        )
    return True


def as_user_error(exc: BaseException, place: Place) -> UserCodeError:
    """Return the author's view of an exception: the cause in a line, their frames, the record."""
    message = _printable(_cut(_message(exc, place), _MESSAGE_LIMIT))
    return UserCodeError(
        message,
        traceback=_printable(users_traceback(exc)),
        place=_printable(str(place)),
        record=_record(place),
        url=_printable(place.url),
        offset=place.byte,
    )


def _message(exc: BaseException, place: Place) -> str:
    of_a_key = not place.url and place.record is not None
    group = f" (for the key {_cut(repr(place.record))})" if of_a_key else ""
    if isinstance(exc, NotCarriable):
        return f"{place.step} yielded something that cannot be carried: {exc}{group}"
    if isinstance(exc, NotAPair):
        return f"{place.step} {exc}{group}"
    if isinstance(exc, NotAggregable):
        if not place.url:
            return f"{exc}{group}"
        return f"{place.step} yielded a value that cannot be aggregated: {exc}"
    if isinstance(exc, SystemExit):
        return (
            f"{place.step} ended the process with exit({'' if exc.code is None else repr(exc.code)}"
            "); a job may not call exit(), quit() or sys.exit(): return to continue, raise an "
            "exception to fail"
        )
    if isinstance(exc, StopIteration):
        return (
            f"{place.step} raised StopIteration: next() found no value; "
            "give it a default, as in next(values, None)"
        )
    said = f"{place.step} raised {type(exc).__name__}: {text_of(exc)}".removesuffix(": ")
    return f"{said}{_way_out(exc, said)}{_of_values(exc, place)}"


def _way_out(exc: BaseException, said: str) -> str:
    """Return what to write where the job's code misses a module or a file, or ""."""
    if "travel" in said:  # the message has it
        return ""
    if isinstance(exc, ModuleNotFoundError) and exc.name:
        top = exc.name.partition(".")[0]
        return (
            f"; a package is named by `requirements = [{top!r}]`, and a module beside the job "
            f"travels with it if its file has `import {exc.name}`"
        )
    if isinstance(exc, FileNotFoundError) and _UNPACKED.search(str(exc.filename)):
        return "; a file beside the job travels with it if `files` names it"
    return ""


def _of_values(exc: BaseException, place: Place) -> str:
    """Return what to write where a job takes the values of a key for a list, or ""."""
    takes_values = place.step in ("reduce", "combine") and isinstance(exc, TypeError)
    if not takes_values or not _USED_AS_A_LIST.search(text_of(exc)):
        return ""
    return "; `values` is an iterator, which is read once: write `values = list(values)` first"


def text_of(exc: BaseException) -> str:
    """Return the text of an exception, even if its `__str__` raises."""
    try:
        return str(exc)
    except Exception as failed:  # noqa: BLE001 - the author's code may raise anything
        return f"<its text raises {type(failed).__name__}>"


def _record(place: Place) -> str:
    return "" if place.record is None else _printable(_cut(repr(place.record)))


def users_traceback(exc: BaseException) -> str:
    """Return an exception's traceback as Python prints it, from the author's first frame on."""
    frames = user_frames(exc.__traceback__)
    if not frames:
        return ""
    return "".join([*traceback.format_list(frames), *traceback.format_exception_only(exc)])


def user_frames(
    trace: TracebackType | None, *, without_ours: bool = False
) -> list[traceback.FrameSummary]:
    """Return the frames of a traceback from the author's first one on, without the import
    machinery's.

    Frames of what the engine called, also in Python's library, are left out; frames of what the
    author called are kept.

    Args:
        trace: the traceback.
        without_ours: leave out our frames below the author's.
    """
    frames = [
        frame for frame in traceback.extract_tb(trace) if not frame.filename.startswith(_MACHINERY)
    ]
    for at, frame in enumerate(frames):
        if _owner(frame.filename) == "author":
            left_out = _OURS if without_ours else ()
            return [each for each in frames[at:] if not each.filename.startswith(left_out)]
    return []


def _owner(filename: str) -> Owner:
    if filename.startswith(_OURS):
        return "either" if filename.startswith(_FOR_AUTHORS) else "engine"
    if filename.startswith("<frozen "):
        return "either"
    steps = Path(filename).parts
    for packages in _PACKAGES:
        if packages in steps:
            name = steps[steps.index(packages) + 1].removesuffix(".py")
            return "either" if name in _DEPENDENCIES else "author"
    return "either" if filename.startswith(_PYTHON) else "author"


def _printable(text: str) -> str:
    """Return text that UTF-8 can encode: half a surrogate would break the message about it."""
    return text.encode("utf-8", "backslashreplace").decode()


def _cut(text: str, limit: int = RECORD_LIMIT) -> str:
    return text if len(text) <= limit else f"{text[:limit]}... ({len(text)} characters)"
