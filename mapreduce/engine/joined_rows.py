"""A join of rows as a map task does it without objects of Python, where the job has a `row_join`.

A batch whose rows the native extension cannot read or carry as the row formats do goes through the
job's `map` and `map_joined`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from typing import Any

from mapreduce import native
from mapreduce.encoding import decode_key, decode_value, encode_key, encode_value
from mapreduce.engine.collect import PairTaker
from mapreduce.engine.held import Held, without_collections
from mapreduce.engine.native_collector import NativeCollector
from mapreduce.errors import JobLoadError
from mapreduce.formats.base import RecordBatch
from mapreduce.formats.packed_rows import packed_rows
from mapreduce.job import Job
from mapreduce.user_code.calls import Place, user_code
from mapreduce.user_code.row_join import RowJoin
from mapreduce.wire.messages import ByteRange

_INNER, _OUTER, _SEMI, _ANTI = range(4)
_OF_LEFT = {"inner": _INNER, "left": _OUTER, "semi": _SEMI, "anti": _ANTI}
_OF_RIGHT = {"inner": _INNER, "right": _OUTER}
"""The extension's number of a join, where the left or the right rows are joined with held ones."""


class JoinedRows:
    """Holds the rows of one input, and joins the rows of the other.

    Args:
        plan: the join.
        group_by: of the job.
        collector: takes the pairs.
    """

    def __init__(self, plan: RowJoin, group_by: int, collector: NativeCollector) -> None:
        assert native.extension is not None, "rows are joined by the native extension"
        self._plan = plan
        self._group_by = group_by
        self._collector = collector
        self._held = native.extension.HeldRows()

    def hold(self, batch: RecordBatch, byte_range: ByteRange) -> int | None:
        """Hold the rows of a batch; return how many, or None where `add` must take their pairs."""
        rows = packed_rows(batch, byte_range)
        if rows is None or self._plan.on not in rows.names:
            return None
        on, keeps = rows.names.index(self._plan.on), self._plan.how not in ("semi", "anti")
        return rows.length if self._held.add(rows.columns, rows.length, on, keeps) else None

    def add(self, pairs: Iterable[Any]) -> None:
        """Hold the pairs of `map`.

        Raises:
            UserCodeError: as `Held`.
        """
        held = Held(self._group_by)
        held.add(pairs)
        for key, values in held.groups.items():
            encoded = encode_key(key)
            for value in values:
                self._held.add_pair(encoded, encode_value(value))

    def add_columns(self, keys: list[Any], values: list[Any]) -> None:
        """Hold two columns of pairs."""
        self.add(zip(keys, values, strict=True))

    def join(self, batch: RecordBatch, byte_range: ByteRange) -> int | None:
        """Collect the pairs of a batch; return how many rows it has, or None where `map_joined`
        must take them.
        """
        is_left = byte_range.name == self._plan.left
        how = (_OF_LEFT if is_left else _OF_RIGHT).get(self._plan.how)
        rows = None if how is None else packed_rows(batch, byte_range)
        if how is None or rows is None or self._plan.on not in rows.names:
            return None
        on = rows.names.index(self._plan.on)
        done = self._collector.add_joined(self._held, rows, on, how, swapped=not is_left)
        return rows.length if done else None

    @cached_property
    def groups(self) -> Mapping[Any, Sequence[Any]]:
        """The values of each key, as `map_joined` gets them."""
        with without_collections():
            return {
                decode_key(key): tuple(map(decode_value, values))
                for key, values in self._held.groups()
            }


def joined_rows(job: Job, collector: PairTaker) -> JoinedRows | None:
    """Return what joins rows for a job in a task; None where only its methods can.

    Raises:
        JobLoadError: `row_join` returned something else than a `RowJoin` or None, or one that is
            not of the job's two inputs.
        UserCodeError: it raised.
    """
    if not _is_of_row_join(type(job)):
        return None
    with user_code(Place("row_join")):
        plan = job.row_join()
    if plan is not None and not isinstance(plan, RowJoin):
        raise JobLoadError(
            f"`row_join` of {type(job).__name__} returned {plan!r}; return RowJoin(...) or None"
        )
    if plan is not None:
        _check_inputs(job, plan)
    if plan is None or native.extension is None or not isinstance(collector, NativeCollector):
        return None
    return JoinedRows(plan, job.group_by, collector)


def _check_inputs(job: Job, plan: RowJoin) -> None:
    """Refuse a join whose left input is none of the job's: all rows would be taken as right ones.

    Raises:
        JobLoadError: it is none, or the job has not two.
    """
    inputs = tuple(job.input_format) if isinstance(job.input_format, Mapping) else ()
    if len(inputs) != 2 or plan.left not in inputs:
        raise JobLoadError(
            f"`row_join` of {type(job).__name__} returned a join with left={plan.left!r}, and "
            f"`input_format` names {', '.join(map(repr, inputs))}; name one of two inputs as left"
        )


def _is_of_row_join(cls: type[Job]) -> bool:
    """Return whether no class redefines `map` or `map_joined` after the one with `row_join`."""
    for each in cls.__mro__:
        if "row_join" in vars(each):
            return vars(each)["row_join"] is not Job.row_join
        if "map" in vars(each) or "map_joined" in vars(each):
            return False
    return False
