"""Whether a class is still what its source says, because only the source reaches the workers."""

from __future__ import annotations

import ast
import builtins
import inspect
import sys
from types import FunctionType, ModuleType
from typing import Any

from driver.api.live.statements import attributes_of, call_of, literal_of
from mapreduce.chain import Chain
from mapreduce.errors import JobLoadError
from mapreduce.job import Job


def check_as_written(cls: type, node: ast.stmt, name: str) -> None:
    """Refuse a class that was changed after it was defined.

    Args:
        cls: the class.
        node: its definition.
        name: of the class.

    Raises:
        JobLoadError: names the attribute.
    """
    plain = isinstance(node, ast.ClassDef) and not node.decorator_list and not node.keywords
    if not issubclass(cls, Job | Chain) or not plain:
        return  # a decorator, or a metaclass such as an enum's, may add what it likes
    assert isinstance(node, ast.ClassDef)
    written, module = attributes_of(node), sys.modules[cls.__module__]
    for attribute, value in vars(cls).items():
        if attribute.startswith("__") and attribute != "__init__":
            continue
        statement = written.get(attribute)
        if statement is None and not _is_pythons(attribute):
            raise _changed(name, attribute, "is not in its source")
        if statement is not None and not _is_written(value, statement, module):
            raise _changed(name, attribute, "is not what its source says")


def _is_pythons(attribute: str) -> bool:
    return attribute.startswith(("_abc_", "_member_", "_value2member_", "_mapreduce_"))


def _is_written(value: Any, node: ast.stmt, module: ModuleType) -> bool:
    """Return whether a value may come from a statement; one that is computed may."""
    held = getattr(value, "__func__", None) or getattr(value, "fget", None) or value
    inner = inspect.unwrap(held) if callable(held) else held
    if isinstance(node, ast.FunctionDef):
        return not isinstance(inner, FunctionType) or (
            node.lineno <= _line(inner, node) <= (node.end_lineno or 0)
        )
    literal, is_literal = literal_of(node)
    if is_literal:
        return type(value) is type(literal) and repr(value) == repr(literal)
    made = call_of(node)
    if made is None:
        return True
    cls = getattr(module, made[0], getattr(builtins, made[0], None))
    if not isinstance(cls, type):
        return cls is not None  # a name that is not in memory: the source is newer
    if type(value) is not cls or made[1] is None:
        return type(value) is cls
    return _is_made_by(value, cls, made[1])


def _is_made_by(value: Any, cls: type, options: dict[str, object]) -> bool:
    """Return whether a call gives an equal object: it may hold its options in another form."""
    try:
        again = cls(**options)
    except Exception:  # noqa: BLE001 - it needs more than its options, and may come from there
        return True
    return bool(value == again) or getattr(value, "__dict__", 0) == getattr(again, "__dict__", 1)


def _line(function: FunctionType, node: ast.FunctionDef) -> int:
    """Return a function's first line, after its decorators."""
    first = min([node.lineno, *(each.lineno for each in node.decorator_list)])
    line = function.__code__.co_firstlineno
    return node.lineno if line == first else line


def _changed(name: str, attribute: str, how: str) -> JobLoadError:
    return JobLoadError(
        f"`{attribute}` of {name} {how}: it was changed after the class was defined, or the file "
        "was changed after its import; run the cell again, reload the module, or make it a "
        "parameter"
    )
