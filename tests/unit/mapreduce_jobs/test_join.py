"""Joins of two tables, compared with nested loops."""

from __future__ import annotations

import csv
import io
import json
from typing import Any, Literal, get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mapreduce import spool
from mapreduce.errors import JobLoadError, UserCodeError
from mapreduce.testing import Answer, PlainInput, run
from mapreduce_jobs.join import Join

How = Literal["inner", "left", "right", "outer", "semi", "anti"]
HOWS: tuple[How, ...] = get_args(How)
Rows = list[dict[str, str]]

text = st.text('ab",\n', max_size=3)


def rows(column: str) -> st.SearchStrategy[Rows]:
    """Return a strategy for rows with few ids, so that many match."""
    return st.lists(
        st.fixed_dictionaries({"id": st.sampled_from(["1", "2", "01", ""]), column: text}),
        max_size=6,
    )


def table(rows: Rows, columns: list[str], end: str) -> bytes:
    """Return rows as a CSV file, written by the standard library."""
    file = io.StringIO(newline="")
    writer = csv.DictWriter(file, columns, lineterminator=end)
    writer.writeheader()
    writer.writerows(rows)
    return file.getvalue().encode()


def nested_loop(left: Rows, right: Rows, how: How) -> list[tuple[str, Any]]:
    """Join by comparing every row with every other."""
    both = [
        (row["id"], [row, other]) for row in left for other in right if row["id"] == other["id"]
    ]
    alone = [row for row in left if all(row["id"] != other["id"] for other in right)]
    others = [row for row in right if all(row["id"] != other["id"] for other in left)]
    left_alone = [(row["id"], [row, None]) for row in alone]
    right_alone = [(row["id"], [None, row]) for row in others]
    by_how: dict[How, list[tuple[str, Any]]] = {
        "inner": both,
        "left": both + left_alone,
        "right": both + right_alone,
        "outer": both + left_alone + right_alone,
        "semi": [(row["id"], row) for row in left if row not in alone],
        "anti": [(row["id"], row) for row in alone],
    }
    return by_how[how]


def in_one_order(pairs: list[tuple[str, Any]]) -> list[str]:
    """Sort pairs, to compare them as multisets."""
    return sorted(json.dumps(pair, sort_keys=True) for pair in pairs)


@settings(max_examples=60, deadline=None)
@given(
    left=rows("amount"),
    right=rows("name"),
    how=st.sampled_from(HOWS),
    end=st.sampled_from(["\n", "\r\n"]),
    splits=st.integers(1, 5),
)
def test_any_tables(left: Rows, right: Rows, how: How, end: str, splits: int) -> None:
    """A join equals nested loops: quotes, line ends in fields, repeated and unmatched ids."""
    inputs = {
        "left": table(left, ["id", "amount"], end),
        "right": table(right, ["name", "id"], end),
    }
    answer = run(Join(how=how), inputs=inputs, splits=splits)
    assert in_one_order(nested_loop(left, right, how)) == in_one_order(answer.pairs)


SIDES = [
    (how, side) for how in HOWS for side in ("left", "right") if side in Join(how=how).broadcasts()
]


@settings(max_examples=60, deadline=None)
@given(
    left=rows("amount"),
    right=rows("name"),
    choice=st.sampled_from(SIDES),
    splits=st.integers(1, 5),
)
def test_a_broadcast_gives_the_same_pairs(
    left: Rows, right: Rows, choice: tuple[How, str], splits: int
) -> None:
    """With either table in memory, a join equals nested loops, and the ledger balances."""
    how, side = choice
    inputs = {
        "left": table(left, ["id", "amount"], "\n"),
        "right": table(right, ["name", "id"], "\n"),
    }
    answer = run(Join(how=how), inputs=inputs, splits=splits, broadcast=side)
    assert in_one_order(nested_loop(left, right, how)) == in_one_order(answer.pairs)


def test_the_tables_that_may_be_broadcast() -> None:
    """A table is held by each map task only where its rows alone are not in the result."""
    assert [
        ("inner", "left"),
        ("inner", "right"),
        ("left", "right"),
        ("right", "left"),
        ("semi", "right"),
        ("anti", "right"),
    ] == SIDES


def test_a_table_that_is_broadcast_may_be_empty() -> None:
    """Without rows on either side, a broadcast gives what the shuffle gives."""
    inputs = {"left": b"id,a\n1,2\n", "right": b""}
    alone = [("1", [{"id": "1", "a": "2"}, None])]
    assert alone == run(Join(how="left"), inputs=inputs, broadcast="right").pairs
    assert [] == run(Join(how="right"), inputs=inputs, broadcast="left").pairs


def join(left: bytes, right: bytes, **parameters: str) -> Answer:
    """Join in three splits."""
    return run(Join(**parameters), inputs={"left": left, "right": right}, splits=3)


def test_tables_that_are_empty() -> None:
    """A table may have only a header, or be empty."""
    assert [] == join(b"id,a\n1,2\n", b"id,b\n").pairs
    assert [] == join(b"", b"id,b\n1,2\n", how="left").pairs
    assert [("1", [{"id": "1", "a": "2"}, None])] == join(b"id,a\n1,2\n", b"", how="left").pairs


def test_several_files_of_one_name() -> None:
    """Several files of one name are one table, whose rows keep the order of the inputs."""
    left = [
        PlainInput(f"{part}.csv", b"k,n\n" + b"x,1\n" * 500 + part.encode() + b",2\n", "left")
        for part in "ab"
    ]
    right = PlainInput("right.csv", b"k,n\nx,3\nx,4\nb,5\n", "right")
    answer = run(Join(on="k"), inputs=[*left, right], splits=4, memory_bytes=16 << 10)
    x = [[{"k": "x", "n": "1"}, {"k": "x", "n": n}] for n in "34"] * 1000
    assert sorted(
        [*(("x", pair) for pair in x), ("b", [{"k": "b", "n": "2"}, {"k": "b", "n": "5"}])],
        key=repr,
    ) == (sorted(answer.pairs, key=repr))


@pytest.mark.parametrize("how", HOWS)
def test_a_key_longer_than_memory(how: How, monkeypatch: pytest.MonkeyPatch) -> None:
    """The right rows of a key that do not fit memory are read again for each left row."""
    monkeypatch.setattr(spool.Spool.__init__, "__defaults__", ((), 1000))
    left = [{"id": "1", "amount": str(number)} for number in range(3)]
    right = [{"id": "1", "name": "n" * (number % 90)} for number in range(300)]
    inputs = {
        "left": table(left, ["id", "amount"], "\n"),
        "right": table(right, ["id", "name"], "\n"),
    }
    answer = run(Join(how=how), inputs=inputs, splits=3)
    assert in_one_order(nested_loop(left, right, how)) == in_one_order(answer.pairs)


def test_a_file_without_the_column_is_an_error() -> None:
    """A file without the column is refused with its input name and its columns."""
    with pytest.raises(UserCodeError, match=r"the input 'right' has no column 'id'; it has a, b"):
        join(b"id,a\n1,2\n", b"a,b\n1,2\n")


def test_an_input_without_a_name_is_an_error() -> None:
    """An input without a name is refused with the form of a name."""
    with pytest.raises(JobLoadError, match="--input left=PATH"):
        run(Join(), inputs={"": b"id\n1\n"})
