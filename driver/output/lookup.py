"""Answers questions about a committed result, from its parts: pair by pair, in bounded memory."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Any

import msgspec

from driver.output.merge_parts import read_result
from mapreduce.encoding import NotCarriable, encode_key
from mapreduce.engine.top_pairs import TopPairs
from mapreduce.formats.output import JsonPair, key_of_json
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
    """Yield all pairs of a key; a part in key order is read up to the key only.

    Args:
        urls: the parts.
        storage: reads them.
        text: the key, as plain text or as JSON; where both are keys, the pairs of both.
        keep_order: the parts are not in key order.
    """
    wanted = encoded_keys(text)
    last = max(wanted, default=b"")
    for url in urls:
        for key, value in read_result([url], storage, keep_order=keep_order):
            encoded = encode_key(key_of_json(key))
            if encoded > last and not keep_order:
                break
            if encoded in wanted:
                yield key, value


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
