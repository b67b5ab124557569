"""The base of an author's own input format: from the bytes of a file to records."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any, BinaryIO

from mapreduce.errors import JobLoadError


class InputFormat:
    """Base of an author's input format, which writes `read`, and perhaps `read_range`.

    An instance is the `input_format` of a job: `input_format = MyFormat(width=3)`. Its attributes
    are its options: texts, numbers, None, and lists, tuples and dicts of these. They belong to the
    key of a task, so a change of one is never answered from an earlier run. Attributes whose names
    begin with an underscore do not; build what follows from the options there.

    `mapreduce.testing.check_format` tests an own format.
    """

    def read(self, file: BinaryIO, /) -> Iterable[tuple[Any, Any]]:
        """Yield (key, value) of each record of a file: the arguments of `map`.

        Args:
            file: the file from its first byte, unpacked if it is compressed. It can be read once,
                and not be searched.
        """
        raise NotImplementedError

    def read_range(self, file: BinaryIO, start: int, end: int, /) -> Iterable[tuple[Any, Any]]:
        """Yield the records whose first byte lies in [start, end), with the keys that `read` gives.

        A format with this method is cut into splits; without it, one task reads a file. Compressed
        files are never cut.

        Args:
            file: the file, at its first byte; `seek` reads on from anywhere.
            start: the first byte of the range.
            end: the byte after its last.
        """
        raise NotImplementedError


def can_be_cut(form: InputFormat) -> bool:
    """Return whether the author wrote `read_range`."""
    return type(form).read_range is not InputFormat.read_range


def check_own(form: InputFormat) -> None:
    """Refuse a format that cannot work; raises `JobLoadError`."""
    name = type(form).__name__
    if type(form).read is InputFormat.read:
        raise JobLoadError(
            f"the format {name} has no `read`; write `def read(self, file)` that yields "
            "(key, value)"
        )
    options_of(form)


def options_of(form: InputFormat) -> str:
    """Return the options of a format as JSON, for the keys of tasks; raises `JobLoadError`."""
    public = {name: value for name, value in vars(form).items() if not name.startswith("_")}
    for name, value in public.items():
        if not _is_json(value):
            raise JobLoadError(
                f"the option `{name}` of {type(form).__name__} is a {type(value).__name__}, which "
                "cannot be part of a task's key; keep texts and numbers, and what is made of them "
                f"as `self._{name}`"
            )
    return json.dumps(public, sort_keys=True)


def _is_json(value: Any) -> bool:
    try:
        json.dumps(value, sort_keys=True)
    except (TypeError, ValueError):
        return False
    return True
