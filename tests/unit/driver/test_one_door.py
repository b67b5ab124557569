"""Only a few modules print text, and they make it visible."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from tests.unit.sources import tree_of

DRIVER = Path(__file__).resolve().parents[3] / "driver"


def _nodes() -> Iterator[tuple[str, ast.AST]]:
    for path in sorted(DRIVER.rglob("*.py")):
        for node in ast.walk(tree_of(path)):
            yield path.relative_to(DRIVER).as_posix(), node


def test_the_standard_streams_are_used_in_one_place() -> None:
    """Only these modules use the standard streams; one copies what a job in this process prints."""
    using = {
        name
        for name, node in _nodes()
        if isinstance(node, ast.Attribute)
        and isinstance(node.value, ast.Name)
        and node.value.id == "sys"
        if node.attr in ("stdout", "stderr", "__stdout__", "__stderr__")
    }
    assert using == {
        *("cli/streams.py", "cli/terminal.py", "cli/app.py", "cli/export.py"),
        *("report/standard_error.py", "transport/printed.py", "api/calls.py", "__main__.py"),
    }


def test_nothing_is_taken_for_markup() -> None:
    """Consoles and bars are created without markup, and consoles print `Text` and tables only."""
    wrong, made = [], set()
    for name, node in _nodes():
        if not isinstance(node, ast.Call):
            continue
        called = (
            node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        )
        options = {each.arg: getattr(each.value, "value", None) for each in node.keywords}
        is_string = any(isinstance(each, ast.JoinedStr | ast.Constant) for each in node.args)
        if called in ("Console", "TextColumn"):
            made.add(called)
            wrong += [] if options.get("markup") is False else [f"{name}:{node.lineno}"]
        if called in ("from_markup", "render_str", "from_ansi") or (
            called == "print" and is_string
        ):
            wrong.append(f"{name}:{node.lineno}")
    assert wrong == []
    assert made == {"Console", "TextColumn"}
