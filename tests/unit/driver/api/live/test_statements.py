"""The statement of a name, the names that it uses, and what an assignment says."""

from __future__ import annotations

import ast

import pytest

from driver.api.live.statements import (
    attributes_of,
    call_of,
    definition_of,
    imports_future,
    literal_of,
    submodules_used,
    used_names,
)

CELL = """
import a
@a.b
def f(x=1):
    return x

class C: pass

class C:
    n = 1
    def g(self): ...

h = lambda x: x; i = 2
if f:
    def nested():
        return 1
"""


@pytest.mark.parametrize(
    ("name", "line", "expected"),
    [
        ("f", 3, ("@a.b\ndef f(x=1):\n    return x", 3)),
        ("f", 9, None),
        ("C", None, ("class C:\n    n = 1\n    def g(self): ...", 9)),
        ("C", 7, ("class C: pass", 7)),
        ("h", 13, ("h = lambda x: x", 13)),
        ("nested", 15, ("def nested():\n    return 1", 15)),
        ("a", None, None),
        ("x", None, None),
    ],
)
def test_definitions(name: str, line: int | None, expected: tuple[str, int] | None) -> None:
    """The definition has its decorators; without a line, the last one counts."""
    found = definition_of(name, CELL, line)
    assert expected == (found and (found.text, found.line))


def test_a_text_that_is_no_python_defines_nothing() -> None:
    """A text with a syntax error has no definition."""
    assert definition_of("f", "def f(:") is None
    assert not imports_future("def f(:")


@pytest.mark.parametrize(
    ("text", "at_once", "later"),
    [
        ("class C(A):\n    n = B\n    def f(self, x=D): return E", "A B D", "E"),
        ("@A\ndef f(x: B) -> C:\n    y = D\n    def g(): return y, E", "A B C", "D E"),
        ("f = lambda x: x + A", "A", ""),
        ("class C:\n    n: 'A | B[D]' = 1\n    m: '(' = 2", "A B D", ""),
        ("class C:\n    n = [A(x) for x in B]", "A B", ""),
        ("def f():\n    global A\n    A = 1\n    return A, f", "", "A f"),
    ],
)
def test_used_names(text: str, at_once: str, later: str) -> None:
    """A name in a function's body is used later, and all others when the statement runs."""
    found = used_names(text)
    assert (set(at_once.split()), set(later.split())) == (set(found.at_once), set(found.later))


def test_submodules() -> None:
    """The dotted attributes of a module are found, and those of other names not."""
    assert {"b", "b.c"} == submodules_used("a", "a.b.c(x.y)")


def test_what_an_assignment_says() -> None:
    """A literal, and a call with its literal options, are read from an assignment."""
    text = "class C:\n    a = -1\n    b: int = 2\n    c = F(x=1, y=(2,))\n    d: str\n    e = f.g()"
    body = attributes_of(ast.parse(text).body[0])  # type: ignore[arg-type]
    assert ["a", "b", "c", "d", "e"] == list(body)
    assert [(-1, True), (2, True), (None, False)] == [literal_of(body[name]) for name in "abc"]
    assert ("F", {"x": 1, "y": (2,)}) == call_of(body["c"])
    computed = attributes_of(ast.parse("class C:\n    a = F(x=y)\n    b = F(1)").body[0])  # type: ignore[arg-type]
    assert [("F", None)] * 2 == [call_of(computed[name]) for name in "ab"]
    assert [None, None] == [call_of(body[name]) for name in "de"]
    assert imports_future("from __future__ import annotations")
    assert not imports_future("from __future__ import division")
