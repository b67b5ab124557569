"""Typed parameters: annotated class attributes with defaults, set by name, refused with a clear word when wrong."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, get_type_hints

from pydantic import TypeAdapter, ValidationError

from mapreduce.errors import ParameterError


class Parametrised:
    """The base of `Job` and `Chain`.

    A parameter is an annotated class attribute with a default (`min_length: int = 1`); `--param min_length=3` sets it.
    An attribute whose name starts with an underscore, or that is a `ClassVar`, is not a parameter.
    """

    def __init__(self, **parameters: Any) -> None:
        known = type(self).parameters()
        for name, value in parameters.items():
            if name not in known:
                raise ParameterError(_unknown_parameter(type(self), name, known))
            setattr(self, name, _converted(type(self), name, known[name], value))

    @classmethod
    def parameters(cls) -> dict[str, Any]:
        """The parameters: name to type."""
        hints = get_type_hints(cls)
        own = {name for base in cls.__mro__ if issubclass(base, Parametrised) for name in vars(base)}
        return {
            name: kind
            for name, kind in hints.items()
            if name in own and not name.startswith("_") and ClassVar not in (kind, getattr(kind, "__origin__", None))
        }

    def parameter_values(self) -> dict[str, Any]:
        """Every parameter with the value that this instance has."""
        return {name: getattr(self, name) for name in self.parameters()}


def parse_parameters(cls: type[Parametrised], assignments: Mapping[str, str]) -> dict[str, Any]:
    """Parameter values from the texts of `--param name=value`.

    Raises:
        ParameterError: an unknown name, or a text that is not of the parameter's type.
    """
    known = cls.parameters()
    for name in assignments:
        if name not in known:
            raise ParameterError(_unknown_parameter(cls, name, known))
    return {name: _parsed(cls, name, known[name], text) for name, text in assignments.items()}


def _converted(cls: type[Parametrised], name: str, kind: Any, value: Any) -> Any:
    try:
        return TypeAdapter(kind).validate_python(value)
    except ValidationError as exc:
        raise ParameterError(_wrong_value(cls, name, kind, value, exc)) from None


def _parsed(cls: type[Parametrised], name: str, kind: Any, text: str) -> Any:
    adapter = TypeAdapter[Any](kind)
    try:
        return adapter.validate_strings(text)
    except ValidationError as exc:
        first = exc
    try:
        return adapter.validate_json(text)
    except ValidationError:
        raise ParameterError(_wrong_value(cls, name, kind, text, first)) from None


def _wrong_value(cls: type[Parametrised], name: str, kind: Any, value: Any, exc: ValidationError) -> str:
    wanted = getattr(kind, "__name__", str(kind))
    return f"parameter {name} of {cls.__name__} wants {wanted}, not {value!r}: {exc.errors()[0]['msg']}"


def _unknown_parameter(cls: type[Parametrised], name: str, known: Mapping[str, Any]) -> str:
    has = ", ".join(sorted(known)) if known else "none"
    return f"{cls.__name__} has no parameter {name!r}; it has: {has}"
