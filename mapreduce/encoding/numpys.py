"""numpy's scalars and arrays as Python's values, without an import of numpy."""

from __future__ import annotations

from typing import Any

from mapreduce.encoding.refusals import NotCarriable, type_name


def is_numpy(value: Any) -> bool:
    """Return whether a value is a scalar or an array of numpy, or of a library with its methods."""
    return hasattr(value, "dtype") and hasattr(value, "tolist") and not isinstance(value, type)


def plain(value: Any) -> Any:
    """Return a scalar as Python's value of it, and an array as a list.

    Raises:
        NotCarriable: Python has no such value, as of nanoseconds.
    """
    made = value.tolist()
    kind = getattr(value.dtype, "kind", "")
    if type(made) is type(value) or kind == "V" or (kind in ("M", "m") and _is_number(made)):
        raise NotCarriable(
            f"a {type_name(value)} of dtype {value.dtype} cannot be carried; convert it first, "
            "e.g. with .astype(float), or a time with .astype('datetime64[us]')"
        )
    return made


def _is_number(made: Any) -> bool:
    while isinstance(made, list) and made:
        made = made[0]
    return isinstance(made, int)


def plain_or_same(value: Any) -> Any:
    """Return Python's value of one of numpy, and any other value itself; raises as `plain`."""
    return plain(value) if is_numpy(value) else value


def as_key(made: Any) -> Any:
    """Return a list of lists as a tuple of tuples: a key does not change."""
    return tuple(as_key(item) for item in made) if type(made) is list else made
