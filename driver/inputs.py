"""From what the user typed to objects with a size and an ETag: checked before anything is started or paid for."""

from __future__ import annotations

import glob
from collections.abc import Iterable, Iterator
from pathlib import Path

from driver.text import shown
from mapreduce.errors import InputError, ObjectMissing
from mapreduce.messages import InputObject
from mapreduce.storage import ObjectInfo, Storage, split_url


def find_inputs(given: Iterable[str], storage: Storage) -> tuple[InputObject, ...]:
    """The objects that paths, folders, globs and URLs mean, in the order given; within a folder or glob, by name.

    `NAME=PATH` gives what PATH means a name, unless there is a file of that whole name. A file named twice counts once
    for each name. Files of a folder whose name starts with a dot or an underscore are left out.

    Raises:
        InputError: one of them means no object.
    """
    found: dict[tuple[str, str], InputObject] = {}
    for text in given:
        name, path = _named(text)
        for info in _objects(path, storage):
            check_name(info.url)
            found.setdefault((name, info.url), InputObject(url=info.url, size=info.size, etag=info.etag, name=name))
    if not found:
        raise InputError("there is no input; name a file, folder, glob or URL with --input")
    return tuple(found.values())


def check_name(name: str) -> None:
    """Refuse a path or URL that the records of a run could not hold; raises `InputError`."""
    try:
        name.encode("utf-8")
    except UnicodeEncodeError:
        raise InputError(f"the name {shown(name)} is no UTF-8; give the file or folder another name") from None


def local_url(path: Path) -> str:
    """The URL of a local file, links resolved."""
    return f"file://{path.resolve()}"


def _named(text: str) -> tuple[str, str]:
    """The name and the path of `NAME=PATH`; without a name, "" and all of it."""
    name, equals, path = text.partition("=")
    if not equals or not name.isidentifier() or not path or Path(text).expanduser().exists():
        return "", text
    return name, path


def _objects(text: str, storage: Storage) -> Iterator[ObjectInfo]:
    urls = [text] if "://" in text else _local_urls(text)
    for url in urls:
        try:
            yield storage.head(url)
        except ObjectMissing:
            yield from _below(text, url, storage)


def _below(text: str, url: str, storage: Storage) -> Iterator[ObjectInfo]:
    split_url(url)
    below = [info for info in storage.list(url) if not _hidden(info.url)]
    if not below:
        raise InputError(f"there is no object {text}, and nothing below it; check the name, or list what is there")
    yield from below


def _local_urls(text: str) -> list[str]:
    path = Path(text).expanduser()
    if path.is_file():
        return [local_url(path)]
    if path.is_dir():
        files = [local_url(file) for file in sorted(path.rglob("*")) if file.is_file() and not _hidden(str(file))]
        if not files:
            raise InputError(f"the folder {text} holds no file")
        return files
    matched = [Path(name) for name in sorted(glob.glob(str(path), recursive=True))]  # noqa: PTH207 - absolute patterns too
    files = [local_url(match) for match in matched if match.is_file()]
    if not files:
        raise InputError(f"there is no file {text}; check the path (a relative one starts at {Path.cwd()})")
    return files


def _hidden(name: str) -> bool:
    return name.rpartition("/")[2].startswith((".", "_"))
