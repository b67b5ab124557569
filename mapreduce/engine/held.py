"""The pairs of an input that is broadcast, as a map task holds them: values by key."""

from __future__ import annotations

import gc
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from mapreduce.encoding import decode_value, encode_key, encode_value
from mapreduce.errors import UserCodeError
from mapreduce.job import Job, task_state
from mapreduce.user_code.yielded import pair_of
from mapreduce.wire.messages import ByteRange, RangeRead

_EXACT = frozenset((str, bytes, int, type(None)))
_PLAIN = frozenset((str, bytes, bool, float, type(None)))


@dataclass(slots=True)
class Beside:
    """The input that is broadcast, as one task reads it.

    Attributes:
        pieces: all of it.
        counts: its records and counters count in this task: in one of the run.
        read: what was read of it.
    """

    pieces: tuple[ByteRange, ...]
    counts: bool
    read: tuple[RangeRead, ...] = ()

    @contextmanager
    def counting(self, job: Job) -> Iterator[None]:
        """Leave out what the job counts in the context, except in the one task that counts."""
        counters = task_state(job).counters
        before = Counter(counters)
        yield
        if not self.counts:
            counters.clear()
            counters.update(before)


@contextmanager
def without_collections() -> Iterator[None]:
    """Collect no garbage in the context: collections would look at every row again and again."""
    collects = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collects:
            gc.enable()


@contextmanager
def apart() -> Iterator[None]:
    """Leave all objects that there are out of the garbage collections in the context."""
    # the process of a task has frozen more, which must stay so
    froze = not gc.get_freeze_count()
    gc.freeze()
    try:
        yield
    finally:
        if froze:
            gc.unfreeze()


class Held:
    """Takes the pairs of `map`, and keeps the values of each key in the order of the input.

    Args:
        group_by: of the job: how many fields of a key make a group.
    """

    def __init__(self, group_by: int) -> None:
        self._group_by = group_by
        self.groups: dict[Any, Sequence[Any]] = {}

    def add(self, pairs: Iterable[Any]) -> None:
        """Keep pairs.

        Raises:
            UserCodeError: a key is not one, or has no fields where `group_by` asks for them.
        """
        fields, groups = self._group_by, self.groups
        for pair in pairs:
            key, value = pair if type(pair) is tuple and len(pair) == 2 else pair_of(pair)
            if fields:
                key = key[0] if fields == 1 and type(key) is tuple and key else _group(key, fields)
            if type(key) not in _EXACT:
                _check(key)
            if type(value) not in _PLAIN:
                # as the shuffle would: the author may change the object, or not be able to send it
                value = decode_value(encode_value(value))
            values = groups.get(key)
            if values is None:
                groups[key] = (value,)  # most keys have one value: a list takes three times as much
            elif type(values) is list:
                values.append(value)
            else:
                groups[key] = [*values, value]

    def add_columns(self, keys: list[Any], values: list[Any]) -> None:
        """Keep two columns of pairs."""
        self.add(zip(keys, values, strict=True))


def _check(key: Any) -> None:
    """Refuse a key that a reduce stage would refuse, or tell from one that Python takes as equal.

    Raises:
        UserCodeError: it is a float or a bool: 1, 1.0 and True are three keys, and equal in Python.
    """
    encode_key(key)
    for field in key if type(key) is tuple else (key,):
        if type(field) not in _EXACT:
            raise UserCodeError(
                f"map yielded the key {key!r}, and an input that is broadcast may have keys of "
                "str, bytes, int and None only; make it a str, or forbid it with --broadcast 0"
            )


def _group(key: Any, fields: int) -> Any:
    if type(key) is not tuple or len(key) < fields:
        raise UserCodeError(
            f"map yielded the key {key!r}, and `group_by = {fields}` needs a tuple of at least "
            f"{fields} fields"
        )
    return key[0] if fields == 1 else key[:fields]
