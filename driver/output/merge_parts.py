"""Writes a run's result to local files: one in key order, or one for each part."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import TypeAlias

from mapreduce.encoding import STR_TAG, encode_key
from mapreduce.errors import NotWritten, UsageError
from mapreduce.formats.json_values import key_of_json, plain_key
from mapreduce.formats.output import FileFormat, JsonPair, read_pairs, write_pairs
from mapreduce.storage import Storage
from mapreduce.storage.base import BLOCK_BYTES

BLOCKS_BYTES = 64 << 20
"""Memory for reading: all parts are read at the same time, and a block of each is in memory."""
BLOCK_LEAST_BYTES = 256 << 10

Keyed: TypeAlias = Callable[[], Iterator[tuple[bytes, JsonPair]]]
"""Returns the pairs of a result, each with its encoded key; it is called several times."""

FORMATS: dict[str, FileFormat] = {
    ".json": "json",
    ".jsonl": "jsonl",
    ".csv": "csv",
    ".tsv": "tsv",
    ".parquet": "parquet",
}


def output_format(path: Path) -> FileFormat:
    """Return the format of a file's suffix; raises `UsageError`."""
    try:
        return FORMATS[path.suffix.lower()]
    except KeyError:
        known = ", ".join(FORMATS)
        raise UsageError(
            f"--output {path}: the suffix names the format, and must be one of {known}"
        ) from None


def read_result(urls: Iterable[str], storage: Storage) -> Iterator[JsonPair]:
    """Yield all pairs of a result in key order, from parts that are each in key order."""
    return (pair for _, pair in read_keyed(urls, storage))


def read_keyed(urls: Iterable[str], storage: Storage) -> Iterator[tuple[bytes, JsonPair]]:
    """Yield each pair of `read_result` with its encoded key."""
    parts = list(urls)
    size = min(BLOCK_BYTES, max(BLOCK_LEAST_BYTES, BLOCKS_BYTES // max(1, len(parts))))
    keyed = [_keyed(read_pairs(_lines(url, storage, size))) for url in parts]
    return heapq.merge(*keyed, key=lambda keyed: keyed[0])


def write_result(urls: list[str], storage: Storage, path: Path) -> None:
    """Write a result as one file; the file appears complete or not at all."""
    _write_whole(lambda: read_keyed(urls, storage), output_format(path), path)


def write_parts(urls: list[str], storage: Storage, folder: Path, style: FileFormat) -> list[Path]:
    """Write each part as a file of the folder, `part-00000.csv` and so on, and return the files."""
    files = [folder / f"part-{number:05d}.{style}" for number in range(len(urls))]
    for url, path in zip(urls, files, strict=True):
        _write_whole(lambda url=url: read_keyed([url], storage), style, path)  # type: ignore[misc]
    return files


def _write_whole(keyed: Keyed, style: FileFormat, path: Path) -> None:
    partial = path.with_name(f".{path.name}.partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _write(keyed, style, partial)
        partial.replace(path)
    except OSError as exc:
        raise NotWritten(f"--output {path} cannot be written: {exc.strerror or exc}") from exc
    finally:
        with suppress(OSError):
            partial.unlink(missing_ok=True)


def _write(keyed: Keyed, style: FileFormat, path: Path) -> None:
    def pairs() -> Iterator[JsonPair]:
        return (pair for _, pair in keyed())

    if style == "parquet":
        from mapreduce.formats.parquet_output import write_parquet  # imports DuckDB, which is slow

        write_parquet(pairs, path)
        return
    as_object = style == "json" and _is_object(encoded for encoded, _ in keyed())
    with path.open("wb") as file:
        file.writelines(write_pairs(pairs(), style, as_object=as_object))


def _keyed(pairs: Iterator[JsonPair]) -> Iterator[tuple[bytes, JsonPair]]:
    return ((encode_key(key_of_json(key)), (plain_key(key), value)) for key, value in pairs)


def _is_object(keys: Iterator[bytes]) -> bool:
    """Return whether all keys are distinct strs; what only shows as one, as a date, is none."""
    previous = b""
    for key in keys:
        if key[0] != STR_TAG or key == previous:
            return False
        previous = key
    return True


def _lines(url: str, storage: Storage, block_bytes: int) -> Iterator[bytes]:
    """Yield the lines of an object, read in blocks."""
    rest = b""
    info = storage.head(url)
    for block in storage.stream(url, 0, info.size, etag=info.etag, block_bytes=block_bytes):
        first, *others = block.split(b"\n")
        if not others:
            rest += first
            continue
        yield rest + first
        yield from others[:-1]
        rest = others[-1]
    if rest:
        yield rest
