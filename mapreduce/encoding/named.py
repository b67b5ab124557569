"""Values with a class of their own: members of an Enum, dataclasses and named tuples.

Their bytes hold the name of the class, `module:qualified.name`, and never code: a value comes back
only as an instance of a class that the job has defined or imported, and only of these three kinds.
"""

from __future__ import annotations

import dataclasses
import enum
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from mapreduce.encoding.refusals import NotCarriable

Kind = Literal["enum", "dataclass", "namedtuple"]


@dataclass(frozen=True, slots=True)
class Named:
    """A value of a class: its kind, the name of its class, and its fields.

    The one field of an Enum's member is called `value`.
    """

    kind: Kind
    name: str
    fields: Mapping[str, Any]


def named(value: Any, *, key: bool = False) -> Named | None:
    """Return a value as its class's name and its fields; None if it is of none of these kinds.

    Args:
        value: the value.
        key: it must be sound as a key.

    Raises:
        NotCarriable: a reduce task could not make the same value again.
    """
    cls = type(value)
    if isinstance(value, Named):
        return value
    if isinstance(value, enum.Enum):
        return Named("enum", _name_of(cls), {"value": value._value_})
    if isinstance(value, tuple) and hasattr(cls, "_fields"):
        return Named("namedtuple", _name_of(cls), dict(zip(cls._fields, value, strict=True)))
    if dataclasses.is_dataclass(cls) and not isinstance(value, type):
        return Named("dataclass", _name_of(cls), _fields_of(value, key=key))
    return None


def made(given: Named) -> Any:
    """Return the value.

    Raises:
        NotCarriable: there is no such class here, or it refuses the fields.
    """
    cls = _class_of(given)
    try:
        if given.kind == "enum":
            return cls(given.fields["value"])
        if given.kind == "namedtuple":
            # not by the class's own __new__, which may change what it is given
            return tuple.__new__(cls, [given.fields[name] for name in cls._fields])
        return _dataclass(cls, given.fields)
    except KeyError as exc:
        raise NotCarriable(f"{given.name} has a field {exc} that is missing here") from exc
    except (TypeError, ValueError) as exc:
        raise NotCarriable(
            f"{given.name} cannot be made again from {dict(given.fields)!r}: {exc}"
        ) from exc


def field_names(kind: Kind, name: str) -> tuple[str, ...]:
    """Return the names of a class's fields, in their order; raises as `made`."""
    cls = _class_of(Named(kind, name, {}))
    if kind == "enum":
        return ("value",)
    if kind == "namedtuple":
        return tuple(cls._fields)
    return tuple(each.name for each in dataclasses.fields(cls))


def _fields_of(value: Any, *, key: bool) -> dict[str, Any]:
    cls = type(value)
    all_fields = dataclasses.fields(value)
    if hidden := [each.name for each in all_fields if not each.init]:
        raise NotCarriable(
            f"the dataclass {cls.__qualname__} cannot be carried: its field `{hidden[0]}` is not "
            "an argument of it (init=False); yield a tuple of what is needed"
        )
    if key and not cls.__dataclass_params__.frozen:
        raise NotCarriable(
            f"the dataclass {cls.__qualname__} cannot be a key, because it can change; write "
            "@dataclass(frozen=True)"
        )
    if key and (ignored := [each.name for each in all_fields if not each.compare]):
        raise NotCarriable(
            f"the dataclass {cls.__qualname__} cannot be a key: its field `{ignored[0]}` is not "
            "compared (compare=False); yield a tuple of the fields that are"
        )
    fields = {each.name: getattr(value, each.name) for each in all_fields}
    if hasattr(cls, "__post_init__"):
        _dataclass(cls, fields)
    return fields


def _dataclass(cls: type, fields: Mapping[str, Any]) -> Any:
    """Return an instance; raises `NotCarriable` when making it again changes a field."""
    again = cls(**fields)
    for name, item in fields.items():
        if getattr(again, name) != item:
            raise NotCarriable(
                f"the dataclass {cls.__qualname__} cannot be carried: its `__post_init__` or "
                f"`__init__` changes `{name}`, and would change it again in a reduce task; compute "
                "it before, or yield a tuple"
            )
    return again


def _name_of(cls: type) -> str:
    name = f"{cls.__module__}:{cls.__qualname__}"
    if _found(name) is not cls:
        raise NotCarriable(
            f"a {cls.__qualname__} cannot be carried: a reduce task cannot find its class by the "
            f"name {cls.__qualname__} in {cls.__module__}; define the class at the top of the "
            "job's file, or yield a tuple"
        )
    return name


def _class_of(given: Named) -> Any:
    cls = _found(given.name)
    fits = isinstance(cls, type) and (
        issubclass(cls, enum.Enum)
        if given.kind == "enum"
        else dataclasses.is_dataclass(cls)
        if given.kind == "dataclass"
        else issubclass(cls, tuple) and hasattr(cls, "_fields")
    )
    if not fits:
        module, _, name = given.name.partition(":")
        raise NotCarriable(
            f"the class {name} of {module} is not loaded here; import it at the top of the job's "
            "file, not inside a method"
        )
    return cls


def _found(name: str) -> Any:
    """Return what a name means in the modules that are loaded, or None; import nothing."""
    module, _, path = name.partition(":")
    found: Any = sys.modules.get(module)
    for step in path.split("."):
        found = getattr(found, step, None)
    return found
