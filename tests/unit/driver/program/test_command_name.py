"""The words that start this program, by the way that it was started."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import driver
from driver.program.command_name import AS_MODULE, command_name


@pytest.mark.parametrize(
    ("started", "beside", "expected"),
    [
        ("/env/bin/mapreduce", False, "mapreduce"),
        ("mapreduce", False, "mapreduce"),
        ("/env/lib/driver/__main__.py", False, "python -m driver"),
        ("/env/lib/driver/__main__.py", True, "python -m driver"),
        ("/usr/bin/notebook", True, "mapreduce"),
        ("/usr/bin/notebook", False, "python -m driver"),
        ("", False, "python -m driver"),
    ],
)
def test_the_words_are_those_that_the_user_can_type(
    tmp_path: Path, started: str, beside: bool, expected: str
) -> None:
    """The command and the module name themselves; a program that imports us has the command."""
    if beside:
        (tmp_path / "mapreduce").touch()
    assert expected == command_name(started, str(tmp_path / "python"))


def test_without_an_interpreter_it_is_the_module() -> None:
    """A program with Python inside has no path of an interpreter."""
    assert "python -m driver" == command_name("/usr/bin/program", "")


def test_no_printed_text_has_the_words_itself() -> None:
    """Outside docstrings only one module has the words; templates have none."""
    folder = Path(driver.__file__).parent
    found = {
        path.relative_to(folder).as_posix()
        for path in folder.rglob("*.py")
        if _has_the_words(ast.parse(path.read_text(encoding="utf-8")))
    }
    assert {"program/command_name.py", "cli/completion.py"} == found
    assert [] == [path for path in folder.rglob("*.html") if AS_MODULE in path.read_text()]


def _has_the_words(tree: ast.Module) -> bool:
    docstrings = [node.value for node in ast.walk(tree) if isinstance(node, ast.Expr)]
    return any(
        isinstance(node, ast.Constant)
        and isinstance(node.value, str)
        and AS_MODULE in node.value
        and node not in docstrings
        for node in ast.walk(tree)
    )
