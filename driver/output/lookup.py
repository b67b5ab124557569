"""Answers questions about a committed result, from its parts: pair by pair, in bounded memory."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Any

import msgspec

from driver.output.merge_parts import read_keyed, read_result
from mapreduce.encoding import NotCarriable, encode_key
from mapreduce.engine.top_pairs import TopPairs
from mapreduce.formats.json_values import key_of_json
from mapreduce.formats.output import JsonPair
from mapreduce.storage import Storage


def top_of(
    urls: Sequence[str], storage: Storage, limit: int, *, keep_order: bool = False
) -> tuple[JsonPair, ...]:
    """Return the top pairs of a result, as JSON values; of equal ones, the earlier.

    Args:
        urls: the parts.
        storage: reads them.
        limit: how many.
        keep_order: the parts are not in key order.
    """
    top = TopPairs(limit)
    for key, value in read_result(urls, storage, keep_order=keep_order):
        top.offer(key, value)
    return tuple(top.pairs())


def pairs_of(
    urls: Sequence[str], storage: Storage, text: str, *, keep_order: bool = False
) -> Iterator[JsonPair]:
    """Yield all pairs of a key, one part after another.

    Each part is read to its end: a text may also be what a result shows of a key of another type,
    as of a date or a member of an Enum, which has a place of its own in the order.

    Args:
        urls: the parts.
        storage: reads them.
        text: the key, as plain text or as JSON; where both are keys, the pairs of both.
        keep_order: the parts are not in key order.
    """
    wanted, shown = encoded_keys(text), shown_keys(text)
    for url in urls:
        for encoded, pair in read_keyed([url], storage, keep_order=keep_order):
            if encoded in wanted or _encode(pair[0]) in shown:
                yield pair


def encoded_keys(text: str) -> frozenset[bytes]:
    """Return the encodings of the keys that a text can mean: itself, and its JSON value."""
    meant: list[Any] = [text]
    with suppress(ValueError, KeyError, TypeError):  # not JSON, or not the JSON of a key
        meant.append(key_of_json(msgspec.json.decode(text)))
    found = set()
    for key in meant:
        with suppress(NotCarriable):
            found.add(encode_key(key))
    return frozenset(found)


def shown_keys(text: str) -> frozenset[bytes]:
    """Return the JSON of the keys that a text can show: itself, and its JSON value."""
    shown: list[Any] = [text]
    with suppress(ValueError):
        shown.append(msgspec.json.decode(text))
    found = set()
    for key in shown:
        with suppress(UnicodeEncodeError):
            found.add(_encode(key))
    return frozenset(found)


_encode = msgspec.json.Encoder().encode
