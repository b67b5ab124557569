"""Answers questions about a committed result, from its parts: pair by pair, in bounded memory."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any

import msgspec

from driver.output.merge_parts import read_keyed, read_result
from mapreduce.encoding import Descending, NotCarriable, encode_key
from mapreduce.engine.top_pairs import TopPairs
from mapreduce.formats.json_values import key_of_json
from mapreduce.formats.output import JsonPair
from mapreduce.storage import Storage


def top_of(urls: Sequence[str], storage: Storage, limit: int) -> tuple[JsonPair, ...]:
    """Return the top pairs of a result, as JSON values; of equal ones, those with lower keys.

    Args:
        urls: the parts.
        storage: reads them.
        limit: how many.
    """
    top = TopPairs(limit)
    for key, value in read_result(urls, storage):
        top.offer(key, value)
    return tuple(top.pairs())


def pairs_of(urls: Sequence[str], storage: Storage, text: str) -> Iterator[JsonPair]:
    """Yield all pairs of a key; each part is read up to the key only.

    Args:
        urls: the parts, each in key order.
        storage: reads them.
        text: the key, as plain text or as JSON; where both are keys, the pairs of both.
    """
    wanted = encoded_keys(text)
    last = max(wanted, default=b"")
    for url in urls:
        for encoded, pair in read_keyed([url], storage):
            if encoded > last:
                break
            if encoded in wanted:
                yield pair


def encoded_keys(text: str) -> frozenset[bytes]:
    """Return the encodings of the keys that a text can mean: itself, its JSON value, and a number,
    date or time of another type that is written so.
    """
    meant: list[Any] = [text]
    with suppress(ValueError, KeyError, TypeError):  # not JSON, or not the JSON of a key
        meant.append(key_of_json(msgspec.json.decode(text)))
    for kind in (Decimal, date.fromisoformat, datetime.fromisoformat, time.fromisoformat):
        with suppress(ValueError, ArithmeticError):
            meant.append(kind(text))
    meant += map(Descending, list(meant))
    found = set()
    for key in meant:
        with suppress(NotCarriable):
            found.add(encode_key(key))
    return frozenset(found)
