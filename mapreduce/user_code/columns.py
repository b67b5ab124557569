"""Two columns of pairs, as `map_batch` and `map_arrow` return them."""

from __future__ import annotations

from collections.abc import Iterable, KeysView, Mapping, Set
from typing import Any

from mapreduce.errors import UserCodeError


def two_columns(returned: Any, method: str, place: str = "") -> tuple[list[Any], list[Any]]:
    """Return the keys and the values that a method returned.

    Args:
        returned: by the method.
        method: its name.
        place: of the records.

    Raises:
        UserCodeError: they are not two columns of one length.
    """
    if not isinstance(returned, tuple | list) or len(returned) != 2:
        raise UserCodeError(f"{method} must return two columns: `return keys, values`", place=place)
    keys, values = (list_of(column, method) for column in returned)
    if len(keys) != len(values):
        raise UserCodeError(
            f"{method} returned {len(keys)} keys and {len(values)} values", place=place
        )
    return keys, values


def list_of(column: Any, method: str) -> list[Any]:
    """Return a column as a list: from numpy, Arrow or any iterable."""
    if type(column) is list:
        return column
    if isinstance(column, str | bytes | Mapping | Set) and not isinstance(column, KeysView):
        raise UserCodeError(
            f"{method} returned a {type(column).__name__} for a column; return a list, or an array"
        )
    for name in ("tolist", "to_pylist"):
        if hasattr(column, name):
            return list(getattr(column, name)())
    if not isinstance(column, Iterable):
        raise UserCodeError(
            f"{method} returned {column!r} for a column; return a list, or an array"
        )
    return list(column)
