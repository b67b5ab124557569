"""Gathers a class of a notebook, and all that it uses, into the text of one module; never pickles.

The order of the text follows from the names alone, so equal definitions give equal task keys
whatever cells they stand in.
"""

from __future__ import annotations

import builtins
import inspect
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import CodeType, FunctionType, ModuleType
from typing import Any

from driver.api.live.as_written import check_as_written
from driver.api.live.cells import Cell, Cells
from driver.api.live.expressions import TEXT_LIMIT, Live, expression
from driver.api.live.statements import (
    Statement,
    definition_of,
    imports_future,
    submodules_used,
    used_names,
)
from driver.plan.origins import Origin
from mapreduce.errors import JobLoadError

MODULE = "interactive_job"
"""The name of the gathered module."""
_FUTURE = "from __future__ import annotations"
_PREFIX = "_mapreduce_"
"""How names that a value needs, and the author has not given, begin."""


@dataclass(frozen=True, slots=True)
class Gathered:
    """The text of a module, and where its lines come from."""

    text: str
    origins: tuple[Origin, ...]


def gathered(cls: type, namespace: Mapping[str, Any], cells: Cells) -> Gathered:
    """Return the module of a class that lives in no file.

    Args:
        cls: the class.
        namespace: the names of its notebook or REPL.
        cells: where sources are found.

    Raises:
        JobLoadError: its source, or something that it uses, cannot travel.
    """
    if "<locals>" in cls.__qualname__ or "." in cls.__qualname__:
        raise JobLoadError(
            f"{cls.__qualname__} is defined within a function or a class, where a worker cannot "
            "find it; define it at the top of a cell or of a file"
        )
    gathering = _Gathering(dict(namespace) | {cls.__name__: cls}, cls.__module__, cells)
    gathering.name(cls.__name__, cls.__name__)
    return gathering.module()


@dataclass
class _Gathering:
    """What has been gathered so far."""

    namespace: dict[str, Any]
    module_name: str
    cells: Cells
    imports: dict[str, None] = field(default_factory=dict)
    parts: list[tuple[str, Cell | None, int]] = field(default_factory=list)
    seen: set[str] = field(default_factory=set)
    future: bool = False

    def module(self) -> Gathered:
        """Return the module."""
        head = [*([_FUTURE] if self.future else []), *sorted(self.imports)]
        lines, origins = head, []
        for text, cell, line in self.parts:
            lines += ["", ""]
            added = text.rstrip().split("\n")
            if cell is not None:
                first = len(lines) + 1
                last = len(lines) + len(added)
                origins.append(Origin(first=first, last=last, file=cell.label, line=line))
            lines += added
        return Gathered("\n".join(lines) + "\n", tuple(origins))

    def name(self, name: str, user: str) -> None:
        """Take a global name and all that it needs.

        Args:
            name: the name.
            user: what uses it, for messages.
        """
        if name in self.seen or name not in self.namespace:
            return  # a builtin, or a NameError as in the notebook
        self.seen.add(name)
        value = self.namespace[name]
        if hasattr(builtins, name) and getattr(value, "__module__", "").startswith("IPython"):
            return
        if isinstance(value, ModuleType):
            self._import(name, value)
        elif self._is_from_here(value):
            self._definition(name, value)
        elif (place := _importable(value)) is not None:
            module, attribute = place
            alias = "" if attribute == name else f" as {name}"
            self.imports[f"from {module} import {attribute}{alias}"] = None
        else:
            self._value(name, value, user)

    def _is_from_here(self, value: object) -> bool:
        kind = isinstance(value, type) or isinstance(inspect.unwrap(value), FunctionType)  # type: ignore[arg-type]
        return kind and getattr(value, "__module__", None) == self.module_name

    def _import(self, name: str, module: ModuleType) -> None:
        """Take a module, and those of its submodules that are loaded."""
        full = module.__name__
        if full not in sys.modules or getattr(module, "__spec__", None) is None:
            raise JobLoadError(
                f"the module {name} was made by a program, and a worker cannot import it; "
                "write it to a file beside the notebook"
            )
        self.imports[f"import {full}" if full == name else f"import {full} as {name}"] = None

    def _definition(self, name: str, value: Any) -> None:
        """Take a class or a function of the notebook: first what it needs when it is defined."""
        own = value.__name__
        if own not in (name, "<lambda>"):
            # another name of the same thing, or a function that a call has made
            if self.namespace.get(own) is not value:
                raise _no_source(name, value, "it was made by a call, or defined anew since")
            self.name(own, name)
            self.parts.append((f"{name} = {own}", None, 0))
            return
        cell, found = self._source(name, value)
        if isinstance(value, type):
            check_as_written(value, found.node, name)
        self.future = self.future or imports_future(cell.text)
        used = used_names(found.text)
        for each in sorted(used.at_once):
            self.name(each, name)
        self.parts.append((found.text, cell, found.line))
        self._submodules(used.at_once | used.later, found.text)
        for each in sorted(used.later):
            self.name(each, name)

    def _source(self, name: str, value: Any) -> tuple[Cell, Statement]:
        """Return where a class or a function is defined; raises `JobLoadError`."""
        code = _code_of(value)
        if code is not None:
            cell = self.cells.named(code.co_filename)
            found = definition_of(name, cell.text, code.co_firstlineno) if cell else None
            if cell is None or found is None:
                raise _no_source(name, value, "Python keeps no source of it")
            return cell, found
        line = vars(value).get("__firstlineno__") if isinstance(value, type) else None
        for cell in self.cells.newest_first():
            if (found := definition_of(name, cell.text, line)) is not None:
                return cell, found
        raise _no_source(name, value, "Python keeps no source of it")

    def _submodules(self, names: frozenset[str], text: str) -> None:
        for name in sorted(names):
            module = self.namespace.get(name)
            if isinstance(module, ModuleType):
                for each in sorted(submodules_used(name, text)):
                    if f"{module.__name__}.{each}" in sys.modules:
                        self.imports[f"import {module.__name__}.{each}"] = None

    def _value(self, name: str, value: object, user: str) -> None:
        """Take a plain value by its text."""
        try:
            text = expression(value, self._name_of)
            if len(text) > TEXT_LIMIT:
                raise Live(f"a value of more than {TEXT_LIMIT >> 20} MiB as text")
        except (Live, RecursionError) as exc:
            what = exc if isinstance(exc, Live) else "a value that holds itself"
            kind = type(value).__name__
            inside = "" if kind in str(what) else f"a {kind} with "
            raise JobLoadError(
                f"{user} uses the variable `{name}`, which is {inside}{what}: that cannot travel "
                "to a worker; make it in `map_setup`, give it as a parameter, or write it to a "
                "file that `files` names"
            ) from None
        self.parts.append((f"{name} = {text}", None, 0))

    def _name_of(self, value: Any) -> str:
        """Return a name of a class, a function or a module that a value holds."""
        own = getattr(value, "__name__", "")
        if self._is_from_here(value) and self.namespace.get(own) is value:
            self.name(own, own)
            return str(own)
        if isinstance(value, ModuleType):
            module, attribute = value.__name__, ""
        elif (place := _importable(value)) is not None:
            module, attribute = place
        else:
            raise Live(f"the {type(value).__name__} {own or value!r}")
        if module == "builtins" and attribute not in self.namespace:
            return attribute
        alias = _PREFIX + module.replace(".", "_")
        self.imports[f"import {module} as {alias}"] = None
        return f"{alias}.{attribute}" if attribute else alias


def _importable(value: Any) -> tuple[str, str] | None:
    """Return the module and the name by which any process can import a value: the shortest."""
    name = getattr(value, "__qualname__", None) or getattr(value, "_name", None)
    module = getattr(value, "__module__", None)
    if not isinstance(name, str) or not isinstance(module, str) or module == "__main__":
        return None
    steps = module.split(".")
    for end in range(1, len(steps) + 1):
        prefix = ".".join(steps[:end])
        if getattr(sys.modules.get(prefix), name, None) is value:
            return prefix, name
    return None


def _code_of(value: Any) -> CodeType | None:
    """Return the code of a function, or of one that a class's own body defines."""
    function = inspect.unwrap(value) if callable(value) else value
    if isinstance(function, FunctionType):
        return function.__code__
    for each in vars(value).values() if isinstance(value, type) else ():
        held = getattr(each, "__func__", None) or getattr(each, "fget", None) or each
        inner = inspect.unwrap(held) if callable(held) else held
        if isinstance(inner, FunctionType) and inner.__code__.co_qualname.startswith(
            f"{value.__qualname__}."
        ):
            return inner.__code__
    return None


def _no_source(name: str, value: object, why: str) -> JobLoadError:
    what = "class" if isinstance(value, type) else "function"
    return JobLoadError(
        f"the source of the {what} {name} cannot be found: {why}; define it in a cell of a "
        "notebook, or write it to a .py file and import it"
    )
