"""Refuse a `map_sql` or `map_arrow` that cannot run, before any record is read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mapreduce.errors import JobLoadError
from mapreduce.input_formats import Csv, JsonLines
from mapreduce.job import AnyFormat, Job

_READ = ("csv", "jsonl", "parquet")
_SELECT = '"SELECT country AS key, cents AS value FROM records"'


def has_columns(cls: type[Job]) -> bool:
    """Return whether a job maps columns."""
    return cls.map_sql is not None or cls.map_arrow is not Job.map_arrow


def check_columns(cls: type[Job]) -> None:
    """Refuse a job whose `map_sql` or `map_arrow` cannot run.

    Raises:
        JobLoadError: the message says what to write.
    """
    if not has_columns(cls):
        return
    ways = [
        f"`{name}`"
        for name, written in (
            ("map_sql", cls.map_sql is not None),
            ("map_arrow", cls.map_arrow is not Job.map_arrow),
            ("map_batch", cls.map_batch is not Job.map_batch),
        )
        if written
    ]
    if len(ways) > 1:
        raise JobLoadError(f"{cls.__name__} has {' and '.join(ways)}; keep one of them")
    statements = _statements(cls)
    for name, form in _formats(cls):
        if statements is None or name in statements or None in statements or name is None:
            _check_format(cls, form, ways[0])
        elif cls.map is Job.map:
            raise JobLoadError(
                f"`map_sql` of {cls.__name__} has no SQL for the input {name!r}; write it, or `map`"
            )
    if statements:
        _parse(cls, statements)


def _parse(cls: type[Job], statements: Mapping[str | None, str]) -> None:
    from mapreduce.columns.database import opened  # late: DuckDB takes 0.2 s to import
    from mapreduce.columns.statement import checked_statement

    with opened() as connection:
        for name, text in statements.items():
            owner = f"`map_sql` of {cls.__name__}"
            named = owner if name is None else f"{owner} for the input {name!r}"
            checked_statement(text, named, connection)


def _statements(cls: type[Job]) -> dict[str | None, str] | None:
    """Return the SQL by input name, None for all inputs; None for `map_arrow`."""
    given: Any = cls.map_sql
    if given is None:
        return None
    by_name = given if isinstance(given, Mapping) else {None: given}
    for name, text in by_name.items():
        if type(text) is not str or not (name is None or type(name) is str) or not text.strip():
            raise JobLoadError(
                f"`map_sql` of {cls.__name__} is {given!r}; write a text, {_SELECT}, or a dict of "
                "input name to text"
            )
    if not by_name:
        raise JobLoadError(f"`map_sql` of {cls.__name__} is empty; write {_SELECT}")
    named = cls.input_format if isinstance(cls.input_format, Mapping) else by_name
    if unknown := [name for name in by_name if name is not None and name not in named]:
        raise JobLoadError(
            f"`map_sql` of {cls.__name__} has SQL for the input {unknown[0]!r}, which "
            f"`input_format` does not name; it names {', '.join(map(repr, named))}"
        )
    return dict(by_name)


def _formats(cls: type[Job]) -> list[tuple[str | None, AnyFormat]]:
    if isinstance(cls.input_format, Mapping):
        return list(cls.input_format.items())
    return [(None, cls.input_format)]


def _check_format(cls: type[Job], form: AnyFormat, way: str) -> None:
    if getattr(form, "kind", None) not in _READ:
        if cls.map is Job.map or not isinstance(cls.input_format, Mapping):
            raise JobLoadError(
                f"{cls.__name__} has {way}, which reads Csv(), JsonLines(columns={{...}}) and "
                f"Parquet(); set `input_format`, or write `map`"
            )
        return
    if isinstance(form, JsonLines) and not form.columns:
        raise JobLoadError(
            f"{cls.__name__} has {way}, and nothing says which columns its JSON Lines have: write "
            'their names and types, JsonLines(columns={"country": str, "cents": int})'
        )
    if isinstance(form, Csv) and form.header is False:
        raise JobLoadError(
            f"{cls.__name__} has {way}, and the columns of its CSV have no names: write "
            'Csv(header=("country", "cents"))'
        )
