"""Where the lines of a gathered job come from: the cells of a notebook, or of a REPL. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence

from mapreduce.wire.messages import Message


class Origin(Message):
    """Lines `first` to `last` of a gathered file are those of `file` from `line` on."""

    first: int
    last: int
    file: str
    line: int


def at_origins(text: str, path: str, origins: Sequence[Origin]) -> str:
    """Return a traceback whose frames in a gathered file name the cell, and its line in it.

    Args:
        text: the traceback, as Python prints it.
        path: the gathered file, as the frames name it.
        origins: where its lines come from.
    """
    if not origins:
        return text

    def origin_of(found: re.Match[str]) -> str:
        number = int(found[1])
        for each in origins:
            if each.first <= number <= each.last:
                return f'File "{each.file}", line {each.line + number - each.first}'
        return found[0]

    return re.sub(rf'File "{re.escape(path)}", line (\d+)', origin_of, text)
