"""Typed parameters: annotated class attributes with defaults, set by name, rejected with a clear
message.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping
from itertools import takewhile
from typing import Any, ClassVar, Self, get_type_hints

from pydantic import TypeAdapter, ValidationError
from pydantic.errors import PydanticUserError

from mapreduce.errors import JobLoadError, ParameterError

_ASKED_OF_CLASSES = frozenset(("check", "parameters", "parameter_values"))
"""Methods that checking a class needs, so a class that hides one is refused when it is defined."""


class Parametrised:
    """The base of `Job` and `Chain`.

    A parameter is an annotated class attribute with a default (`min_length: int = 1`); `--param
    min_length=3` sets it. An attribute whose name starts with an underscore, or that is a
    `ClassVar`, is not a parameter.
    """

    def __new__(cls, *_: Any, **parameters: Any) -> Self:
        """Create an instance that has its parameters, whether or not the author's `__init__` calls
        super.
        """
        made = super().__new__(cls)
        known = cls.parameters()
        for name, value in parameters.items():
            if name not in known:
                raise ParameterError(_unknown_parameter(cls, name, known))
            setattr(made, name, _converted(cls, name, known[name], value))
        return made

    def __init__(self, **parameters: Any) -> None:
        for name in parameters:
            if name not in type(self).parameters():
                raise ParameterError(_unknown_parameter(type(self), name, type(self).parameters()))

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        for owner in takewhile(lambda each: each not in _bases(cls), cls.__mro__):
            if hidden := _ASKED_OF_CLASSES.intersection(vars(owner)):
                raise JobLoadError(
                    f"`{min(hidden)}` of {owner.__name__} hides a name of the engine; rename it"
                )
        if "__init__" in vars(cls):
            cls.__init__ = _given_what_it_takes(cls.__init__)  # type: ignore[method-assign]

    @classmethod
    def parameters(cls) -> dict[str, Any]:
        """Return the parameters: name to type.

        Raises:
            JobLoadError: an annotation names an unknown type.
        """
        try:
            hints = get_type_hints(cls)
        except (NameError, TypeError) as exc:
            raise JobLoadError(
                f"an annotation in {cls.__name__} cannot be read: {exc}; "
                "import the type in the class's module"
            ) from exc
        own = {name for base in _authors(cls) for name in vars(base)}
        return {
            name: kind
            for name, kind in hints.items()
            if name in own
            and not name.startswith("_")
            and name not in _settings(cls)
            and ClassVar not in (kind, getattr(kind, "__origin__", None))
        }

    def parameter_values(self) -> dict[str, Any]:
        """Return every parameter with this instance's value, as JSON.

        Raises:
            ParameterError: a value is not of the parameter's type, or JSON does not support it.
        """
        return {
            name: as_json(type(self), name, kind, getattr(self, name))
            for name, kind in type(self).parameters().items()
        }


def parse_parameters(cls: type[Parametrised], assignments: Mapping[str, str]) -> dict[str, Any]:
    """Return parameter values, as JSON, from the texts of `--param name=value`.

    Raises:
        ParameterError: an unknown name, or a text that is not of the parameter's type.
    """
    known = cls.parameters()
    for name in assignments:
        if name not in known:
            raise ParameterError(_unknown_parameter(cls, name, known))
    return {
        name: as_json(cls, name, known[name], _parsed(cls, name, known[name], text))
        for name, text in assignments.items()
    }


def parameters_as_json(cls: type[Parametrised], values: Mapping[str, object]) -> dict[str, Any]:
    """Return parameter values, as JSON, from values of Python.

    Raises:
        ParameterError: an unknown name, or a value that is not of the parameter's type.
    """
    known = cls.parameters()
    for name in values:
        if name not in known:
            raise ParameterError(_unknown_parameter(cls, name, known))
    return {
        name: as_json(cls, name, known[name], _converted(cls, name, known[name], value))
        for name, value in values.items()
    }


def check_parameters(cls: type[Parametrised]) -> None:
    """Refuse parameters whose type no text can express, and an `__init__` that the engine cannot
    call.

    Raises:
        JobLoadError: names the first one.
    """
    for name, kind in cls.parameters().items():
        try:
            TypeAdapter(kind)
        except (PydanticUserError, TypeError) as exc:
            wanted = getattr(kind, "__name__", str(kind))
            raise JobLoadError(
                f"the parameter `{name}` of {cls.__name__} is a {wanted}, which no text can "
                "express; use int, float, bool, str, date, a list or dict of these; if it is not a "
                f"parameter, write `{name}: ClassVar[...]`"
            ) from exc
    for owner in _authors(cls):
        init = vars(owner).get("__init__")
        if init is not None:
            _check_init(cls, owner, init)


def as_json(cls: type[Parametrised], name: str, kind: Any, value: Any) -> Any:
    """Return a parameter's value as JSON, after a check that it comes back unchanged."""
    adapter = TypeAdapter[Any](kind)
    try:
        held = adapter.dump_python(adapter.validate_python(value), mode="json")
        if isinstance(value, set | frozenset):
            # the order of a set of texts differs from process to process
            held = sorted(held, key=repr)
        if adapter.validate_python(held) == value or value != value:  # noqa: PLR0124 - a nan
            return held
    except ValidationError as exc:
        raise ParameterError(_wrong_value(cls, name, kind, value, exc)) from None
    except ValueError:
        pass
    raise ParameterError(
        f"parameter {name} of {cls.__name__} has the value {value!r}, which JSON does not support"
    )


def _authors(cls: type) -> list[type]:
    """Return the classes below `Job` or `Chain` that an author wrote."""
    return [
        base for base in cls.__mro__ if issubclass(base, Parametrised) and base not in _bases(cls)
    ]


def _bases(cls: type) -> list[type]:
    """Return `Parametrised`, and `Job` or `Chain`."""
    found = [base for base in cls.__mro__ if issubclass(base, Parametrised)]
    return found[-2:]


def _settings(cls: type) -> set[str]:
    """Return the names of `Job` or `Chain` itself; annotating one does not make it a parameter."""
    return {name for base in _bases(cls) for name in vars(base)}


def _given_what_it_takes(init: Callable[..., None]) -> Callable[..., None]:
    """Wrap an author's `__init__` to pass only the parameters that it names."""
    from mapreduce.user_code.calls import Place, user_code  # late: it imports this module

    named = inspect.signature(init).parameters
    takes_all = any(each.kind is inspect.Parameter.VAR_KEYWORD for each in named.values())

    @functools.wraps(init)
    def initialise(self: Any, *args: Any, **parameters: Any) -> None:
        taken = {name: value for name, value in parameters.items() if takes_all or name in named}
        with user_code(Place("__init__")):
            init(self, *args, **taken)

    return initialise


def _check_init(cls: type[Parametrised], owner: type, init: Callable[..., None]) -> None:
    parameters = cls.parameters()
    _, *named = inspect.signature(init).parameters.values()
    for each in named:
        any_kind = each.kind in (inspect.Parameter.VAR_KEYWORD, inspect.Parameter.VAR_POSITIONAL)
        if not any_kind and each.name not in parameters:
            raise JobLoadError(
                f"the `__init__` of {owner.__name__} has the argument `{each.name}`, but the "
                "engine creates the instances; write a parameter in the class, "
                f"`{each.name}: int = 0`, and use it in `map_setup`"
            )
        if each.default is inspect.Parameter.empty and not any_kind:
            raise JobLoadError(
                f"the `__init__` of {owner.__name__} needs the argument `{each.name}`, which is "
                f"already a parameter; write `def __init__(self)`, and read `self.{each.name}`"
            )


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


def _wrong_value(
    cls: type[Parametrised], name: str, kind: Any, value: Any, exc: ValidationError
) -> str:
    wanted = getattr(kind, "__name__", str(kind))
    return (
        f"parameter {name} of {cls.__name__} wants {wanted}, not {value!r}: "
        f"{exc.errors()[0]['msg']}"
    )


def _unknown_parameter(cls: type[Parametrised], name: str, known: Mapping[str, Any]) -> str:
    if any(name in inspect.get_annotations(owner) for owner in _authors(cls)) and not hasattr(
        cls, name
    ):
        return (
            f"`{name}` of {cls.__name__} has no default, so it is not a parameter; "
            f"give it one: `{name}: str = ''`"
        )
    has = ", ".join(sorted(known)) if known else "none"
    return f"{cls.__name__} has no parameter {name!r}; it has: {has}"
