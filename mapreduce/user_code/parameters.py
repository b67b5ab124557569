"""Typed parameters: annotated class attributes with defaults, set by name, rejected with a clear
message.
"""

from __future__ import annotations

import functools
import inspect
import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from itertools import takewhile
from types import MappingProxyType
from typing import Any, ClassVar, Self, TypeVar, get_type_hints

from pydantic import TypeAdapter, ValidationError
from pydantic.errors import PydanticUserError

from mapreduce.errors import JobLoadError, ParameterError
from mapreduce.user_code.settings import SETTINGS, Settings

Given = TypeVar("Given")

_ASKED_OF_CLASSES = frozenset(("check", "parameters", "parameter_values"))
"""Methods that checking a class needs, so a class that hides one is refused when it is defined."""


class Parametrised(Settings):
    """The base of `Job` and `Chain`.

    A parameter is an annotated class attribute (`min_length: int = 1`); `--param min_length=3` sets
    it. Without a default (`pattern: str`) it is required. An attribute whose name starts with an
    underscore, or that is a `ClassVar`, is not a parameter.
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
        for name, value in _PASSED.get().items():
            if name in known and name not in parameters:
                setattr(made, name, _passed_on(cls, name, known[name], value))
        check_required(cls, vars(made))
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
        own = {
            name for base in _authors(cls) for name in {*vars(base), *inspect.get_annotations(base)}
        }
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
    return _as_json(cls, assignments, _parsed)


def parameters_as_json(cls: type[Parametrised], values: Mapping[str, object]) -> dict[str, Any]:
    """Return parameter values, as JSON, from values of Python.

    Raises:
        ParameterError: an unknown name, or a value that is not of the parameter's type.
    """
    return _as_json(cls, values, _converted)


def _as_json(
    cls: type[Parametrised],
    given: Mapping[str, Given],
    read: Callable[[type[Parametrised], str, Any, Given], Any],
) -> dict[str, Any]:
    known = cls.parameters()
    for name in given:
        if name not in known:
            raise ParameterError(_unknown_parameter(cls, name, known))
    return {
        name: as_json(cls, name, known[name], read(cls, name, known[name], value))
        for name, value in given.items()
    }


_PASSED: ContextVar[Mapping[str, Any]] = ContextVar("_PASSED", default=MappingProxyType({}))
"""The parameters of the chain whose `steps` runs."""


@contextmanager
def passing(chain: Parametrised) -> Iterator[None]:
    """Let each instance made in the block have the chain's parameters that it has too, by name,
    unless they are given.
    """
    token = _PASSED.set({name: getattr(chain, name) for name in type(chain).parameters()})
    try:
        yield
    finally:
        _PASSED.reset(token)


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
        held = _finite(held)
        if adapter.validate_python(held) == value or value != value:  # noqa: PLR0124 - a nan
            return held
    except ValidationError as exc:
        raise ParameterError(_wrong_value(cls, name, kind, value, exc)) from None
    except ValueError:
        pass
    raise ParameterError(
        f"parameter {name} of {cls.__name__} has the value {value!r}, which JSON does not support"
    )


def _finite(held: Any) -> Any:
    """Return a JSON value with infinities and nan as texts, for which JSON has no number."""
    if isinstance(held, float) and not math.isfinite(held):
        return repr(held)
    if isinstance(held, list):
        return [_finite(each) for each in held]
    if isinstance(held, dict):
        return {name: _finite(each) for name, each in held.items()}
    return held


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
    return {*SETTINGS, *(name for base in _bases(cls) for name in vars(base))}


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


def _passed_on(cls: type[Parametrised], name: str, kind: Any, value: Any) -> Any:
    try:
        return _converted(cls, name, kind, value)
    except ParameterError as exc:
        raise ParameterError(
            f"the chain passes on its parameter of the same name: {exc}; "
            f"rename one of them, or write {cls.__name__}({name}=...)"
        ) from None


def check_required(cls: type[Parametrised], given: Mapping[str, Any]) -> None:
    """Refuse values in which a required parameter is missing; raises `ParameterError`."""
    known = cls.parameters()
    missing = [name for name in known if name not in given and not hasattr(cls, name)]
    if not missing:
        return
    name = missing[0]
    kind = getattr(known[name], "__name__", str(known[name]))
    options = " ".join(f"--param {each}=..." for each in missing)
    raise ParameterError(
        f"{cls.__name__} needs {options} (`{name}: {kind}` has no default, so it is required)"
    )


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
    has = ", ".join(sorted(known)) if known else "none"
    return f"{cls.__name__} has no parameter {name!r}; it has: {has}"
