"""The templates of this package: the page of a run, the comparison of two, and charts.

All values are escaped, none may be missing, and characters that do not show become visible escapes.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from driver.program.command_name import COMMAND
from driver.text import BLOCK_LIMIT, shown_lines

if TYPE_CHECKING:
    from jinja2 import BytecodeCache, Environment
    from markupsafe import Markup


def rendered(template: str, values: Mapping[str, object]) -> Markup:
    """Return a template of this package with its values: text that is safe in HTML and SVG."""
    from markupsafe import Markup  # it comes with jinja2, which takes its time to import

    return Markup(_environment().get_template(template).render(values))


def source(template: str) -> str:
    """Return the text of a template without values, e.g. a style sheet."""
    return rendered(template, {})


def as_it_is(text: str) -> Markup:
    """Return a text that needs no escapes: a script of ours, or JSON without `<`."""
    from markupsafe import Markup

    return Markup(text)


@cache
def _environment() -> Environment:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    from driver.report import words
    from driver.text import CELL_LIMIT, MESSAGE_LIMIT, bytes_text, plural, shown

    made = Environment(
        loader=PackageLoader("driver.report"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        undefined=StrictUndefined,
        finalize=_visible,
        bytecode_cache=_compiled(),
    )
    made.globals["command"] = COMMAND
    made.filters.update(
        number=words.axis_text,
        ticks=words.tick_text,
        line=shown,
        message=lambda text: shown_lines(text, MESSAGE_LIMIT),
        cell=lambda text: shown(text, CELL_LIMIT),
        bytes=bytes_text,
        plural=plural,
        seconds=words.seconds_text,
        usd=words.usd_text,
        count=words.count_text,
        quantity=words.quantity_text,
        range=words.range_text,
        time=words.time_text,
    )
    return made


def _compiled() -> BytecodeCache | None:
    """Return where compiled templates are kept for the next command, as Python keeps modules.

    Compiling them takes longer than a small run. None where no folder of this user's can be had, or
    where Python is told to keep no compiled code.
    """
    from jinja2 import FileSystemBytecodeCache
    from jinja2.bccache import Bucket

    class Kept(FileSystemBytecodeCache):
        """A full or read-only disk costs time, and no page."""

        def dump_bytecode(self, bucket: Bucket) -> None:
            with suppress(OSError):
                super().dump_bytecode(bucket)

    folder = cache_folder() / "templates"
    if sys.dont_write_bytecode:
        return None
    with suppress(OSError):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = folder.stat()
        # what lies there is run, so no other user may write there
        if found.st_uid == os.getuid() and not found.st_mode & 0o022:
            return Kept(str(folder))
    return None


def cache_folder() -> Path:
    """Return the folder for what can be made again, by the XDG convention."""
    given = os.environ.get("XDG_CACHE_HOME", "")
    base = Path(given) if given.startswith("/") else Path("~/.cache").expanduser()
    return base / "mapreduce-on-fargate"


def _visible(value: object) -> object:
    """Return a text with its invisible characters as escapes, cut to a limit."""
    if type(value) is not str or (value.isascii() and value.isprintable() and len(value) < 1000):
        return value
    return shown_lines(value, BLOCK_LIMIT)
