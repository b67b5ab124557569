"""Joins of rows without objects of Python, held against the job's own methods and nested loops."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mapreduce import Csv, Job, JsonLines, RowJoin, native
from mapreduce.check.laws import check
from mapreduce.check.reference import PlainInput
from mapreduce.engine import joined_rows as module
from mapreduce.errors import JobLoadError, RecordError, UserCodeError
from mapreduce.native.extension import HeldRows
from mapreduce.testing import Answer, run
from mapreduce.user_code.row_join import How
from mapreduce_jobs.join import Join

HOWS: tuple[How, ...] = get_args(How)
HELD: dict[How, tuple[str, ...]] = {
    "inner": ("right", "left"),
    "left": ("right",),
    "right": ("left",),
    "outer": (),
    "semi": ("right",),
    "anti": ("right",),
}
SIDES = [(how, side) for how in HOWS for side in HELD[how]]
TYPED = {"id": "int", "name": "str", "cents": "float", "good": "bool"}
Row = dict[str, Any]


class ByRow(Job):
    """A join by its methods alone."""

    how: str = "inner"
    group_by = 1
    input_format = {"left": Csv(), "right": Csv()}  # noqa: RUF012

    def broadcasts(self) -> tuple[str, ...]:
        return HELD[self.how]  # type: ignore[index]

    def map(self, key: int, value: Row) -> Iterator[tuple[Any, Any]]:
        """Yield the row under its id."""
        yield (value["id"], self.input == "left"), value

    def map_joined(
        self, held: Mapping[Any, Sequence[Row]], records: Iterator[tuple[int, Row]]
    ) -> Iterator[tuple[Any, Any]]:
        """Yield the pairs of each row."""
        for _, row in records:
            found = held.get(row["id"], ())
            if self.how in ("semi", "anti"):
                if bool(found) == (self.how == "semi"):
                    yield row["id"], row
                continue
            for other in found or (() if self.how == "inner" else (None,)):
                yield row["id"], (row, other) if self.input == "left" else (other, row)

    def reduce(self, key: Any, values: Iterator[Any]) -> Iterator[tuple[Any, Any]]:
        """Is never called here."""
        yield key, list(values)


class InBytes(ByRow):
    """The same join, which the engine may do."""

    def row_join(self) -> RowJoin:
        return RowJoin("id", self.how)  # type: ignore[arg-type]

    map = ByRow.map
    map_joined = ByRow.map_joined


class LinesByRow(ByRow):
    """The same of JSON Lines."""

    input_format = {"left": JsonLines(columns=TYPED), "right": JsonLines(columns=TYPED)}  # noqa: RUF012


class LinesInBytes(LinesByRow):
    """The same, which the engine may do."""

    row_join = InBytes.row_join
    map = ByRow.map
    map_joined = ByRow.map_joined


def no_calls(patch: pytest.MonkeyPatch) -> None:
    """Let no row become an object of Python."""

    def called(*_arguments: Any) -> None:
        raise AssertionError("a row went through Python")

    for cls in InBytes, LinesInBytes:
        patch.setattr(cls, "map", called)
        patch.setattr(cls, "map_joined", called)


def nested_loop(left: list[Row], right: list[Row], how: str) -> list[tuple[Any, Any]]:
    """Join by comparing every row with every other; the held rows of none are in no result."""
    pairs: list[tuple[Any, Any]] = []
    none: list[Any] = [None]
    streamed, held = (right, left) if how == "right" else (left, right)
    for row in streamed:
        others = [other for other in held if other["id"] == row["id"]]
        if how in ("semi", "anti"):
            pairs += [(row["id"], row)] * (bool(others) == (how == "semi"))
            continue
        for other in others or ([] if how == "inner" else none):
            pairs.append((row["id"], [other, row] if how == "right" else [row, other]))
    return pairs


def in_one_order(pairs: Sequence[tuple[Any, Any]]) -> list[str]:
    """Return pairs as sorted texts."""
    return sorted(json.dumps(pair, sort_keys=True) for pair in pairs)


keys = st.sampled_from(["", "1", "01", "ä", "a" * 16, "b" * 15, "k" * 17, "\x00", "1\x00", 'q"'])
texts = st.text('aä🎈 ,"\n', max_size=4) | st.sampled_from(["x" * 31, "x" * 32, "x" * 300, "\\N"])


def table(rows: list[Row], names: list[str], end: str) -> bytes:
    """Return rows as a CSV file, written by the standard library."""
    file = io.StringIO(newline="")
    writer = csv.DictWriter(file, names, lineterminator=end)
    writer.writeheader()
    writer.writerows(rows)
    return file.getvalue().encode()


@settings(max_examples=60, deadline=None)
@given(
    left=st.lists(st.fixed_dictionaries({"id": keys, "name": texts}), max_size=9),
    right=st.lists(st.fixed_dictionaries({"name": texts, "id": keys, "": texts}), max_size=9),
    choice=st.sampled_from(SIDES),
    end=st.sampled_from(["\n", "\r\n"]),
    splits=st.integers(1, 3),
    memory=st.sampled_from([256, 2_000, 1 << 26]),
    extra=st.sampled_from([b"", b"\n\n", b'"open', b"1,2,3,4\n", b"\xff,a\n", b"1,\xe4\n"]),
)
def test_rows_of_csv(
    left: list[Row],
    right: list[Row],
    choice: tuple[How, str],
    end: str,
    splits: int,
    memory: int,
    extra: bytes,
) -> None:
    """The parts are those of the methods, pair for pair and count for count, or the error is."""
    how, side = choice
    right = [
        {("more" if name == "" else name): text for name, text in row.items()} for row in right
    ]
    inputs = {
        "left": table(left, ["id", "name"], end) + extra,
        "right": table(right, ["name", "id", "more"], end),
    }
    slow, fast = (outcome(cls(how=how), inputs, splits, memory, side) for cls in (ByRow, InBytes))
    assert slow == fast
    if not extra.strip():
        assert isinstance(fast, Answer)
        assert in_one_order(nested_loop(left, right, how)) == in_one_order(fast.pairs)


def outcome(
    job: Job, inputs: Mapping[str, bytes], splits: int, memory: int, side: str
) -> Answer | str:
    """Return the answer of a run, or its error."""
    try:
        return run(job, inputs=inputs, splits=splits, memory_bytes=memory, broadcast=side)
    except (RecordError, UserCodeError) as exc:
        return repr(exc).replace("InBytes", "ByRow")


class ChosenByRow(ByRow):
    """A join of some columns."""

    input_format = {"left": Csv(columns=("cents", "id")), "right": Csv(columns=("id", "name"))}  # noqa: RUF012


class ChosenInBytes(ChosenByRow):
    """The same, which the engine may do."""

    row_join = InBytes.row_join
    map = ByRow.map
    map_joined = ByRow.map_joined


@pytest.mark.parametrize(("how", "side"), SIDES)
def test_rows_of_chosen_columns(how: How, side: str) -> None:
    """A joined row has the columns of the format, in their order."""
    inputs = {
        "left": b"id,day,cents\n1,mon,5\n2,tue,7\n3,wed,9\n",
        "right": b'name,id,more\na,1,x\nb,1,"y"\nc,2,z\nd,4,w\n',
    }
    slow, fast = (
        outcome(cls(how=how), inputs, 2, 1 << 26, side) for cls in (ChosenByRow, ChosenInBytes)
    )
    assert isinstance(fast, Answer)
    assert repr(slow) == repr(fast)
    assert "day" not in repr(fast)


numbers = st.none() | st.sampled_from(
    [0, 1, -1, -33, 127, 255, 256, 65536, 10**17, 2**63 - 1, 2**64]
)
lines = st.fixed_dictionaries(
    {"id": st.none() | st.sampled_from([0, 1, -200, 70_000])},
    optional={
        "name": st.none() | texts,
        "cents": st.none() | st.sampled_from([0.5, -0.0, 1e300, 3, 1e400]),
        "good": st.none() | st.booleans(),
        "other": numbers,
    },
)


@settings(max_examples=60, deadline=None)
@given(
    left=st.lists(lines, max_size=9),
    right=st.lists(lines, max_size=9),
    choice=st.sampled_from(SIDES),
    memory=st.sampled_from([256, 1 << 26]),
    extra=st.sampled_from([b"", b"\n \n", b'{"id":1.5}\n', b'{"id":1,"id":1}\n', b'["x"]\n']),
)
def test_rows_of_json_lines(
    left: list[Row], right: list[Row], choice: tuple[How, str], memory: int, extra: bytes
) -> None:
    """Null keys, missing fields, every kind of value: as the methods have it."""
    how, side = choice
    inputs = {
        "left": b"".join(json.dumps(row).encode() + b"\n" for row in left) + extra,
        "right": b"".join(json.dumps(row, ensure_ascii=False).encode() + b"\n" for row in right),
    }
    slow, fast = (
        outcome(cls(how=how), inputs, 2, memory, side) for cls in (LinesByRow, LinesInBytes)
    )
    assert repr(slow).replace("LinesByRow", "") == repr(fast).replace("LinesByRow", "")


@pytest.mark.parametrize("implementation", ["native"], indirect=True)
def test_no_row_becomes_an_object(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither a held row nor one of the other input."""
    no_calls(monkeypatch)
    inputs = {"left": b"id,n\n1,a\n2,b\n1,c\n", "right": b"id,m\n1,x\n3,y\n1,z\n"}
    for how, side in SIDES:
        answer = run(InBytes(how=how), inputs=inputs, splits=1, broadcast=side)
        assert run(ByRow(how=how), inputs=inputs, splits=1, broadcast=side) == answer


@pytest.mark.parametrize("implementation", ["native"], indirect=True)
def test_no_line_becomes_an_object(monkeypatch: pytest.MonkeyPatch) -> None:
    """A joined row has the fields of the format, in their order."""
    no_calls(monkeypatch)
    inputs = {
        "left": b'{"good":true,"id":1,"name":"x"}\n{"id":null}\n',
        "right": b'{"id":1,"name":null}\n{}\n',
    }
    for how, side in SIDES:
        answer = run(LinesInBytes(how=how), inputs=inputs, splits=1, broadcast=side)
        by_row = run(LinesByRow(how=how), inputs=inputs, splits=1, broadcast=side)
        assert repr(by_row) == repr(answer)


def test_a_batch_that_only_python_reads() -> None:
    """Goes through the methods, with the rows that are held in bytes."""
    inputs = {"left": b"id,n\n1,\xff\n2,b\n", "right": b"id,m\n1,x\n1,\xfe\n"}
    answer = run(InBytes(), inputs=inputs, splits=1, broadcast="right")
    assert run(ByRow(), inputs=inputs, splits=1, broadcast="right") == answer
    assert [("1", [{"id": "1", "n": "\ufffd"}, {"id": "1", "m": m}]) for m in ("x", "\ufffd")] == (
        answer.pairs
    )
    assert {"invalid_utf8": 2} == answer.counters


def test_a_class_that_redefines_a_method() -> None:
    """Is not joined without it."""

    class Shouting(InBytes):
        def map(self, key: int, value: Row) -> Iterator[tuple[Any, Any]]:
            for each, row in super().map(key, value):
                yield each, {name: text.upper() for name, text in row.items()}

    class Silent(InBytes):
        def map_joined(
            self, held: Mapping[Any, Sequence[Row]], records: Iterator[tuple[int, Row]]
        ) -> Iterator[tuple[Any, Any]]:
            for _ in records:
                yield from ()

    inputs = {"left": b"id,n\n1,a\n", "right": b"id,m\n1,x\n"}
    joined = [("1", [{"id": "1", "n": "a"}, {"id": "1", "m": "x"}])]
    assert joined == run(InBytes(), inputs=inputs, broadcast="right").pairs
    joined[0][1][1] = {"id": "1", "m": "X"}
    assert joined == run(Shouting(), inputs=inputs, broadcast="right").pairs
    assert [] == run(Silent(), inputs=inputs, broadcast="right").pairs


def test_without_the_extension(monkeypatch: pytest.MonkeyPatch) -> None:
    """The methods do it."""
    inputs = {"left": b"id,n\n1,a\n", "right": b"id,m\n1,x\n"}
    answer = run(InBytes(), inputs=inputs, broadcast="right")
    monkeypatch.setattr(native, "extension", None)
    assert answer == run(InBytes(), inputs=inputs, broadcast="right")


def test_what_row_join_may_return() -> None:
    """A `RowJoin` of a known kind, or None."""

    class Wrong(InBytes):
        def row_join(self) -> Any:
            return "id"

    class No(InBytes):
        def row_join(self) -> Any:
            return None

    class Unnamed(InBytes):
        input_format = {"orders": Csv(), "right": Csv()}  # noqa: RUF012

    class Three(InBytes):
        input_format = {"left": Csv(), "right": Csv(), "more": Csv()}  # noqa: RUF012

    inputs = {"left": b"id,n\n1,a\n", "right": b"id,m\n1,x\n"}
    with pytest.raises(JobLoadError, match=r"left='left', and `input_format` names 'orders', 'ri"):
        run(Unnamed(), inputs={"orders": b"id\n1\n", "right": b"id\n1\n"}, broadcast="right")
    with pytest.raises(JobLoadError, match="name one of two inputs as left"):
        run(Three(), inputs={**inputs, "more": b"id\n1\n"}, broadcast="right")
    with pytest.raises(JobLoadError, match=r"`row_join` of Wrong returned 'id'; return RowJoin"):
        run(Wrong(), inputs=inputs, broadcast="right")
    assert 1 == len(run(No(), inputs=inputs, broadcast="right").pairs)
    with pytest.raises(ValueError, match="how is one of inner, left"):
        RowJoin("id", "cross")  # type: ignore[arg-type]


@pytest.mark.parametrize("implementation", ["native"], indirect=True)
def test_check_compares_the_join_with_the_methods() -> None:
    """A `row_join` that says something else is a breach."""

    class Lying(Join):
        def row_join(self) -> RowJoin:
            return RowJoin("n", "inner")

    inputs = [PlainInput(f"{name}.csv", b"id,n\n1,2\n2,2\n", name) for name in ("left", "right")]
    assert [] == check(Join, inputs)
    assert ["broadcast of right", "`row_join` with right"] == [
        each.way for each in check(Lying, inputs)
    ]


def test_a_job_that_holds_nothing() -> None:
    """Has no `row_join`."""

    class Alone(Job):
        def map(self, key: int, value: str) -> Iterator[tuple[str, int]]:
            yield value, key

        def row_join(self) -> RowJoin:
            return RowJoin("id")

    with pytest.raises(JobLoadError, match="`row_join` alone"):
        Alone.check()


def test_a_key_with_more_pairs_than_memory() -> None:
    """The collector is emptied between the pairs of one row."""
    right = b"id,m\n" + b"".join(b"1,%d\n" % number for number in range(3000))
    inputs = {"left": b"id,n\n1,a\n1,b\n", "right": right}
    answer = run(InBytes(), inputs=inputs, splits=1, broadcast="right", memory_bytes=20_000)
    assert [[n, str(m)] for n in "ab" for m in range(3000)] == [
        [row["n"], other["m"]] for _, (row, other) in answer.pairs
    ]


def test_the_pairs_of_many_keys() -> None:
    """The table grows, and finds each key."""
    held = HeldRows()
    for number in range(5000):
        held.add_pair(b"%d" % (number % 4000) * (1 + number % 2 * 4), b"%d" % number)
    groups = dict(held.groups())
    assert (5000, 4000) == (len(held), len(groups))
    assert [b"7", b"4007"] == groups[b"7" * 5]
    assert held.nbytes > 5000


def test_arguments_that_are_no_rows() -> None:
    """Buffers that are not those of the rows are refused, and nothing is read behind them."""
    held = HeldRows()
    good = (b"\xa1a", 0, b"", b"xy", b"\0\0\0\0\1\0\0\0\2\0\0\0")
    assert held.add((good,), 2, 0, True)
    for bad in (
        (b"", 0, b"", b"xy", good[4]),
        (b"\xa1a", 0, b"", b"x", good[4]),
        (b"\xa1a", 0, b"", b"xy", good[4][:-1]),
        (b"\xa1a", 1, b"", b"12345678", b""),
        (b"\xa1a", 3, b"", b"", b""),
        (b"\xa1a", 4, b"", b"xy", b""),
    ):
        with pytest.raises(ValueError, match="buffers of a column"):
            held.add((bad,), 2, 0, True)
    for rows, on in ((-1, 0), (2, 1), (2, -1)):
        with pytest.raises(ValueError, match="no such column"):
            held.add((good,), rows, on, True)
    with pytest.raises(ValueError, match="at least one byte"):
        held.add_pair(b"", b"")
    with pytest.raises(TypeError, match="a Collector"):
        held.join(held, (good,), 2, 0, 0, False, 0, 0)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="no such join"):
        held.join(held, (good,), 2, 0, 4, False, 0, 0)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="a column is"):
        held.add((1,), 2, 0, True)  # type: ignore[arg-type]
    assert 2 == len(held)


def test_a_number_that_no_pair_carries() -> None:
    """Is left to Python, which says so, and 1.0 and True are keys of no table."""
    held = HeldRows()
    text = (b"\xa1a", 0, b"", b"x", b"\0\0\0\0\1\0\0\0")
    real = (b"\xa1b", 2, b"", b"\0\0\0\0\0\0\xf8\x7f", b"")
    assert not held.add((text, real), 1, 0, True)
    assert held.add((text, (b"\xa1b", 2, b"\0", real[3], b"")), 1, 0, True)
    one = (b"\xa1b", 2, b"", b"\0\0\0\0\0\0\xf0\x3f", b"")
    assert not held.add((text, one), 1, 1, True)
    assert not held.add(((b"\xa1b", 3, b"", b"\1", b""),), 1, 0, True)
    assert 1 == len(held)
    assert module.joined_rows(InBytes(), object()) is None  # type: ignore[arg-type]
