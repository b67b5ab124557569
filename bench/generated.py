"""The generated tables, lines, links and points: equal names mean equal bytes everywhere.

DuckDB writes them from formulas over the row's number, because Python would take minutes. Nothing
random of DuckDB's own is used, so another version writes the same values.
"""

from __future__ import annotations

import random
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import duckdb

Kind = Literal["csv", "jsonl", "parquet", "lines", "join", "points", "links"]
SEED = 7
COUNTRIES = "'DE','FR','IT','ES','PL','NL','BE','AT'"
USERS = 100_000
CENTRES = 8
"""Around how many centres the points lie."""
CSV = "(FORMAT csv, HEADER)"
VISITS = f"""
    SELECT '2026-01-' || lpad(CAST(1 + i % 28 AS VARCHAR), 2, '0') AS day,
        [{COUNTRIES}][1 + (i % 2147483648 * 2654435761 % 4294967296 >> 29)] AS country,
        'u' || lpad(CAST((i * 40503 + 12345) % 2147483648 * 2654435761 % 4294967296
            * {USERS} >> 32 AS VARCHAR), 7, '0') AS "user",
        i * 7919 % 10000 AS cents,
        'note ' || lpad(CAST(i * 48271 % 2147483647 AS VARCHAR), 25, '-') AS note
    FROM range({{rows}}) AS rows(i)
"""
"""A CSV file of these has 59 bytes a row."""
LINES = """
    SELECT lpad(CAST(n * 2654435761 % 4294967296 AS VARCHAR), 10, '0') || ' '
        || lpad(CAST(n * 48271 % 2147483647 AS VARCHAR), 38, 'abcdefgh') AS line
    FROM (SELECT (i * 16807 + 11) % 2147483647 % {keys} AS n FROM range({rows}) AS rows(i))
"""
"""Lines of 50 bytes with their end; `keys` of them are distinct."""
ORDERS = """
    SELECT i AS "order", (i * 40503 + 7) % 2147483648 * 2654435761 % 4294967296 * {keys} >> 32
            AS customer,
        i * 7919 % 10000 AS cents
    FROM range({rows}) AS rows(i)
"""
CUSTOMERS = f"""
    SELECT i AS customer, 'name' || (i * 48271 % 2147483647) AS name,
        [{COUNTRIES}][1 + i % 8] AS country
    FROM range({{keys}}) AS rows(i)
"""
POINTS = f"""
    SELECT CAST(100 * (c & 1) + x % 8000 / 100.0 AS DECIMAL(9, 2)) AS x,
        CAST(100 * (c >> 1 & 1) + y % 8000 / 100.0 AS DECIMAL(9, 2)) AS y,
        CAST(100 * (c >> 2) + (x + y) % 8000 / 100.0 AS DECIMAL(9, 2)) AS z
    FROM (SELECT i * 16807 % {CENTRES} AS c, i * 48271 % 2147483647 AS x,
        (i + 1) * 69621 % 2147483647 AS y FROM range({{rows}}) AS rows(i))
"""


@dataclass(frozen=True, slots=True)
class Table:
    """A generated file, or for `join` a folder of two; `rows` of links are edges.

    `keys` is the number of distinct lines, of the right rows of a join, or of the nodes.
    """

    kind: Kind
    rows: int
    keys: int = 0

    @property
    def count(self) -> int:
        """The number of rows."""
        return self.rows

    @property
    def name(self) -> str:
        """The file's name: all that its bytes depend on."""
        of = f"-of-{self.keys}" if self.keys else ""
        if self.kind in ("csv", "jsonl", "parquet"):
            return f"visits-{self.rows}.{self.kind}"
        ending = {"join": "", "points": ".csv"}
        return f"table-{self.kind}-{self.rows}{of}{ending.get(self.kind, '.txt')}"

    def made_in(self, folder: Path) -> Path:
        """Return the file, and generate it unless it exists."""
        path = folder / self.name
        if not path.exists():
            folder.mkdir(parents=True, exist_ok=True)
            partial = folder / f"{self.name}.partial"
            shutil.rmtree(partial, ignore_errors=True)
            partial.unlink(missing_ok=True)
            self._write(partial)
            partial.replace(path)
        return path

    def _write(self, target: Path) -> None:
        if self.kind == "links":
            with target.open("w", encoding="ascii") as file:
                file.writelines(links(self.rows, self.keys))
        elif self.kind == "join":
            target.mkdir()
            self._copy(ORDERS, target / "orders.csv", CSV)
            self._copy(CUSTOMERS, target / "customers.csv", CSV)
        else:
            query, form = {
                "csv": (VISITS, CSV),
                "jsonl": (VISITS, "(FORMAT json)"),
                "parquet": (VISITS, "(FORMAT parquet)"),
                "lines": (LINES, "(FORMAT csv, HEADER false, QUOTE '')"),
                "points": (POINTS, "(FORMAT csv, HEADER false)"),
            }[self.kind]
            self._copy(query, target, form)

    def _copy(self, query: str, target: Path, form: str) -> None:
        filled = query.format(rows=self.rows, keys=self.keys)
        duckdb.connect().execute(f"COPY ({filled}) TO '{target}' {form}")


def links(edges: int, nodes: int) -> Iterator[str]:
    """Yield lines `node<TAB>target,target,...`: many links lead to a few nodes, as in the web."""
    chance = random.Random(SEED)
    for node in range(nodes):
        count = round(chance.expovariate(nodes / edges))
        targets = sorted({int(nodes * chance.random() ** 2.5) for _ in range(count)} - {node})
        yield f"n{node}\t{','.join(f'n{target}' for target in targets)}\n"
