"""Set bad records aside: those on which the job's code fails twice, and those of a wrong format.

Each record is mapped by itself, and its pairs are kept only if all of them are valid. So which
records are set aside depends on the records alone, not on the splits or on the attempt.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import msgspec

from mapreduce.encoding import encode_key, numpys, pack_value
from mapreduce.engine.text_limits import cut, within_limits
from mapreduce.errors import RecordError, TooManyBadRecords, UserCodeError
from mapreduce.formats.base import BadRecord
from mapreduce.formats.json_values import jsonable
from mapreduce.job import Job, task_state
from mapreduce.user_code.calls import Place, user_code
from mapreduce.user_code.yielded import pair_of, pairs_of
from mapreduce.wire.messages import SkippedRecord

TRIES = 2
"""A first failure may be the machine's."""
RECORD_BYTES = 64 << 10
"""A longer record is cut; its place tells where the rest is."""
TASK_BYTES = 16 << 20
"""Bytes of records and errors that a task keeps; beyond it only places, lengths and short messages.
"""
SHOWN_PLACES = 3
_SHORT = 200
_MUTABLE = (list, dict, tuple, set, bytearray)
_encode = msgspec.json.Encoder().encode

Check = Callable[[bytes], object]
"""Raises if a key is invalid in this job."""


class SetAside:
    """Maps records one by one, and sets bad ones aside.

    Args:
        job: the job's instance.
        limit: how many records may be set aside.
        check_key: raises if the job's `partition` raises for a key.
    """

    def __init__(self, job: Job, limit: int, check_key: Check | None = None) -> None:
        self.records: list[SkippedRecord] = []
        self._job = job
        self._limit = limit
        self.check_key = check_key
        self._left_bytes = TASK_BYTES

    def mapped(self, place: Place, record: Any) -> list[Any] | None:
        """Return the pairs of a record, or None if it is set aside.

        Counters of a failed try are discarded. Changes to the job's attributes stay.

        Raises:
            TooManyBadRecords: more records are set aside than allowed.
        """
        if type(record) is BadRecord:
            place.record = None
            self.put(place, record.data.decode("utf-8", "replace"), record.error)
            return None
        state = task_state(self._job)
        failure: UserCodeError | None = None
        for _ in range(TRIES):
            counted = state.counters.copy()
            try:
                with user_code(place):
                    yielded = pairs_of(
                        self._job.map(place.offset, record), none_is_empty=self._job.gathers
                    )
                    return [self._carriable(*pair_of(pair)) for pair in yielded]
            except UserCodeError as exc:
                state.counters = counted
                failure = exc
        assert failure is not None
        self.put(place, record, failure)
        return None

    def _carriable(self, key: Any, value: Any) -> tuple[Any, Any]:
        return key, carriable(self._job, key, value, self.check_key)

    def put(self, place: Place, record: Any, failure: UserCodeError | RecordError) -> None:
        """Set a record aside.

        Raises:
            TooManyBadRecords: more records are set aside than allowed.
        """
        trace = failure.traceback if isinstance(failure, UserCodeError) else ""
        kind = "RecordError: " if isinstance(failure, RecordError) else ""
        message = f"{kind}{failure.message}"
        if len(self.records) >= self._limit:
            raise TooManyBadRecords(
                too_many(self._limit, [*(each.place for each in self.records), str(place)])
                + f"; the last: {message}",
                traceback=trace,
                place=str(place),
                record=failure.record,
            )
        skipped = SkippedRecord(
            place=str(place),
            url=place.url,
            key=kept_as(place.offset),
            record=kept_as(record),
            message=within_limits("message", message),
            traceback=within_limits("traceback", trace),
        )
        # the record is kept even beyond the limit, but only in its short form
        self._left_bytes -= (
            len(_encode(skipped.record)) + len(skipped.message) + len(skipped.traceback)
        )
        if self._left_bytes < 0:
            short = cut(skipped.message, _SHORT)
            skipped = skipped.model_copy(
                update={"record": kept_as_length(record), "message": short, "traceback": ""}
            )
        self.records.append(skipped)


def carriable(job: Job, key: Any, value: Any, check_key: Check | None = None) -> Any:
    """Return a copy of a pair's value after every check of the pair that a later step would make;
    raise what they raise.
    """
    encoded = encode_key(key)
    aggregation = job.aggregation
    # the author's code may still change the object that it yielded
    own: Any = numpys.plain_or_same(_copied(value))
    if aggregation is None or aggregation.keeps_values:
        pack_value(own)
    if aggregation is not None:
        # `create` may keep and change its argument, so it gets a second copy
        aggregation.create(_copied(own))
    if check_key is not None:
        check_key(encoded)
    return own


def _copied(value: Any) -> Any:
    return copy.deepcopy(value) if isinstance(value, _MUTABLE) else value


def too_many(limit: int, places: list[str]) -> str:
    """Return the message for more bad records than allowed.

    Args:
        limit: how many are allowed.
        places: of those found so far, at least one.
    """
    first = ", ".join(places[:SHOWN_PLACES])
    return (
        f"more than {limit} records would have to be skipped (--skip-bad-records {limit}): "
        f"{len(places)} so far, the first at {first}"
    )


def kept_as(record: Any) -> Any:
    """Return a record, or its key, as JSON; a long one cut."""
    if isinstance(record, str | bytes) and len(record) > RECORD_BYTES:
        return f"{record[:_SHORT]!r}... ({len(record)} long)"
    value = jsonable(record)
    size = len(_encode(value))
    return value if size <= RECORD_BYTES else f"{repr(value)[:_SHORT]}... ({size} bytes of JSON)"


def kept_as_length(record: Any) -> str:
    """Return the placeholder of a record beyond the task's limit."""
    return f"... ({len(_encode(jsonable(record)))} bytes of JSON)"
