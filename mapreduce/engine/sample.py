"""Choose the keys that separate key ranges of about equal size, from a sample of the input.

The idea is TeraSort's (Hadoop's TotalOrderPartitioner); here the sampled keys are those that `map`
yields. A record that is bad, or on which the job's code fails, has no keys here: its map task
reports it or sets it aside.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import suppress
from itertools import islice
from typing import Any

from mapreduce.encoding import encode_key, key_prefix
from mapreduce.engine.column_choice import maps_columns
from mapreduce.engine.context import TaskContext
from mapreduce.engine.stored import read_stored, write_stored
from mapreduce.formats.base import BadRecord
from mapreduce.formats.readers import reader_of
from mapreduce.job import Job, task_state
from mapreduce.storage import Storage
from mapreduce.storage.digest import digest_of_bytes
from mapreduce.user_code.calls import Place, user_code
from mapreduce.user_code.yielded import pair_of, pairs_of
from mapreduce.wire import keys
from mapreduce.wire.messages import ByteRange, JobSpec, SplitTask, StoredObject

PLACES = 100
"""Sampled places of the input, evenly spread."""
RECORDS = 200
"""Records mapped at each place."""


def key_boundaries(
    spec: JobSpec, pieces: Sequence[ByteRange], ranges: int, context: TaskContext
) -> tuple[bytes, ...]:
    """Return the `ranges` - 1 keys that separate the key ranges, encoded.

    Args:
        spec: the job that maps the sample.
        pieces: the sampled byte ranges; the first records of each are mapped.
        ranges: the number of key ranges.
        context: where the byte ranges are read.

    Raises:
        UserCodeError: the job's code raised.
    """
    job = context.load_job(spec)
    task_state(job).stage = "map"
    place = Place("map_setup")
    with user_code(place):
        job.map_setup()
        place.step = "map"
        sampled = sorted(
            key for byte_range in pieces for key in _keys(job, byte_range, context, place)
        )
    if not sampled:
        # no keys were sampled: equal boundaries send every str key to the last partition
        return (encode_key(""),) * (ranges - 1)
    # quantiles of the sampled keys; equal keys may yield equal boundaries and empty ranges
    return tuple(sampled[len(sampled) * number // ranges] for number in range(1, ranges))


def write_boundaries(task: SplitTask, found: Sequence[bytes], storage: Storage) -> StoredObject:
    """Write boundaries as an object: a key in hexadecimal a line."""
    data = "".join(f"{key.hex()}\n" for key in found).encode()
    return write_stored(storage, keys.boundaries(task.store, task.run, digest_of_bytes(data)), data)


def read_boundaries(stored: StoredObject, storage: Storage) -> list[bytes]:
    """Return the boundaries in an object; raises as `read_stored`."""
    return [bytes.fromhex(line) for line in read_stored(stored, storage).decode().splitlines()]


def _keys(job: Job, byte_range: ByteRange, context: TaskContext, place: Place) -> Iterable[bytes]:
    state = task_state(job)
    state.source, state.input = byte_range.source, byte_range.name
    place.url = byte_range.source
    own = job.own_format(byte_range.name) if byte_range.format.kind == "own" else None
    reader = reader_of(byte_range.format, context.limits, own, lenient=True)
    batches = reader.batches(
        byte_range,
        lambda start, end: context.storage.stream(
            byte_range.url, start, end, etag=byte_range.etag, block_bytes=64 << 10
        ),
    )
    if maps_columns(job, byte_range):
        from mapreduce.engine.column_sample import first_keys  # late: DuckDB takes 0.2 s to import

        batch = next((batch for batch in batches if batch.data != b""), None)
        if batch is not None:
            keys = first_keys(job, batch, byte_range, context, RECORDS)
            for key in keys:
                with suppress(Exception):  # no record supports the key
                    yield _boundary(job, key)
        return
    for offset, record in islice(
        (record for batch in batches for record in batch.records), RECORDS
    ):
        if type(record) is BadRecord:
            continue
        place.offset, place.record = offset, record
        with suppress(Exception):  # the author's code may raise anything
            pairs = pairs_of(job.map(offset, record), none_is_empty=job.gathers)
            yield from [_boundary(job, pair_of(pair)[0]) for pair in pairs]


def _boundary(job: Job, key: Any) -> bytes:
    """Return a key as a boundary; with `group_by` its group, so that none is divided."""
    encoded = encode_key(key)
    return key_prefix(encoded, job.group_by) if job.group_by else encoded
