"""The SQL of a job's `map_sql`, parsed and checked before any record is read.

A statement maps one record at a time, so that its answer does not depend on where the input is
split: what looks at several records (aggregates, windows, ORDER BY, LIMIT, joins) is refused.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from mapreduce.columns.database import DuckDBPyConnection, statement_text
from mapreduce.errors import JobLoadError, UserCodeError

TABLE = "records"
"""The name of the records in the SQL of a job."""
_OF_ALL = ("STAR", "POSITIONAL_REFERENCE")
"""Expressions that may read any column."""
_EXAMPLE = '"SELECT country AS key, cents AS value FROM records"'
_OVER_SEVERAL = {
    "modifiers": "ORDER BY, LIMIT or DISTINCT",
    "group_expressions": "GROUP BY",
    "having": "HAVING",
    "sample": "a sample",
    "qualify": "QUALIFY",
}


@dataclass(frozen=True, slots=True)
class Statement:
    """A SELECT of the columns `key` and `value`.

    Attributes:
        text: the SQL.
        names: the columns that it may read, in lower case; None: all.
        collates: it has a COLLATE: SQL may take two texts for equal that are two keys.
    """

    text: str
    names: frozenset[str] | None
    collates: bool = False

    def reads(self, columns: tuple[str, ...]) -> list[str]:
        """Return which of these columns the statement reads: at least one, where there are any."""
        if self.names is None:
            return list(columns)
        read = [name for name in columns if name and name.lower() in self.names]
        return read or [name for name in columns if name][:1] or list(columns[:1])


def read_names(statement: Statement | None, names: tuple[str, ...], owner: str) -> list[str]:
    """Return which of these columns are read; without a statement all are.

    Raises:
        UserCodeError: two of them differ only by upper and lower case, or one has no name.
    """
    wanted = list(names) if statement is None else statement.reads(names)
    lower = [name.lower() for name in wanted]
    if twice := [name for name in wanted if lower.count(name.lower()) > 1]:
        raise UserCodeError(
            f"{owner} reads {' and '.join(map(repr, twice))}, which SQL cannot tell apart;"
            " rename one of the columns, or write `map`"
        )
    if "" in wanted:
        raise UserCodeError(
            f"{owner} reads all columns, and number {names.index('') + 1} has no name; write the "
            "names of those that it needs"
        )
    return wanted


def checked_statement(text: str, owner: str, connection: DuckDBPyConnection) -> Statement:
    """Return the parsed statement of a job, with every check; arguments as `statement_of`.

    Raises:
        JobLoadError: it is not SQL, or does more than a map may do.
    """
    statement = statement_of(text, owner, connection)
    # the list of all functions takes too long for each task
    aggregates, macros = _aggregates(connection)
    for name in _called(_select(text, owner, connection), macros, owner, connection):
        if name in aggregates:
            raise _over_several(f"the aggregate {name}", owner)
    return statement


def statement_of(text: str, owner: str, connection: DuckDBPyConnection) -> Statement:
    """Return the parsed statement of a job.

    Args:
        text: the SQL.
        owner: what has it, as an error names it: "`map_sql` of Sales".
        connection: a database, which parses it.

    Raises:
        JobLoadError: it is not SQL, or does more than a map may do.
    """
    node = _select(text, owner, connection)
    _check_form(node, owner)
    names: set[str] = set()
    everything = collates = False
    # the name of the table stands for a whole record
    table = [(node["from_table"]["alias"] or TABLE).lower()]
    for part in _parts(node):
        named = [name.lower() for name in part.get("column_names") or ()]
        everything |= part.get("class") in _OF_ALL or named == table
        collates |= part.get("class") == "COLLATE"
        names.update(named)
        _check_part(part, owner)
    _check_names(node["select_list"], owner)
    return Statement(statement_text(text), None if everything else frozenset(names), collates)


def _select(text: str, owner: str, connection: DuckDBPyConnection) -> dict[str, Any]:
    ((parsed,),) = connection.execute("SELECT json_serialize_sql($1)", [text]).fetchall()
    tree = json.loads(parsed)
    if tree["error"]:
        raise JobLoadError(f"{owner} is not a SELECT: {_failure(tree, text)}; write {_EXAMPLE}")
    if len(tree["statements"]) != 1:
        raise JobLoadError(f"{owner} holds several statements; write one: {_EXAMPLE}")
    if tree["statements"][0]["named_param_map"]:
        raise JobLoadError(
            f"{owner} has a parameter ($1 or ?), and nothing gives it a value; make the text in "
            "Python"
        )
    node: dict[str, Any] = tree["statements"][0]["node"]
    return node


def _aggregates(connection: DuckDBPyConnection) -> tuple[frozenset[str], dict[str, str]]:
    """Return the names of all aggregates, and the expressions of all macros by name."""
    found = connection.execute(
        "SELECT function_name, string_agg(macro_definition, ', ') FROM duckdb_functions() "
        "WHERE function_type IN ('aggregate', 'macro') GROUP BY ALL"
    ).fetchall()
    macros = {name: expressions for name, expressions in found if expressions is not None}
    return frozenset(name for name, _ in found if name not in macros), macros


def _called(
    tree: Any, macros: dict[str, str], owner: str, connection: DuckDBPyConnection
) -> Iterator[str]:
    """Yield the names of the functions that a statement calls, also by a macro of DuckDB's own."""
    for part in _parts(tree):
        name = str(part.get("function_name", "")).lower()
        if name in macros:
            inside = _select(f"SELECT {macros[name]}", owner, connection)
            yield from _called(inside, {**macros, name: "NULL"}, owner, connection)
        elif name:
            yield name


def _failure(tree: dict[str, Any], text: str) -> str:
    message: str = tree["error_message"]
    if not str(tree.get("position", "")).isdecimal():
        return message
    at = int(tree["position"])
    return f"{message}, at character {at + 1}: {text[max(0, at - 20) : at + 20].strip()!r}"


def _check_form(node: dict[str, Any], owner: str) -> None:
    only = f"; write one SELECT over {TABLE}: {_EXAMPLE}"
    if node["type"] != "SELECT_NODE" or node["cte_map"]["map"]:
        raise JobLoadError(f"{owner} is more than one SELECT{only}")
    table = node["from_table"]
    if table["type"] != "BASE_TABLE" or table["table_name"].lower() != TABLE:
        raise JobLoadError(f"{owner} does not read the table {TABLE} alone{only}")
    if node["aggregate_handling"] == "FORCE_AGGREGATES" or node["group_sets"]:
        raise _over_several("GROUP BY", owner)
    if table["sample"] is not None or table["column_name_alias"]:
        raise JobLoadError(f"{owner} takes a sample or renames the columns of {TABLE}{only}")
    for name, said in _OVER_SEVERAL.items():
        if node.get(name):
            raise _over_several(said, owner)


def _check_part(part: dict[str, Any], owner: str) -> None:
    kind = part.get("class")
    if kind == "SUBQUERY":
        raise JobLoadError(
            f"{owner} has a SELECT within the SELECT, which a map cannot answer from one record; "
            "leave it out"
        )
    if kind == "WINDOW":
        raise _over_several(f"the window function {part.get('function_name')}", owner)


def _over_several(what: str, owner: str) -> JobLoadError:
    return JobLoadError(
        f"{owner} has {what}, which looks at several records, and a map task sees only those of "
        "its split; leave it out, and let `reduce` do it (`reduce = Sum()`; the engine aggregates "
        "in the map task by itself)"
    )


def _check_names(selected: list[dict[str, Any]], owner: str) -> None:
    names = []
    for item in selected:
        own = item.get("column_names") or ["?"]
        names.append((item["alias"] or own[-1] if item.get("class") != "STAR" else "*").lower())
    if sorted(names) != ["key", "value"]:
        raise JobLoadError(
            f"{owner} selects {', '.join(names)}, and not the two columns key and value; write "
            f"{_EXAMPLE}"
        )


def _parts(tree: Any) -> Iterator[dict[str, Any]]:
    """Yield each object of a parsed statement."""
    if isinstance(tree, dict):
        yield tree
        for item in tree.values():
            yield from _parts(item)
    elif isinstance(tree, list):
        for item in tree:
            yield from _parts(item)
