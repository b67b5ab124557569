"""Tables as answers: rows of keys and numbers, in any order, compared by one digest.

Contenders add floats in different orders, so that the last bits differ. Floats are rounded to seven
decimals after a shift, without which the means of short decimals would often lie where rounding
goes either way.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from bench.answer import digest

SHIFT = 6.18033988749895e-8
"""The golden ratio of a unit of the seventh place: of all numbers the farthest from the fractions
that means of short decimals end in. (3.14159 is too near to 355/113, and 113 rows are a group.)
"""

Row = tuple[Any, ...]


def table_digest(rows: Iterable[Row]) -> str:
    """Return the digest of rows of texts, ints, floats and None, in any order."""
    return digest(("\t".join(map(_text, row)) + "\n").encode() for row in rows)


def peer_rows(target: Path, floats: frozenset[int]) -> Iterator[Row]:
    """Yield the rows of CSV files without a header.

    Args:
        target: a file, or a folder of part files.
        floats: the columns that hold floats; the others are compared as texts.
    """
    for path in sorted(target.glob("part-*")) if target.is_dir() else [target]:
        with path.open(encoding="utf-8", newline="") as file:
            for row in csv.reader(file):
                yield tuple(
                    (float(text) if text else None) if number in floats else text
                    for number, text in enumerate(row)
                )


def our_rows(urls: Iterable[str], rows_of: Callable[[Any, Any], Iterable[Row]]) -> Iterator[Row]:
    """Yield the rows of a run's result: one JSON document, or parts of JSON Lines.

    Args:
        urls: file URLs of the result.
        rows_of: makes the rows of a key and its value.
    """
    for url in urls:
        path = Path(url.removeprefix("file://"))
        if path.suffix == ".jsonl":
            with path.open("rb") as file:
                for line in file:
                    pair = json.loads(line)
                    yield from rows_of(pair["key"], pair["value"])
            continue
        document = json.loads(path.read_bytes())
        for key, value in document.items() if isinstance(document, dict) else document:
            yield from rows_of(key, value)


def _text(value: Any) -> str:
    if value is None:
        return ""
    return f"{value + SHIFT:.7f}" if isinstance(value, float) else str(value)
