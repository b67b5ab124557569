"""Decide what the methods of a job may yield or return: pairs, each a tuple or list of two.

Every module that reads pairs from a job's code uses this one, so that all refuse the same values.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Iterator, Mapping
from types import GeneratorType
from typing import Any

from mapreduce.columns.buffers import PackedColumns

_LIMIT = 80
_SAFE = (list, GeneratorType, PackedColumns)


class NotAPair(TypeError):
    """A job yielded something other than a pair; the message continues a sentence after the
    method's name.
    """


class RaisedOutsidePython(Exception):
    """An iterator written in C, which a job returned, raised: there is no frame of the job to show.

    Args:
        cause: the exception that it raised.
    """

    def __init__(self, cause: Exception) -> None:
        super().__init__(str(cause))
        self.cause = cause


def pair_of(yielded: Any) -> tuple[Any, Any]:
    """Return the key and the value of a pair.

    Raises:
        NotAPair: it is not a tuple or list of two.
    """
    if isinstance(yielded, tuple | list) and len(yielded) == 2:
        return yielded[0], yielded[1]
    raise NotAPair(
        f"yielded {_shown(yielded)}, which is not a pair; write `yield key, value`{_hint(yielded)}"
    )


def pairs_of(returned: Any, *, none_is_empty: bool = False) -> Iterable[Any]:
    """Return the pairs in a method's return value; check each with `pair_of`.

    Args:
        returned: the return value of `map`, `combine`, `reduce` or a hook.
        none_is_empty: None means no pairs.

    Raises:
        NotAPair: it cannot be a collection of pairs.
    """
    # lists and generators, the common cases, pass without a wrapper: a generator has a frame of the
    # job for errors
    if type(returned) in _SAFE:
        return returned  # type: ignore[no-any-return]
    if returned is None:
        if none_is_empty:
            return ()
        raise NotAPair(
            "returned None instead of pairs; write `yield key, value`, or return an empty list"
        )
    if inspect.isawaitable(returned) or inspect.isasyncgen(returned):
        if inspect.iscoroutine(returned):
            returned.close()  # otherwise Python warns that it was never awaited
        raise NotAPair("may not be async; write a plain `def` that yields pairs")
    if isinstance(returned, tuple):
        # two pairs in a tuple look like one pair of tuples, so do not guess
        if len(returned) == 2:
            raise NotAPair(
                f"returned a pair, {_shown(returned)}; "
                "yield it: `yield key, value` (or return a list of pairs)"
            )
        return returned
    if isinstance(returned, Mapping):
        raise NotAPair("returned a dict; return its pairs: `return counts.items()`")
    if isinstance(returned, str | bytes | bytearray) or not isinstance(returned, Iterable):
        raise NotAPair(f"returned {_shown(returned)} instead of pairs; write `yield key, value`")
    return _iterated(returned)


def _iterated(returned: Iterable[Any]) -> Iterator[Any]:
    try:
        yield from returned
    except Exception as exc:
        trace = exc.__traceback__
        if (
            trace is not None
            and trace.tb_next is None
            and not isinstance(exc, OSError | MemoryError)
        ):
            raise RaisedOutsidePython(exc) from exc
        raise


def _hint(yielded: Any) -> str:
    if isinstance(yielded, Mapping):
        return "; of a dict, `yield from counts.items()`"
    if isinstance(yielded, tuple | list) and len(yielded) > 2:
        return "; several values are one tuple: `yield key, (one, other)`"
    return ""


def _shown(value: Any) -> str:
    kind = type(value).__name__
    text = repr(value)
    return f"the {kind} {text if len(text) <= _LIMIT else text[:_LIMIT] + '...'}"
