"""The generated tables are what the questions expect of them."""

from __future__ import annotations

import json
from pathlib import Path

import duckdb
import pytest

from bench.generated import LINES, ORDERS, POINTS, VISITS, Table
from bench.scale import FULL


def test_the_three_formats_have_the_same_rows(tmp_path: Path) -> None:
    """CSV, JSON Lines and Parquet of as many rows have the same values, and 59 bytes a CSV row."""
    csv, jsonl, parquet = (
        Table(kind, 2000).made_in(tmp_path) for kind in ("csv", "jsonl", "parquet")
    )
    header, *lines = csv.read_text().splitlines()
    rows = [dict(zip(header.split(","), line.split(","), strict=True)) for line in lines]
    assert 2000 == len(rows)
    of_json = [json.loads(line) for line in jsonl.read_text().splitlines()]
    assert rows == [{name: str(value) for name, value in row.items()} for row in of_json]
    columns = ", ".join(f'CAST("{name}" AS VARCHAR)' for name in rows[0])
    stored = duckdb.connect().execute(f"SELECT {columns} FROM read_parquet('{parquet}')").fetchall()
    assert [tuple(row.values()) for row in rows] == stored
    assert 59 == round(csv.stat().st_size / 2000)
    assert 8 == len({row["country"] for row in rows})
    assert len({row["user"] for row in rows}) > 1900


def test_lines_have_the_distinct_ones_that_they_say(tmp_path: Path) -> None:
    """About as many lines differ as are asked for, each of 50 bytes with its end."""
    lines = Table("lines", 4000, 2000).made_in(tmp_path).read_bytes().splitlines(keepends=True)
    assert 4000 == len(lines)
    assert {50} == {len(line) for line in lines}
    assert 1600 < len(set(lines)) <= 2000


def test_links_name_only_nodes_that_have_a_line(tmp_path: Path) -> None:
    """Each node has one line, no link leads out of the graph, and there are dead ends."""
    text = Table("links", 1000, 100).made_in(tmp_path).read_text()
    targets = {}
    for line in text.splitlines():
        node, _, names = line.partition("\t")
        targets[node] = names.split(",") if names else []
    assert 100 == len(targets)
    assert all(name in targets for names in targets.values() for name in names)
    assert [] in targets.values()
    assert 500 < sum(map(len, targets.values())) < 1100


def test_points_lie_around_eight_centres(tmp_path: Path) -> None:
    """Each point has three numbers, in the corners of a cube."""
    lines = Table("points", 800).made_in(tmp_path).read_text().splitlines()
    points = [tuple(map(float, line.split(","))) for line in lines]
    assert {3} == {len(point) for point in points}
    assert 8 == len({tuple(axis >= 100 for axis in point) for point in points})


@pytest.mark.parametrize("query", [VISITS, LINES, ORDERS, POINTS])
def test_the_formulas_hold_at_the_full_size(query: str) -> None:
    """The last row of more rows than any scale has overflows no integer."""
    rows = 10 * max(FULL.table_rows, FULL.job_lines, FULL.points, *map(max, FULL.joins))
    last = query.replace("range({rows})", f"range({rows - 1}, {rows})").format(keys=rows)
    assert 1 == len(duckdb.connect().execute(last).fetchall())
