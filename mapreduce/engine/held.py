"""The pairs of an input that is broadcast, as a map task holds them: values by key."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from mapreduce.encoding import encode_key
from mapreduce.errors import UserCodeError
from mapreduce.user_code.yielded import pair_of


class Held:
    """Takes the pairs of `map`, and keeps the values of each key in the order of the input.

    Args:
        group_by: of the job: how many fields of a key make a group.
    """

    def __init__(self, group_by: int) -> None:
        self._group_by = group_by
        self.groups: dict[Any, list[Any]] = {}

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
            values = groups.get(key)
            if values is not None:
                values.append(value)
                continue
            if type(key) is not str:
                encode_key(key)  # refuses what a reduce stage would refuse
            groups[key] = [value]

    def add_columns(self, keys: list[Any], values: list[Any]) -> None:
        """Keep two columns of pairs."""
        self.add(zip(keys, values, strict=True))


def _group(key: Any, fields: int) -> Any:
    if type(key) is not tuple or len(key) < fields:
        raise UserCodeError(
            f"map yielded the key {key!r}, and `group_by = {fields}` needs a tuple of at least "
            f"{fields} fields"
        )
    return key[0] if fields == 1 else key[:fields]
