"""Copy mode: write the records of each byte range as a chunk file, and decompress compressed
inputs.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from mapreduce.engine.context import TaskContext
from mapreduce.formats.base import ReadRange
from mapreduce.formats.readers import reader_of
from mapreduce.input_formats import Text
from mapreduce.storage.base import AHEAD
from mapreduce.storage.digest import digest_of_file
from mapreduce.wire import keys
from mapreduce.wire.messages import ByteRange, Split, SplitTask

CUT_BYTES = 256 << 10
"""Compressed bytes between two places where a compressed input may be cut."""


def copy_splits(
    task: SplitTask, splits: tuple[Split, ...], context: TaskContext
) -> tuple[tuple[Split, ...], int, int, dict[str, int]]:
    """Write chunk files.

    A compressed input, which is one byte range, is decompressed as a stream and cut into as many
    chunk files as its compressed length would have been cut into.

    Returns:
        The splits that read the chunk files whole, the bytes read and written, and the unpacked
            length in bytes of each compressed input.
    """
    total = sum(given.size for given in task.inputs)
    edge_bytes = task.cut.split_bytes or max(1, total // (task.cut.splits or 1))
    copying = _Copying(task, edge_bytes, context)
    done: list[tuple[ByteRange, ...]] = []
    with context.scratch_folder() as folder:
        for split in splits:
            together: list[ByteRange] = []
            for byte_range in split.pieces:
                pieces = list(copying.copies(byte_range, folder / "chunk"))
                # a decompressed input has become several chunk files: each gets a split of its own
                if byte_range.compression and len(pieces) > 1:
                    done += [tuple(together), *((each,) for each in pieces)]
                    together = []
                else:
                    together += pieces
            done.append(tuple(together))
    numbered = tuple(
        Split(index=index, pieces=pieces) for index, pieces in enumerate(filter(None, done))
    )
    return numbered, copying.read, copying.written, copying.unpacked


@dataclass(slots=True)
class _Copying:
    """The progress of a copy.

    Attributes:
        compressed_bytes: compressed bytes that go into one chunk file.
        fetched: bytes fetched from the store.
        read: bytes of the inputs that are accounted for.
        written: bytes in chunk files.
        number: of the next chunk file.
        unpacked: unpacked bytes of each compressed input.
    """

    task: SplitTask
    compressed_bytes: int
    context: TaskContext
    fetched: int = 0
    read: int = 0
    written: int = 0
    number: int = 0
    unpacked: dict[str, int] = field(default_factory=dict)

    def copies(self, byte_range: ByteRange, path: Path) -> Iterator[ByteRange]:
        """Yield the byte ranges of the chunk files that hold the records of one byte range."""
        form = byte_range.format
        if not form.by_lines or (isinstance(form, Text) and not form.is_plain):
            yield byte_range
            return
        batches = reader_of(byte_range.format, self.context.limits).batches(
            byte_range, self._reading(byte_range)
        )
        edge = self.fetched
        batch = next(batches, None)
        end = byte_range.source_offset
        head = byte_range.body if byte_range.compression else 0
        has_head = byte_range.body or not byte_range.compression
        if batch is not None and batch.data == b"" and batch.length and has_head:
            # the header of CSV, which the byte ranges carry: line feeds take its place
            head = batch.length
            self.read += head
            batch = next(batches, None)
            if batch is None:
                yield byte_range  # nothing else lies in it
                return
        while batch is not None:
            first, edge = batch.offset - head, edge + self.compressed_bytes
            with path.open("wb") as file:
                file.write(b"\n" * head)
                head = 0
                while batch is not None:
                    assert batch.data is not None, "only records that are bytes are copied"
                    end = batch.offset + file.write(batch.data)
                    self.read += batch.length
                    batch = next(batches, None)
                    # cut by compressed bytes: the unpacked length is unknown until the end
                    if byte_range.compression and self.fetched >= edge:
                        break
            if end > first:
                yield self._chunk(byte_range, path, first)
        if byte_range.compression:
            self.unpacked[byte_range.source] = end

    def _reading(self, byte_range: ByteRange) -> ReadRange:
        def read(start: int, end: int) -> Iterator[bytes]:
            size = self.context.block_bytes
            for block in self.context.storage.stream(
                byte_range.url, start, end, etag=byte_range.etag, block_bytes=size, ahead=AHEAD
            ):
                for at in range(0, len(block), CUT_BYTES):
                    # small pieces, so that `fetched` tells closely how much has been decompressed
                    bit = block[at : at + CUT_BYTES]
                    self.fetched += len(bit)
                    self.context.meter.bytes = self.fetched
                    yield bit

        return read

    def _chunk(self, byte_range: ByteRange, path: Path, first: int) -> ByteRange:
        url = keys.chunk(self.task.store, self.task.run, self.number)
        digest = digest_of_file(path)
        info = self.context.storage.write(url, path, move=True)
        self.number += 1
        self.written += info.size
        return ByteRange(
            url=info.url,
            etag=info.etag,
            size=info.size,
            start=0,
            end=info.size,
            source=byte_range.source,
            source_offset=first,
            name=byte_range.name,
            format=byte_range.format,
            header=byte_range.header,
            body=byte_range.body,
            digest=digest,
        )
