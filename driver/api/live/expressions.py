"""The source text of a plain value, so that it travels as text. Pure: equal values, equal texts."""

from __future__ import annotations

import dataclasses
import datetime
import decimal
import enum
import fractions
import math
import pathlib
import re
import zoneinfo
from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import Callable, Iterable
from functools import partial
from inspect import signature
from operator import attrgetter, itemgetter
from types import BuiltinFunctionType, FunctionType, GenericAlias, ModuleType, UnionType
from typing import Any

from mapreduce.aggregate import Aggregation
from mapreduce.input_formats import Text

_NAMED = (type, FunctionType, BuiltinFunctionType, ModuleType)
TEXT_LIMIT = 1 << 20
"""Characters of a value that travels in the job's own source."""
_FORMATS = Text.__module__
NameOf = Callable[[Any], str]
"""Returns a name for a class, a function or a module in the gathered source; raises `Live`."""
_CALLS: tuple[tuple[type, Callable[[Any], tuple[object, ...]]], ...] = (
    (re.Pattern, lambda value: (value.pattern, value.flags)),
    (decimal.Decimal, lambda value: (str(value),)),
    (fractions.Fraction, lambda value: (value.numerator, value.denominator)),
    (range, lambda value: (value.start, value.stop, value.step)),
    (datetime.timedelta, lambda value: (value.days, value.seconds, value.microseconds)),
    (Counter, lambda value: (dict(value),)),
    (OrderedDict, lambda value: (list(value.items()),)),
    (deque, lambda value: (list(value), value.maxlen)),
    (pathlib.PurePath, lambda value: (str(value),)),
    (datetime.timezone, lambda value: (value.utcoffset(None),)),
    (zoneinfo.ZoneInfo, lambda value: (value.key,)),
    (defaultdict, lambda value: (value.default_factory, dict(value))),
    *((kind, lambda value: value.__reduce__()[1]) for kind in (attrgetter, itemgetter)),
    (bytearray, lambda value: (bytes(value),)),
)
"""Kinds of values, and the arguments with which one is made again."""


class Live(Exception):
    """A value that no text stands for; the argument says what it is."""


def expression(value: Any, name_of: NameOf) -> str:
    """Return an expression that makes a value again.

    Args:
        value: the value.
        name_of: names the classes, functions and modules in it.

    Raises:
        Live: the value, or one in it, cannot be written as source.
    """
    kind = type(value)
    if value is None or kind in (bool, int, str, bytes, complex) or value is Ellipsis:
        return repr(value)
    if kind is float:
        return repr(value) if math.isfinite(value) else f"{name_of(float)}({str(value)!r})"
    if kind in (list, tuple, set, frozenset, dict):
        return _container(value, name_of)
    if isinstance(value, enum.Enum):
        return f"{name_of(kind)}[{value.name!r}]"
    if isinstance(value, _NAMED) or hasattr(value, "__wrapped__"):
        return name_of(value)
    if isinstance(value, GenericAlias | UnionType) and "__main__" not in repr(value):
        return repr(value)
    made = _made_again(value)
    if made is None:
        raise Live(f"a {_full_name(kind)}")
    names = [f"{name}={expression(each, name_of)}" for name, each in made[1].items()]
    arguments = ", ".join([*(expression(each, name_of) for each in made[0]), *names])
    if isinstance(value, re.Pattern):
        return f"{name_of(re.compile)}({arguments})"
    return f"{name_of(kind)}({arguments})"


def _made_again(value: Any) -> tuple[tuple[object, ...], dict[str, object]] | None:
    """Return the arguments of the call that makes a value again; None for a live object."""
    kind = type(value)
    for known, arguments in _CALLS:
        if kind is known or (known is pathlib.PurePath and isinstance(value, known)):
            return arguments(value), {}
    if kind in (datetime.date, datetime.datetime, datetime.time):
        return _moment(value)
    if kind is partial:
        return (value.func, *value.args), value.keywords
    if dataclasses.is_dataclass(value) and isinstance(value, object):
        fields = [each for each in dataclasses.fields(value) if each.init]
        return (), {each.name: getattr(value, each.name) for each in fields}
    if kind.__module__ == _FORMATS:
        return (), {name: getattr(value, name) for name in sorted(value.model_fields_set)}
    if isinstance(value, Aggregation) and vars(value).keys() <= signature(kind).parameters.keys():
        return (), dict(vars(value))
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return tuple(value), {}
    return None


def _moment(value: Any) -> tuple[tuple[object, ...], dict[str, object]]:
    units = ("year", "month", "day", "hour", "minute", "second", "microsecond")
    names = {name: getattr(value, name) for name in ("fold", "tzinfo") if getattr(value, name, 0)}
    return tuple(getattr(value, unit) for unit in units if hasattr(value, unit)), names


def _container(value: Any, name_of: NameOf) -> str:
    if type(value) is dict:
        items = (
            f"{expression(key, name_of)}: {expression(each, name_of)}"
            for key, each in value.items()
        )
        return f"{{{_joined(items)}}}"
    texts = (expression(each, name_of) for each in value)
    if type(value) is list:
        return f"[{_joined(texts)}]"
    if type(value) is tuple:
        return f"({_joined(texts)},)" if value else "()"
    # the order of a set differs from process to process
    ordered = _joined(sorted(texts))
    return f"{name_of(type(value))}([{ordered}])"


def _joined(texts: Iterable[str]) -> str:
    """Return texts with commas between; stop where the value is too large to travel as text."""
    found, length = [], 0
    for text in texts:
        length += len(text) + 2
        if length > TEXT_LIMIT:
            raise Live(f"a value of more than {TEXT_LIMIT >> 20} MiB as text")
        found.append(text)
    return ", ".join(found)


def _full_name(kind: type) -> str:
    module = kind.__module__
    return kind.__qualname__ if module in ("builtins", "__main__") else f"{module}.{kind.__name__}"
