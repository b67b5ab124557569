"""Sorted records as answers: in order, and the same ones as before, as `valsort` checks them."""

from __future__ import annotations

import json
from base64 import b64decode
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from zlib import crc32

KEY_BYTES = 10
RECORD_BYTES = 100
END = b"\r\n"
"""A record is a line too: its last two bytes."""


@dataclass(frozen=True, slots=True)
class Sums:
    """How many records there are, and the sum of their checksums, whatever their order."""

    records: int
    checksum: int


def sums_of(path: Path) -> Sums:
    """Return the sums of a file of records, which are kept beside it."""
    kept = path.with_suffix(".sums")
    if not kept.exists():
        records, checksum = 0, 0
        with path.open("rb") as file:
            while record := file.read(RECORD_BYTES):
                records, checksum = records + 1, checksum + crc32(record)
        kept.write_text(json.dumps([records, checksum]))
    return Sums(*json.loads(kept.read_text()))


def wrong_order(records: Iterable[bytes], right: Sums) -> str:
    """Return why records are not those of a file in the order of their keys, or ""."""
    count, checksum, last = 0, 0, b""
    for record in records:
        key = record[:KEY_BYTES]
        if key < last:
            return f"record {count} has a smaller key than the one before"
        last, count, checksum = key, count + 1, checksum + crc32(record)
    if count != right.records:
        return f"{count} records, and not {right.records}"
    return "" if checksum == right.checksum else "some records are not those of the input"


def peer_records(target: Path) -> Iterator[bytes]:
    """Yield the records of a peer: lines of a file, or of a folder of part files in order."""
    for path in sorted(target.glob("part-*")) if target.is_dir() else [target]:
        with path.open("rb") as file:
            for line in file:
                yield line.rstrip(END) + END


def our_records(urls: Iterable[str]) -> Iterator[bytes]:
    """Yield the records of a run's result, whose keys and values are bytes."""
    for url in urls:
        path = Path(url.removeprefix("file://"))
        if path.suffix == ".jsonl":
            with path.open("rb") as file:
                pairs = ((each["key"], each["value"]) for each in map(json.loads, file))
                yield from (_joined(key, value) for key, value in pairs)
        else:
            yield from (_joined(key, value) for key, value in json.loads(path.read_bytes()))


def _joined(key: dict[str, str], value: dict[str, str]) -> bytes:
    return b64decode(key["base64"]) + b64decode(value["base64"])
