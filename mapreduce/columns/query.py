"""The query over one chunk of records: pairs, or a state for each key."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Sequence
from contextlib import AbstractContextManager, closing
from dataclasses import dataclass, field
from typing import Any, Protocol

from mapreduce.aggregate import Aggregation, Count, Max, Min, Sum
from mapreduce.columns.aggregates import KEYS, plan_of
from mapreduce.columns.buffers import PackedColumns, StateColumns
from mapreduce.columns.database import DuckDBPyConnection, Error, OutOfMemoryException, first_line
from mapreduce.columns.groups import Groups
from mapreduce.columns.kinds import INTEGERS, Kind, are_all, converter_of
from mapreduce.columns.packed import Columns, are_packed, packed_of
from mapreduce.columns.plan import Plan
from mapreduce.columns.statement import TABLE, Statement, read_names
from mapreduce.errors import RecordError, UserCodeError

_FETCH = 10_000
_SAMPLE = 10_000
"""Records by which it is decided whether SQL groups."""
_INTEGER_STATES = (type(None), Sum, Count, Min, Max)
"""Aggregations for which the state of an integer is itself, or 1; and none."""
_KEPT = INTEGERS | {"varchar", "boolean"}
"""Types of keys, and of the fields of tuples, that every collector takes."""
_BINDING = ("BinderException", "CatalogException")


class Source(Protocol):
    """Records that SQL can read."""

    @property
    def connection(self) -> DuckDBPyConnection:
        """The database that reads them."""

    @property
    def names(self) -> tuple[str, ...]:
        """The names of all their columns."""

    def relation(self, names: Sequence[str]) -> str:
        """Return the SELECT of some columns."""

    def errors(self) -> AbstractContextManager[None]:
        """Raise an error of reading the records as ours; pass those of the job's SQL."""


@dataclass(frozen=True, slots=True)
class _Bound:
    """What the types of a statement's columns decide."""

    convert_key: Any
    convert_value: Any
    plan: Plan | None
    packs: bool
    key_is_text: bool
    key_is_kept: bool
    key: Kind
    kinds: tuple[str, str]


@dataclass(slots=True)
class Query:
    """A statement over the records of one source after another.

    Attributes:
        statement: of the job; None: the source has the columns key and value already.
        owner: what has the statement, as an error names it.
        aggregation: the job's, if its states are made in SQL.
    """

    statement: Statement | None
    owner: str
    aggregation: Aggregation[Any] | None = None
    _spread: bool | None = None
    _kept: dict[tuple[str, str], Groups] = field(default_factory=dict)

    def reads(self, names: tuple[str, ...]) -> list[str]:
        """Return which of these columns are read; raises as `read_names`."""
        return read_names(self.statement, names, self.owner)

    def pairs(self, source: Source) -> Generator[Columns]:
        """Yield the pairs of all records, some at a time.

        Raises:
            UserCodeError: the SQL failed.
        """
        bound = self._bind(source)
        with closing(self._rows(source, "SELECT key, value FROM mapped")) as found:
            for rows in found:
                keys, values = (list(column) for column in zip(*rows, strict=True))
                yield _converted(keys, bound.convert_key), _converted(values, bound.convert_value)

    def states(self, source: Source) -> Columns | None:
        """Return the state of each key; None where the values must be added one by one.

        Raises:
            UserCodeError: the SQL failed.
        """
        plan = self._bind(source).plan
        if plan is None:
            return None
        selected = ", ".join(("key", f"bool_and({plan.sound})", *plan.selected))
        keys: list[Any] = []
        states: list[Any] = []
        grouped = f"SELECT {selected} FROM mapped GROUP BY key"
        try:
            with closing(self._rows(source, grouped)) as fetched:
                for rows in fetched:
                    some_keys, sound, *found = zip(*rows, strict=True)
                    if not all(sound):
                        return None
                    keys += some_keys
                    states += plan.states(found)
        except (UserCodeError, RecordError) as exc:
            if isinstance(exc.__cause__, OutOfMemoryException):  # one by one they need no groups
                return None
            raise
        return keys, states

    def packed(self, source: Source) -> Generator[PackedColumns | Columns] | None:
        """Return the pairs of all records as buffers, or lists where a value is NULL.

        Of an aggregation the values are states: an integer is its own, or 1 is. None: the pairs
        have no such form, or SQL groups them better.

        Raises:
            UserCodeError: the SQL failed.
        """
        bound = self._bind(source)
        if not bound.packs or (self.aggregation and not self._is_spread(source)):
            return None
        return self._packed(source, "key" if bound.key_is_text else "CAST(key AS BIGINT) AS key")

    def _packed(self, source: Source, key: str) -> Generator[PackedColumns | Columns]:
        sql = self._whole(source, f"SELECT {key}, CAST(value AS BIGINT) AS value FROM mapped")
        try:
            yield from packed_of(source.connection.sql(sql), ones=type(self.aggregation) is Count)
        except Exception:
            # raises the error with its type, if it is one of the SQL
            for _ in self._rows(source, "SELECT key, value FROM mapped"):
                pass
            raise

    def _is_spread(self, source: Source) -> bool:
        """Return whether the first records have so many keys that SQL need not group them."""
        if self._spread is None:
            counts = "SELECT count(DISTINCT key), count(*) FROM mapped"
            with self._failures(source):
                sample = source.connection.execute(self._whole(source, counts, _SAMPLE))
                ((keys, records),) = sample.fetchall()
            self._spread = 2 * keys > records
        return self._spread

    def keep(self, source: Source) -> bool | None:
        """Group the records, and keep the groups in the source's database until `kept`.

        Returns:
            False where the values must be added one by one; None where no group can be kept, but
            `states` may know the states.

        Raises:
            UserCodeError: the SQL failed.
        """
        bound = self._bind(source)
        if bound.plan is None:
            return False
        if not bound.plan.numbers or not bound.key_is_kept:
            return None
        groups = self._kept.get(bound.kinds)
        if groups is None:
            groups = Groups(source.connection, bound.plan, bound.key)
            self._kept[bound.kinds] = groups
        try:
            with self._failures(source):
                return groups.add(self._whole(source, ""))
        except (UserCodeError, RecordError) as exc:
            if isinstance(exc.__cause__, OutOfMemoryException):  # one by one they need no groups
                return False
            raise

    @property
    def kept_bytes(self) -> int:
        """What the kept groups take in their database, about."""
        return sum(groups.size_bytes for groups in self._kept.values())

    def kept(
        self, most_bytes: int, *, packs: bool, keeps: bool
    ) -> Generator[PackedColumns | StateColumns | Columns]:
        """Yield the states of the kept groups, some at a time, and keep none.

        Args:
            most_bytes: longer lists are not merged, which takes several times as much memory;
                their keys may come several times.
            packs: the collector takes buffers.
            keeps: it takes `StateColumns` too.

        Raises:
            UserCodeError: the memory is short.
        """
        for groups in list(self._kept.values()):
            try:
                found = (
                    groups.packed(most_bytes, keeps=keeps) if packs else groups.states(most_bytes)
                )
                with closing(found) as states:
                    yield from states
            except Error as exc:
                raise _of_memory(self.owner) from exc
        self._kept.clear()

    def _bind(self, source: Source) -> _Bound:
        # for each source anew: another file, or another result of `map_arrow`, has other types
        with self._failures(source):
            relation = source.connection.sql(self._whole(source, "SELECT * FROM mapped"))
            found = dict(zip(relation.columns, relation.types, strict=True))
        kinds = {name.lower(): kind for name, kind in found.items()}
        key, value = kinds["key"], kinds["value"]
        plan = None
        groups = self.statement is None or not self.statement.collates
        if groups and self.aggregation and are_all(key, KEYS):
            plan = plan_of(self.aggregation, "value", value)
        return _Bound(
            converter_of(key),
            converter_of(value),
            plan,
            are_packed(key, value) and type(self.aggregation) in _INTEGER_STATES,
            key.id == "varchar",
            are_all(key, _KEPT),
            key,
            (str(key).lower(), str(value).lower()),
        )

    def _whole(self, source: Source, last: str, most: int | None = None) -> str:
        wanted = source.relation(self.reads(source.names))
        if most is not None:
            wanted = f"SELECT * FROM ({wanted}) LIMIT {most}"
        if self.statement is None:
            return f"WITH mapped AS ({wanted}) {last}"
        return (
            f"WITH {TABLE} AS NOT MATERIALIZED ({wanted}), "
            f"mapped AS NOT MATERIALIZED (\n{self.statement.text}\n) {last}"
        )

    def _rows(self, source: Source, last: str) -> Generator[list[tuple[Any, ...]]]:
        with self._failures(source):
            result = source.connection.execute(self._whole(source, last))
            rows = result.fetchmany(_FETCH)
        try:
            while rows:
                yield rows
                with self._failures(source):
                    rows = result.fetchmany(_FETCH)
        finally:  # an open result stops the next query
            result.abort()

    def _failures(self, source: Source) -> AbstractContextManager[None]:
        return _Failures(self.owner, source)


class _Failures(AbstractContextManager[None]):
    """Raises an error of the database as the job's, unless the source knows it."""

    def __init__(self, owner: str, source: Source) -> None:
        self._owner = owner
        self._source = source
        self._of_source = source.errors()

    def __enter__(self) -> None:
        self._of_source.__enter__()

    def __exit__(self, kind: Any, exc: BaseException | None, trace: Any) -> bool | None:
        if self._of_source.__exit__(kind, exc, trace):
            return True
        if isinstance(exc, Error):
            if isinstance(exc, OutOfMemoryException):
                raise _of_memory(self._owner) from exc
            names = ", ".join(self._source.names)
            about = (
                f". The columns of the records are: {names}"
                if type(exc).__name__ in _BINDING
                else ""
            )
            raise UserCodeError(
                f"{self._owner}: {first_line(exc)}{about}; correct the SQL, or let it pass over "
                "such values with TRY_CAST and WHERE"
            ) from exc
        return None


def _of_memory(owner: str) -> UserCodeError:
    return UserCodeError(
        f"{owner}: the query over a chunk of records does not fit into half of the task's memory "
        "(raise it with --task-memory)"
    )


def is_of_all(exc: BaseException) -> bool:
    """Return whether an error is one of the SQL itself, whatever the records are."""
    return type(exc.__cause__).__name__ in _BINDING


def listed(pairs: Iterable[PackedColumns | StateColumns | Columns]) -> Columns:
    """Return all keys and all values, of which none are states in buffers, in two lists."""
    keys: list[Any] = []
    values: list[Any] = []
    for columns in pairs:
        assert not isinstance(columns, StateColumns), "states in buffers are for a collector"
        some_keys, some_values = columns.lists() if isinstance(columns, PackedColumns) else columns
        keys += some_keys
        values += some_values
    return keys, values


def _converted(values: list[Any], convert: Any) -> list[Any]:
    return values if convert is None else [convert(value) for value in values]
