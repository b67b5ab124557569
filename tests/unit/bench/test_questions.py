"""The right answers, on inputs small enough to see, and how answers are compared."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.generated import Table
from bench.questions import (
    Question,
    clusters,
    distinct_lines,
    joined,
    matching,
    page_ranks,
    ranks,
    sorted_lines,
    sums,
    top_words,
    word_count,
)


def written(folder: Path, text: str) -> Path:
    """Return a file of this text."""
    path = folder / "input.txt"
    path.write_text(text)
    return path


@pytest.mark.parametrize(
    ("question", "text", "right"),
    [
        (word_count(), "B a b\n", ["a\t1", "b\t2"]),
        (top_words(2), "c b c\na b\n", ["b\t2", "c\t2"]),
        (matching("a.c"), "abc\nab\nxaxcx\n", ["abc", "xaxcx"]),
        (sorted_lines(), "b\na\nb\n", ["a", "b", "b"]),
        (distinct_lines(), "b\na\nb\n", ["a", "b"]),
    ],
    ids=lambda value: value.name if isinstance(value, Question) else "",
)
def test_right_answers(question: Question, text: str, right: list[str], tmp_path: Path) -> None:
    """The right answer is accepted; one that lacks a line, or has one twice, is not."""
    path = written(tmp_path, text)
    lines = [f"{line}\n".encode() for line in right]
    assert "" == question.wrong(lines, path)
    assert "" == question.wrong(lines, path)  # now from the cache
    assert question.wrong([b"other\n", *lines[1:]], path)
    assert question.wrong(lines[1:], path)
    assert question.wrong([*lines, lines[0]], path)


def test_order_counts_only_where_it_is_asked_for(tmp_path: Path) -> None:
    """Sorted lines in another order are wrong, distinct lines are not."""
    path = written(tmp_path, "b\na\n")
    assert sorted_lines().wrong([b"b\n", b"a\n"], path)
    assert "" == distinct_lines().wrong([b"b\n", b"a\n"], path)
    assert "" == distinct_lines().wrong([b"a\n", b"b\n"], path)


def test_sums_are_those_of_the_csv_file(tmp_path: Path) -> None:
    """The answer for a Parquet file comes from the CSV file of the same rows, and adds up."""
    path = Table("parquet", 1000).made_in(tmp_path)
    totals: dict[str, int] = {}
    for line in Table("csv", 1000).made_in(tmp_path).read_text().splitlines()[1:]:
        _, country, _, cents, _ = line.split(",")
        totals[country] = totals.get(country, 0) + int(cents)
    assert 8 == len(totals)
    lines = [f"{country}\t{total}\n".encode() for country, total in totals.items()]
    assert "" == sums("country", 1000).wrong(lines, path)
    assert sums("user", 1000).wrong(lines, path)


def test_a_join_is_that_of_all_pairs(tmp_path: Path) -> None:
    """Every order meets its customer, found here by trying each one."""
    path = Table("join", 50, 7).made_in(tmp_path)
    orders, customers = (
        [line.split(",") for line in (path / name).read_text().splitlines()[1:]]
        for name in ("orders.csv", "customers.csv")
    )
    lines = [
        f"{customer}\t{order}\t{cents}\t{name}\t{country}\n".encode()
        for order, customer, cents in orders
        for other, name, country in customers
        if other == customer
    ]
    assert 50 == len(lines)
    assert "" == joined().wrong(lines, path)


def test_page_ranks_of_a_circle_and_of_a_dead_end() -> None:
    """In a circle all ranks are equal; the rank of a node without links goes to all nodes."""
    circle = page_ranks({"a": ["b"], "b": ["a"]}, 5)
    assert {"a": 0.5, "b": 0.5} == pytest.approx(circle)
    ends = page_ranks({"a": ["b"], "b": []}, 1)
    share = (0.15 + 0.85 * 0.5) / 2
    assert {"a": share, "b": share + 0.425} == pytest.approx(ends)


def test_floats_are_compared_with_a_tolerance(tmp_path: Path) -> None:
    """A difference in the twelfth digit is none, one in the sixth is, and so is a missing name."""
    path = written(tmp_path, "a\tb\nb\ta\n")
    assert "" == ranks(3).wrong([b"a\t0.5000000000004\n", b"b\t0.5\n"], path)
    assert ranks(3).wrong([b"a\t0.500001\n", b"b\t0.5\n"], path)
    assert ranks(3).wrong([b"a\t0.5\n"], path)


def test_clusters_are_means_of_the_nearest_points(tmp_path: Path) -> None:
    """Two pairs of points around two centres."""
    path = written(tmp_path, "0,0,0\n2,0,0\n9,0,0\n11,0,0\n")
    question = clusters(((0.0, 0.0, 0.0), (10.0, 0.0, 0.0)), 2)
    assert "" == question.wrong([b"0\t2\t1.0 0.0 0.0\n", b"1\t2\t10.0 0.0 0.0\n"], path)
    assert question.wrong([b"0\t2\t1.0 0.0 0.0\n", b"1\t3\t10.0 0.0 0.0\n"], path)
