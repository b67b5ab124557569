"""The map over columns: `map_sql` or `map_arrow` over one chunk of records after another.

A chunk gives pairs, or for an aggregation that SQL can compute a state for each key. If a chunk
fails, it is halved until one record fails alone: the error names that record, or with
`--skip-bad-records` it is set aside.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator
from contextlib import ExitStack, closing, suppress
from typing import Any

from mapreduce.columns.buffers import PackedColumns, StateColumns
from mapreduce.columns.chunks import Chunk, chunk_of, gathered, registered
from mapreduce.columns.database import DuckDBPyConnection, opened
from mapreduce.columns.packed import Columns
from mapreduce.columns.query import Query, Source, is_of_all, listed
from mapreduce.columns.statement import statement_of
from mapreduce.columns.table import Returned, is_arrow
from mapreduce.engine.bad_records import SetAside, carriable
from mapreduce.engine.collect import PairTaker, kept_value
from mapreduce.engine.context import TaskContext
from mapreduce.engine.native_collector import NativeCollector
from mapreduce.errors import UserCodeError
from mapreduce.formats.base import RecordBatch
from mapreduce.formats.limits import MIB
from mapreduce.job import Job
from mapreduce.user_code.calls import Place, user_code
from mapreduce.user_code.columns import two_columns
from mapreduce.wire.messages import ByteRange

CHUNK_BYTES = 16 * MIB
CHUNK_ROWS = 4_000_000
"""A chunk of a format that stores columns."""
CHUNK_SHARE = 32
"""A chunk takes at most this part of the task's memory: its columns and pairs need several times
its bytes.
"""

KEYS_OF = 20
"""Records that are sampled together, where one fails."""
KEPT_SHARE = 16
"""The groups of the chunks before take at most this part of the task's memory."""


class ColumnsMap:
    """Maps the chunks of a task.

    Args:
        job: the job's instance.
        collector: takes the pairs, or with `states` the states.
        context: the task's memory.
        aside: sets bad records aside; None if the first one fails the task.
        states: the collector takes states.
        resources: closes the database at the end of the task.

    Attributes:
        chunk_bytes: the bytes of text that a query reads at once.
    """

    def __init__(
        self,
        job: Job,
        collector: PairTaker,
        context: TaskContext,
        resources: ExitStack,
        *,
        aside: SetAside | None = None,
        states: bool = False,
    ) -> None:
        self._job = job
        self._collector = collector
        self._context = context
        self._resources = resources
        self._aside = aside
        self._states = states
        self._packs = isinstance(collector, NativeCollector)
        self._keeps_states = states and isinstance(collector, NativeCollector) and collector.keeps
        self._connection: DuckDBPyConnection | None = None
        self._queries: dict[str, Query] = {}
        # a partitioner of the author's may refuse a key, and its error names the record
        self._keep = states and not job.partitions_itself
        self._kept_bytes = context.memory_bytes // KEPT_SHARE
        self.chunk_bytes = min(CHUNK_BYTES, max(MIB, context.memory_bytes // CHUNK_SHARE))

    def gathered(self, batches: Iterable[RecordBatch]) -> Iterator[RecordBatch]:
        """Yield neighbouring batches together, so that a query reads many records."""
        rows = CHUNK_ROWS if self._aside is None else 1
        return gathered(batches, self.chunk_bytes, rows)

    def take(self, place: Place, batch: RecordBatch, byte_range: ByteRange) -> int:
        """Map a batch, and return how many records it had that were mapped.

        Raises:
            UserCodeError: the SQL or the job's method failed, or made an unsupported value.
            RecordError: a record does not have the format.
        """
        chunk = chunk_of(batch, byte_range)
        if not chunk.names and not list(batch.records):
            return 0  # the file ends before its header
        if self._aside is not None:
            return self._leniently(self._aside, place, chunk, byte_range.name)
        try:
            with closing(self._mapped(chunk, byte_range.name)) as mapped:
                for pairs in mapped:
                    self._add(pairs)
            if chunk.is_last:  # the database of its file is closed next
                self._collect(self._query(byte_range.name, chunk))
        except Exception as exc:
            self._locate(chunk, byte_range.name, place, exc)
            raise
        return self._counted(len(chunk))

    def keys_of(self, chunk: Chunk, name: str, most: int) -> list[Any]:
        """Return the keys of a chunk; where a record fails, those of some of the first `most`."""
        try:
            return listed(self._mapped(chunk, name))[0]
        except Exception as exc:
            if is_of_all(exc):
                raise
        keys: list[Any] = []
        most = min(most, len(chunk))
        for begin in range(0, most, KEYS_OF):
            with suppress(Exception):  # the author's code may raise anything
                part = chunk.part(begin, min(begin + KEYS_OF, most))
                keys += listed(self._mapped(part, name))[0]
        return keys

    def finish(self) -> None:
        """Collect the groups that are still in the database.

        Raises:
            UserCodeError: they do not fit into memory.
        """
        for query in self._queries.values():
            self._collect(query)

    def _collect(self, query: Query) -> None:
        with closing(self._kept(query)) as kept:
            for states in kept:
                self._add(states)

    def _kept(self, query: Query) -> Generator[PackedColumns | StateColumns | Columns]:
        most_bytes = 2 * self._kept_bytes
        return query.kept(most_bytes, packs=self._packs, keeps=self._keeps_states)

    def _counted(self, records: int) -> int:
        self._context.meter.records += records
        return records

    def _add(self, pairs: PackedColumns | StateColumns | Columns) -> None:
        if isinstance(pairs, tuple):
            self._collector.add_columns(*pairs)
            return
        assert isinstance(self._collector, NativeCollector), "others take no buffers"
        if isinstance(pairs, PackedColumns):
            self._collector.add_packed(pairs)
        else:
            self._collector.add_states(pairs)

    def _mapped(self, chunk: Chunk, name: str) -> Generator[PackedColumns | StateColumns | Columns]:
        """Yield the pairs of a chunk, some at a time, or its states."""
        query = self._query(name, chunk)
        if type(self._job).map_sql is None:
            yield from self._by_arrow(chunk, query)
            return
        with chunk.source(self._database, query.reads(chunk.names)) as source:
            yield from self._of(query, source)

    def _of(
        self, query: Query, source: Source
    ) -> Generator[PackedColumns | StateColumns | Columns]:
        packed = query.packed(source) if self._packs else None
        if packed is not None:
            with closing(packed):
                for pairs in packed:
                    yield pairs if isinstance(pairs, PackedColumns) else self._as_states(pairs)
            return
        if self._states:
            kept = query.keep(source) if self._keep else None
            if kept:
                if query.kept_bytes > self._kept_bytes:
                    with closing(self._kept(query)) as groups:
                        yield from groups
                return
            # a query whose groups SQL gets wrong is not run twice
            states = query.states(source) if kept is None else None
            if states is not None:
                yield states
                return
        with closing(query.pairs(source)) as found:
            for pairs in found:
                yield self._as_states(pairs)

    def _by_arrow(
        self, chunk: Chunk, query: Query
    ) -> Generator[PackedColumns | StateColumns | Columns]:
        returned: Any = self._job.map_arrow(chunk.table(chunk.names))
        if is_arrow(returned):
            with registered(self._database(), Returned(returned), ("key", "value")) as source:
                yield from self._of(query, source)
            return
        yield self._as_states(two_columns(returned, "map_arrow"))

    def _as_states(self, pairs: Columns) -> Columns:
        aggregation = self._job.aggregation
        if not self._states or aggregation is None:
            return pairs
        return pairs[0], [aggregation.create(kept_value(aggregation, each)) for each in pairs[1]]

    def _query(self, name: str, chunk: Chunk) -> Query:
        query = self._queries.get(name)
        if query is None:
            sql, owner = self._job.sql_of(name), type(self._job).__name__
            own = f"`map_sql` of {owner}" if sql else f"`map_arrow` of {owner}"
            statement = statement_of(sql, own, chunk.database(self._database)) if sql else None
            query = Query(statement, own, self._job.aggregation if self._states else None)
            self._queries[name] = query
        return query

    def _database(self) -> DuckDBPyConnection:
        if self._connection is None:
            self._connection = self._resources.enter_context(opened(self._context.limits))
        return self._connection

    # -- errors ------------------------------------------------------------------------------------

    def _locate(self, chunk: Chunk, name: str, place: Place, failure: Exception) -> None:
        """Set the place to the first record of a chunk that fails alone, if there is one."""
        if not len(chunk) or isinstance(failure, MemoryError) or is_of_all(failure):
            return
        found = self._first_bad(chunk, name)
        if found is not None:
            place.offset, place.record = found.record()

    def _first_bad(self, chunk: Chunk, name: str) -> Chunk | None:
        """Return the first record that fails; None if the records fail only together."""
        if not self._fails(chunk, name):
            return None
        if len(chunk) == 1:
            return chunk
        middle = len(chunk) // 2
        first = self._first_bad(chunk.part(0, middle), name)
        return first or self._first_bad(chunk.part(middle, len(chunk)), name)

    def _fails(self, chunk: Chunk, name: str) -> bool:
        try:
            self._checked(chunk, name)
        except Exception:  # noqa: BLE001 - the author's code may raise anything
            return True
        return False

    def _checked(self, chunk: Chunk, name: str) -> Columns:
        """Return the pairs of a chunk after every check that a later step would make."""
        before = self._states, self._packs
        self._states = self._packs = False
        try:
            mapped = self._mapped(chunk, name)
            keys, values = listed(each for each in mapped if not isinstance(each, StateColumns))
        finally:
            self._states, self._packs = before
        check_key = None if self._aside is None else self._aside.check_key
        pairs = zip(keys, values, strict=True)
        return keys, [carriable(self._job, key, value, check_key) for key, value in pairs]

    def _leniently(self, aside: SetAside, place: Place, chunk: Chunk, name: str) -> int:
        query = self._query(name, chunk)
        if type(self._job).map_sql is not None:
            # reads the chunk, and finds what does not have the format
            with chunk.source(self._database, query.reads(chunk.names)):
                pass
        else:
            chunk.table(chunk.names)
        bad = chunk.bad()
        mapped = self._part_leniently(aside, place, chunk, name)
        for key, record in bad:
            place.offset, place.record = key, record
            aside.mapped(place, record)
        return mapped

    def _part_leniently(self, aside: SetAside, place: Place, chunk: Chunk, name: str) -> int:
        if not len(chunk):
            return 0
        try:
            with user_code(place):
                keys, values = self._checked(chunk, name)
        except UserCodeError as failure:
            if len(chunk) == 1:
                place.offset, place.record = chunk.record()
                aside.put(place, place.record, failure)
                return 0
            middle = len(chunk) // 2
            parts = chunk.part(0, middle), chunk.part(middle, len(chunk))
            return sum(self._part_leniently(aside, place, part, name) for part in parts)
        self._collector.add_columns(*self._as_states((keys, values)))
        return self._counted(len(chunk))
