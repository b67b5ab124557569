"""Which columns a pair fills."""

from __future__ import annotations

from typing import Any

import pytest

from mapreduce.formats.table import (
    NotARow,
    fill_two,
    frozen_columns,
    row_of,
    rows_of,
    wrong_columns,
)


@pytest.mark.parametrize(
    ("key", "value", "columns", "expected"),
    [
        ("k", 1, (), ("k", 1)),
        (["a", 1], [2, 3], (), (["a", 1], [2, 3])),
        ("k", 1, ("a", "b"), ("k", 1)),
        ("k", [1, 2], ("a", "b", "c"), ("k", 1, 2)),
        (["x", ["y", "z"]], 1, ("a", "b", "c"), ("x", ["y", "z"], 1)),
        (None, "line", ("a", "b"), (None, "line")),
        ("k", None, ("a", "b"), ("k", None)),
        ("k", [], ("a",), ("k",)),
        ([], "v", ("a",), ("v",)),
        ("k", {"c": 3, "b": 2}, ("a", "b", "c"), ("k", 2, 3)),
        ("k", {"c": 3}, ("a", "b", "c"), ("k", None, 3)),
        (["x", "y"], {}, ("a", "b", "c"), ("x", "y", None)),
        ({"base64": "AA=="}, {"base64": "AA=="}, ("a", "b"), ({"base64": "AA=="},) * 2),
    ],
)
def test_rows(key: Any, value: Any, columns: tuple[str, ...], expected: tuple[Any, ...]) -> None:
    """The key's fields come first, then the value's, a dict's by their names."""
    assert expected == row_of(key, value, columns)


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("k", 1, "has 2 fields, and `columns` 3: a, b, c"),
        ("k", [1, 2, 3], "has 4 fields"),
        (["x", "y"], [1, 2], "has 4 fields"),
        ("k", {"d": 1}, "has the field 'd'; `columns` has: a, b, c"),
        (["x", "y"], {"b": 1}, "gives the column 'b' twice"),
        (["x", "y", "z", "w"], {}, "has 5 fields"),
    ],
)
def test_pairs_that_do_not_fit(key: Any, value: Any, message: str) -> None:
    """A pair with another number of fields, or another name, is refused and named."""
    with pytest.raises(NotARow, match=message) as error:
        list(rows_of([(key, value)], ("a", "b", "c")))
    assert str(error.value).startswith(f"the pair {key!r}, {value!r} ")


@pytest.mark.parametrize(
    ("columns", "wrong"),
    [
        ("abc", "is 'abc'; write a tuple"),
        (3, "is 3; write a tuple"),
        (("a", 1), "has 1; a column's name is a text"),
        (("a", " "), "has ' '; a column's name is a text"),
        (("a", "b\n"), "control characters"),
        (("a", "\ud800"), "control characters"),
        (("User", "user"), "has 'User' twice"),
    ],
)
def test_wrong_columns(columns: object, wrong: str) -> None:
    """Names must be texts, and differ in more than small and capital letters."""
    assert wrong in wrong_columns(columns)


@pytest.mark.parametrize("columns", [(), ("a",), ["größe", 'x "y"', "a b"]])
def test_good_columns(columns: object) -> None:
    """Any other texts are names."""
    assert "" == wrong_columns(columns)


OUTPUTS = {"errors": ("line", "why"), "counts": ("n",)}


@pytest.mark.parametrize(
    ("key", "value", "expected"),
    [
        (["errors", "x"], "y", ("errors", "x", "y")),
        ("errors", ["x", "y"], ("errors", "x", "y")),
        (["errors", "x"], {"why": "y"}, ("errors", "x", "y")),
        ("counts", 3, ("counts", 3)),
        (["counts"], 3, ("counts", 3)),
    ],
)
def test_outputs(key: Any, value: Any, expected: tuple[Any, ...]) -> None:
    """The first field of the key names the output, and the others fill its columns."""
    assert expected == row_of(key, value, OUTPUTS)


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("other", 1, "names no output in the first field of its key; .* outputs: errors, counts"),
        (3, 1, "names no output"),
        ([], 1, "names no output"),
        ([["errors"], "x"], 1, "names no output"),
        ("counts", [1, 2], "has 2 fields, and `columns` 1: n"),
        (["errors", "x"], {"line": "y"}, "gives the column 'line' twice"),
    ],
)
def test_pairs_of_no_output(key: Any, value: Any, message: str) -> None:
    """A pair that names no output, or does not fill its columns, is refused."""
    with pytest.raises(NotARow, match=message):
        row_of(key, value, OUTPUTS)


@pytest.mark.parametrize(
    ("columns", "wrong"),
    [
        ({"a/b": ("x",)}, "has the output 'a/b'; a name has letters"),
        ({1: ("x",)}, "has the output 1"),
        ({"a": ()}, "has the output 'a' without a column"),
        ({"a": "x"}, "is 'x'; write a tuple of names"),
        (
            {"a": ("x", "X")},
            "has 'x' twice (small and capital letters are the same), in",
        ),
        ({"a": ("x",), "A": ("x",)}, "two outputs whose names differ in small and capital"),
        ({}, "is {}; leave it out"),
    ],
)
def test_wrong_outputs(columns: Any, wrong: str) -> None:
    """Names of outputs can be names of folders, and each has columns."""
    assert wrong in wrong_columns(columns)
    assert "" == wrong_columns(OUTPUTS)


def test_frozen_columns() -> None:
    """Messages hold tuples, whatever the author writes."""
    assert ("a", "b") == frozen_columns(["a", "b"])
    assert {"x": ("a",)} == frozen_columns({"x": ["a"]})


def test_what_a_text_and_a_number_fill() -> None:
    """Two columns take any pair of a text and a number; an output takes only some."""
    assert [True, True, False, False] == [
        fill_two(each) for each in ((), ("a", "b"), ("a",), {"x": ("a", "b")})
    ]
