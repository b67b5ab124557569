"""The statement that defines a name, in a text, and the names that a statement uses. Pure."""

from __future__ import annotations

import ast
import symtable
import textwrap
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass

_RUN_AT_ONCE = frozenset(("lambda", "listcomp", "setcomp", "dictcomp", "genexpr"))
"""Functions in an expression, which may be called while the statement runs."""
_Definition = ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True, slots=True)
class Statement:
    """A statement at the top of a text: its source, and its first line there."""

    node: ast.stmt
    text: str
    line: int


@dataclass(frozen=True, slots=True)
class Used:
    """The global names that a statement uses: when it runs, and only in the bodies of functions."""

    at_once: frozenset[str]
    later: frozenset[str]


def definition_of(name: str, text: str, line: int | None = None) -> Statement | None:
    """Return the statement of a text that defines a name at its top.

    Args:
        name: of a class, a function, or a variable that holds a lambda.
        text: the source.
        line: the statement must contain this line; None for the last one that defines the name.
    """
    tree = _parsed(text)
    found = [node for node in _top(tree.body) if _defines(node, name)] if tree else []
    if line is not None:
        found = [node for node in found if _first_line(node) <= line <= (node.end_lineno or 0)]
    if not found:
        return None
    node, first = found[-1], _first_line(found[-1])
    lines = text.split("\n")[first - 1 : node.end_lineno]
    if isinstance(node, _Definition):
        return Statement(node, textwrap.dedent("\n".join(lines)), first)
    return Statement(node, ast.get_source_segment(text, node) or "", first)


def imports_future(text: str) -> bool:
    """Return whether a text has `from __future__ import annotations`."""
    tree = _parsed(text)
    return tree is not None and any(
        isinstance(node, ast.ImportFrom)
        and node.module == "__future__"
        and any(alias.name == "annotations" for alias in node.names)
        for node in tree.body
    )


def used_names(text: str) -> Used:
    """Return the global names that a statement uses; builtins are among them."""
    at_once: set[str] = set()
    later: set[str] = set()

    def walk(table: symtable.SymbolTable, found: set[str]) -> None:
        kind = str(getattr(table.get_type(), "value", table.get_type()))
        if kind == "function" and table.get_name() not in _RUN_AT_ONCE:
            found = later
        found.update(
            symbol.get_name()
            for symbol in table.get_symbols()
            if symbol.is_referenced() and (kind == "module" or symbol.is_global())
        )
        for child in table.get_children():
            walk(child, found)

    walk(symtable.symtable(text, "statement", "exec"), at_once)
    at_once.update(_named_in_annotations(text))
    return Used(frozenset(at_once), frozenset(later - at_once))


def _named_in_annotations(text: str) -> Iterator[str]:
    """Yield the names in annotations that are texts: the type of a parameter may be one."""
    for node in ast.walk(ast.parse(text)):
        held = node.annotation if isinstance(node, ast.AnnAssign) else None
        if isinstance(held, ast.Constant) and isinstance(held.value, str):
            with suppress(SyntaxError, ValueError):
                inside = ast.walk(ast.parse(held.value, mode="eval"))
                yield from (each.id for each in inside if isinstance(each, ast.Name))


def submodules_used(name: str, text: str) -> frozenset[str]:
    """Return the dotted attributes of a name that a text uses, `a.b` for `name.a.b`."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(text)):
        parts: list[str] = []
        inner: ast.expr | ast.AST = node
        while isinstance(inner, ast.Attribute):
            parts.insert(0, inner.attr)
            inner = inner.value
        if isinstance(inner, ast.Name) and inner.id == name:
            found.update(".".join(parts[:end]) for end in range(1, len(parts) + 1))
    return frozenset(found)


def attributes_of(node: ast.ClassDef) -> dict[str, ast.stmt]:
    """Return the names that a class's body binds, each with the last statement that does."""
    return {name: each for each in _top(node.body) for name in _bound(each)}


def literal_of(node: ast.stmt) -> tuple[object, bool]:
    """Return the literal that an assignment gives its name, and whether it gives one."""
    value = getattr(node, "value", None) if isinstance(node, ast.Assign | ast.AnnAssign) else None
    try:
        return (ast.literal_eval(value), True) if value is not None else (None, False)
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        return None, False


def call_of(node: ast.stmt) -> tuple[str, dict[str, object] | None] | None:
    """Return the name that an assignment's value calls, and its options, None unless all of them
    are literals.
    """
    value = getattr(node, "value", None)
    if not isinstance(value, ast.Call) or not isinstance(value.func, ast.Name):
        return None
    if value.args:
        return value.func.id, None
    try:
        options = {str(each.arg): ast.literal_eval(each.value) for each in value.keywords}
    except (ValueError, TypeError):
        return value.func.id, None
    return value.func.id, options


def _parsed(text: str) -> ast.Module | None:
    try:
        return ast.parse(text)
    except (SyntaxError, ValueError):
        return None


def _top(body: Iterable[ast.stmt]) -> Iterator[ast.stmt]:
    """Yield statements, also those within `if`, `try`, `with` and loops."""
    for node in body:
        yield node
        if not isinstance(node, _Definition):
            for field in ("body", "orelse", "finalbody"):
                yield from _top(getattr(node, field, ()))
            for handler in getattr(node, "handlers", ()):
                yield from _top(handler.body)


def _defines(node: ast.stmt, name: str) -> bool:
    if isinstance(node, _Definition):
        return node.name == name
    return isinstance(node, ast.Assign | ast.AnnAssign) and name in _bound(node)


def _bound(node: ast.stmt) -> Iterator[str]:
    if isinstance(node, _Definition):
        yield node.name
    elif isinstance(node, ast.Import | ast.ImportFrom):
        yield from (alias.asname or alias.name.partition(".")[0] for alias in node.names)
    elif not isinstance(node, ast.If | ast.Try | ast.With):
        yield from (
            each.id
            for each in ast.walk(node)
            if isinstance(each, ast.Name) and isinstance(each.ctx, ast.Store)
        )


def _first_line(node: ast.stmt) -> int:
    decorators = node.decorator_list if isinstance(node, _Definition) else []
    return min([node.lineno, *(each.lineno for each in decorators)])
