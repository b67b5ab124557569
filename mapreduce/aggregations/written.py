"""An aggregation as a text, and back: how a step without a class of its own reaches its tasks."""

from __future__ import annotations

import json
from collections.abc import Mapping
from fractions import Fraction
from typing import Any

from mapreduce import aggregate
from mapreduce.aggregate import Aggregation
from mapreduce.aggregations import approximate, correlation, ranks, spread
from mapreduce.aggregations.several import Several
from mapreduce.errors import JobLoadError

_OURS: dict[str, type[Aggregation[Any]]] = {
    name: found
    for module in (aggregate, approximate, correlation, ranks, spread)
    for name, found in vars(module).items()
    if isinstance(found, type) and issubclass(found, Aggregation) and not name.startswith("_")
}


def written(given: Any) -> str:
    """Return an aggregation, or a dict of names and aggregations, as JSON.

    Raises:
        JobLoadError: it is not an aggregation of this package, whose code each task has.
    """
    if isinstance(given, Mapping) and given and Several.takes(given):
        return json.dumps({name: _parts(each) for name, each in given.items()})
    return json.dumps(_parts(given))


def read(text: str) -> Aggregation[Any]:
    """Return the aggregation of a text."""
    found = json.loads(text)
    if isinstance(found, dict):
        return Several({name: _made(*parts) for name, parts in found.items()})
    return _made(*found)


def _parts(given: Any) -> list[Any]:
    kind = type(given)
    if _OURS.get(kind.__name__) is not kind or kind is Aggregation:
        raise JobLoadError(
            f"Step(reduce={given!r}) takes an aggregation of mapreduce, such as Sum(), or a dict "
            "of names and these; for another write a class, as in `class Total(Job)` with "
            "`reduce = ...`"
        )
    return [kind.__name__, {name: _plain(value) for name, value in vars(given).items()}]


def _plain(value: Any) -> Any:
    if isinstance(value, Fraction):
        return {"fraction": str(value)}
    return [_plain(each) for each in value] if isinstance(value, tuple) else value


def _made(name: str, attributes: dict[str, Any]) -> Aggregation[Any]:
    kind = _OURS[name]
    made = kind.__new__(kind)
    vars(made).update({key: _back(value) for key, value in attributes.items()})
    return made


def _back(value: Any) -> Any:
    if isinstance(value, dict):
        return Fraction(value["fraction"])
    return tuple(map(_back, value)) if isinstance(value, list) else value
