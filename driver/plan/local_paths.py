"""The local files of a path or glob: the files below a folder, and the matches of a pattern.

Every entry is a file that is read, is left out by its name, or is an error. Links are followed, but
not into a folder that contains the link.
"""

from __future__ import annotations

import fnmatch
import os
import re
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from mapreduce.errors import InputError
from mapreduce.system.operating_system import typed_name

Identity = tuple[int, int]
"""The device and the inode of a file: the same for each of its names."""

_PATTERN = re.compile(r"[*?\[]")
_KINDS = {
    stat.S_IFIFO: "a named pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a character device",
    stat.S_IFBLK: "a block device",
}


@dataclass(frozen=True, slots=True)
class LocalFile:
    """A plain file.

    Attributes:
        path: absolute, as it was given: links in it are not resolved.
        real: the same path with links resolved.
        identity: of the file.
    """

    path: str
    real: str
    identity: Identity


@dataclass(frozen=True, slots=True)
class LeftOut:
    """An entry, absolute, whose name begins with a dot or an underscore."""

    path: str


@dataclass(frozen=True, slots=True)
class _Pending:
    """An entry to visit; `above` are the folders on the way to it."""

    path: str
    real: str
    above: frozenset[Identity]


def is_left_out(name: str) -> bool:
    """Return whether an entry below a given path is left out by its name, as in Hadoop."""
    return name.startswith((".", "_"))


def absolute(text: str) -> str:
    """Return an absolute path without `.` and `..`; links stay, except before a `..`."""
    steps: list[str] = []
    for step in os.path.join(Path.cwd(), os.path.expanduser(text)).split("/"):
        if step == "..":
            folder = "/" + "/".join(steps)
            # the parent of the link's target, as the system resolves it
            steps = (os.path.realpath(folder) if os.path.islink(folder) else folder).split("/")[
                1:-1
            ]
        elif step not in ("", "."):
            steps.append(step)
    return "/" + "/".join(steps)


def paths_of(text: str) -> list[str]:
    """Return the absolute paths of a path or glob; [] when nothing matches.

    An existing path is meant literally, whatever characters it holds, unless it also matches itself
    as a pattern.
    """
    path = absolute(text)
    matches = sorted(set(map(absolute, _matches(os.path.expanduser(text)))))
    if text.endswith("/"):
        matches = [match for match in matches if os.path.isdir(match)]
    if os.path.lexists(path) and path not in matches:
        return [path]
    return matches


def files_of(path: str) -> Iterator[LocalFile | LeftOut]:
    """Yield the file of a path, or all files below it in the order of their names.

    Raises:
        InputError: an entry is neither a file nor a folder, is a broken link, or cannot be read.
    """
    pending = [_Pending(path, os.path.realpath(path), frozenset())]
    while pending:
        entry = pending.pop()
        found = _stat(entry.path)
        identity = (found.st_dev, found.st_ino)
        if stat.S_ISREG(found.st_mode):
            yield _readable(LocalFile(entry.path, entry.real, identity))
        elif not stat.S_ISDIR(found.st_mode):
            what = _KINDS.get(stat.S_IFMT(found.st_mode), "not a plain file")
            raise InputError(
                f"{shown_path(entry.path)} is {what}, which cannot be an input; {_way_out(entry)}"
            )
        elif identity not in entry.above:
            names = _names(entry.path)
            yield from (LeftOut(f"{entry.path}/{name}") for name in names if is_left_out(name))
            above = entry.above | {identity}
            pending += [
                _below(entry, name, above) for name in reversed(names) if not is_left_out(name)
            ]


def shown_path(path: str) -> str:
    """Return a path for a message, whatever bytes its name holds."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")


def _below(folder: _Pending, name: str, above: frozenset[Identity]) -> _Pending:
    path = f"{folder.path.rstrip('/')}/{name}"
    real = os.path.realpath(path) if os.path.islink(path) else f"{folder.real.rstrip('/')}/{name}"
    return _Pending(path, real, above)


def _readable(file: LocalFile) -> LocalFile:
    if not os.access(file.path, os.R_OK):
        raise InputError(
            f"{shown_path(file.path)} cannot be read (permission denied); "
            "change its mode, or leave it out"
        )
    try:
        file.path.encode("utf-8")
    except UnicodeEncodeError:
        raise InputError(
            f"the name of {shown_path(file.path)} is not UTF-8; rename the file"
        ) from None
    return file


def _stat(path: str) -> os.stat_result:
    with _reading(path):
        try:
            return os.stat(path)
        except (FileNotFoundError, NotADirectoryError):
            if not os.path.islink(path):
                raise
            target = os.readlink(path)
            cause = f"{shown_path(path)} is a link to {shown_path(target)}, which is not there"
            raise InputError(f"{cause}; repair or remove the link") from None


def _names(folder: str) -> list[str]:
    with _reading(folder):
        return sorted(os.listdir(folder))


def _way_out(entry: _Pending) -> str:
    if entry.above:
        return "remove it from the folder, or name the files"
    return "copy its content to a file first"


@contextmanager
def _reading(path: str) -> Iterator[None]:
    """Turn the system's errors about an entry into `InputError`."""
    try:
        yield
    except OSError as exc:
        raise InputError(
            f"{shown_path(path)} cannot be read ({exc.strerror or exc}); repair it, or leave it out"
        ) from exc


def _matches(text: str) -> Iterator[str]:
    """Yield the matches of a pattern; the folder that it starts in is taken literally."""
    steps = text.split("/")
    first = next((number for number, step in enumerate(steps) if _PATTERN.search(step)), None)
    if first is not None:
        start = absolute("/".join(steps[:first]) or ("/" if text.startswith("/") else "."))
        yield from _expanded(start, [step for step in steps[first:] if step not in ("", ".")])


def _expanded(folder: str, steps: list[str]) -> Iterator[str]:
    """Yield the matches of a pattern's steps below a folder, as in a shell.

    `*` does not match a dot at the start of a name.
    """
    if not steps:
        yield folder
        return
    step, rest = steps[0], steps[1:]
    if step == "**":
        for each in _folders(folder):
            matches = _expanded(each, rest or ["*"])
            yield from matches if rest else (match for match in matches if not os.path.isdir(match))
    elif not _PATTERN.search(step):
        path = f"{folder.rstrip('/')}/{step}"
        if os.path.lexists(path):
            yield from _expanded(path, rest)
    elif os.path.isdir(folder):
        pattern = re.compile(fnmatch.translate(typed_name(step.replace("[^", "[!"))))
        for name in _names(folder):
            hidden = name.startswith(".") and not step.startswith(".")
            if pattern.match(typed_name(name)) and not hidden:
                yield from _expanded(f"{folder.rstrip('/')}/{name}", rest)


def _folders(top: str) -> Iterator[str]:
    """Yield a folder and all folders below it whose names do not begin with a dot."""
    pending: list[tuple[str, frozenset[Identity]]] = [(top, frozenset())]
    while pending:
        folder, above = pending.pop()
        if not os.path.isdir(folder):
            continue
        found = _stat(folder)
        identity = (found.st_dev, found.st_ino)
        if identity in above:
            continue
        yield folder
        names = (name for name in _names(folder) if not name.startswith("."))
        pending += [(f"{folder.rstrip('/')}/{name}", above | {identity}) for name in names]
