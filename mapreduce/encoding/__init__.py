"""Encode keys and values as bytes, and decode them.

Encoded keys sort as bytes exactly as the keys sort (the idea of FoundationDB's tuple layer), so
that merging never decodes one. Each type has a tag, and types sort by tag (`keys`). Values are
MessagePack with extensions (`values`). Nothing is ever pickled: an unsupported value is refused
here, with its type and what to write instead.
"""

from mapreduce.encoding.descending import Descending
from mapreduce.encoding.keys import STR_TAG, Key, decode_key, encode_key, key_prefix
from mapreduce.encoding.refusals import NotCarriable
from mapreduce.encoding.values import (
    Value,
    decode_value,
    encode_value,
    pack_value,
    unpack_value,
)

__all__ = [
    "STR_TAG",
    "Descending",
    "Key",
    "NotCarriable",
    "Value",
    "decode_key",
    "decode_value",
    "encode_key",
    "encode_value",
    "key_prefix",
    "pack_value",
    "unpack_value",
]
