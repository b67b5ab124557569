"""A sample of a run: the beginnings of some splits, mapped and reduced by the user's own code.

The driver copies at most 1 MiB of each into a folder of this machine; a process of its own runs the
job's code on them, so that code which hangs, raises or exits only ends the sample.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import ValidationError

from driver.forecast.sampling.messages import SampleAnswer, SampleRequest
from driver.program.module_path import own_environment, own_process
from mapreduce.errors import MapReduceError
from mapreduce.formats.compression import decompressed
from mapreduce.input_formats import Csv
from mapreduce.storage import Requests, Storage, open_storage
from mapreduce.wire.build import HASH_SEED
from mapreduce.wire.messages import ByteRange, JobSpec, Split

SAMPLES = 3
SAMPLE_BYTES = 1 << 20
WHOLE_BYTES = 4 << 20
"""An object that cannot be cut is sampled up to this size."""
BUDGET_S = 1.5
LIMIT_S = 10.0
"""Seconds after which the process is ended: importing the job's packages may take some of them."""


@dataclass(frozen=True, slots=True)
class SampledJob:
    """The job that a sample runs.

    Attributes:
        root: the folder of its code.
        spec: the job; its code is read from the folder and not by its digest.
        partitions: the number of partitions.
        total_order: the partitions are ranges of keys.
        memory_bytes: the memory of a task.
        packages: the folder of its packages, if it requires any.
    """

    root: Path
    spec: JobSpec
    partitions: int
    total_order: bool = False
    memory_bytes: int = 256 << 20
    packages: Path | None = None


@dataclass(frozen=True, slots=True)
class SampleOutcome:
    """What a sample found, and what it read for that.

    `unpacked` is how many bytes came from one byte of compressed inputs, 1 where none is.
    """

    answer: SampleAnswer
    samples: int = 0
    bytes_read: int = 0
    seconds: float = 0.0
    requests: Requests = field(default_factory=Requests)
    unpacked: float = 1.0


def run_sample(
    job: SampledJob, splits: Sequence[Split], storage: Storage, why_not: str = ""
) -> SampleOutcome:
    """Run a job on the beginnings of some of its splits; on none if there is a reason why not."""
    began, before = time.monotonic(), storage.requests
    with tempfile.TemporaryDirectory(prefix="mapreduce-", ignore_cleanup_errors=True) as folder:
        copies = _Copies(storage, Path(folder))
        try:
            wanted = () if why_not else chosen(splits)
            samples = tuple(filter(None, map(copies.beginning, wanted)))
            answer = SampleAnswer(error=why_not or "no split of this input can be sampled")
            if samples:
                answer = _asked(_request(job, samples, folder))
        except MapReduceError as exc:
            samples, answer = (), SampleAnswer(error=str(exc))
    return SampleOutcome(
        answer=answer,
        samples=len(samples),
        bytes_read=copies.bytes_read,
        seconds=time.monotonic() - began,
        requests=storage.requests - before,
        unpacked=copies.unpacked / copies.packed if copies.packed else 1.0,
    )


def chosen(splits: Sequence[Split]) -> list[Split]:
    """Return the splits to sample: at random, and the same for the same number of splits.

    A split that begins inside quotes is left out where others are: its first record is unknown.
    """
    good = [split for split in splits if not any(piece.quoted for piece in split.pieces)]
    chance = random.Random(len(good))
    return chance.sample(good, min(SAMPLES, len(good)))


def _request(
    job: SampledJob, samples: tuple[tuple[ByteRange, ...], ...], folder: str
) -> SampleRequest:
    return SampleRequest(
        root=str(job.root),
        packages=str(job.packages or ""),
        folder=folder,
        job=job.spec,
        samples=samples,
        partitions=job.partitions,
        total_order=job.total_order,
        memory_bytes=job.memory_bytes,
        budget_s=BUDGET_S,
    )


def _asked(request: SampleRequest, limit_s: float = LIMIT_S) -> SampleAnswer:
    """Have a process of its own run the sample; it ends with all that it has started."""
    process = subprocess.Popen(
        own_process("driver.forecast.sampling.task"),
        env=own_environment(os.environ, PYTHONHASHSEED=HASH_SEED),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        out, _ = process.communicate(request.model_dump_json().encode(), timeout=limit_s)
    except subprocess.TimeoutExpired:
        what = f"the job's code did not end within {limit_s:g} s on a sample of 1 MiB"
        return SampleAnswer(error=f"{what}; does it wait for something?", seconds=limit_s)
    finally:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
    try:
        return SampleAnswer.model_validate_json(out)
    except ValidationError:
        code = process.returncode
        return SampleAnswer(error=f"the job's code ended its process on the sample (code {code})")


@dataclass(slots=True)
class _Copies:
    """Local copies of the beginnings of splits."""

    storage: Storage
    folder: Path
    bytes_read: int = 0
    packed: int = 0
    unpacked: int = 0
    _count: int = 0
    _local: Storage = field(default_factory=open_storage)

    def beginning(self, split: Split) -> tuple[ByteRange, ...]:
        """Return byte ranges over copies of a split's beginning; none when it is empty."""
        left, copied = SAMPLE_BYTES, list[ByteRange]()
        for piece in split.pieces:
            if left <= 0:
                break
            copy = self._copy(piece, left)
            if copy is not None:
                copied.append(copy)
                left -= copy.length
        return tuple(copied)

    def _copy(self, piece: ByteRange, most: int) -> ByteRange | None:
        if not piece.format.by_lines:
            return self._whole(piece) if piece.size <= WHOLE_BYTES else None
        if piece.compression is not None:
            return self._kept(piece, self._unpacked(piece, most), 0)
        content = self._read(piece, min(piece.length, most))
        skipped = 0
        if piece.start:  # the record that the range begins in belongs to the split before
            skipped = first_line_end(content, quotes=isinstance(piece.format, Csv))
            content = content[skipped:]
        if piece.start + skipped + len(content) < piece.size:
            content = whole_lines(content, quotes=isinstance(piece.format, Csv))
        return self._kept(piece, content, piece.start + skipped)

    def _whole(self, piece: ByteRange) -> ByteRange | None:
        """Return the byte range in a copy of its whole object: a reader finds its records there."""
        whole = piece.model_copy(update={"start": 0, "end": piece.size})
        kept = self._kept(whole, self._read(whole, piece.size), 0)
        same = ("start", "end", "source_offset", "compression")
        return kept and kept.model_copy(update={name: getattr(piece, name) for name in same})

    def _read(self, piece: ByteRange, length: int) -> bytes:
        end = min(piece.start + length, piece.size)
        content = self.storage.read(piece.url, piece.start, end, etag=piece.etag)
        self.bytes_read += len(content)
        return content

    def _unpacked(self, piece: ByteRange, most: int) -> bytes:
        """Return the beginning of what a compressed object holds."""
        packed = self._read(piece, min(piece.size, most))
        found = bytearray()
        blocks = decompressed(iter([packed]), piece.compression or "gzip", piece.url)
        with suppress(MapReduceError):  # it ends early, because only its beginning was read
            for block in blocks:
                found += block
                if len(found) > 4 * SAMPLE_BYTES:
                    break
        self.packed += len(packed)
        self.unpacked += len(found)
        return whole_lines(bytes(found[:most]), quotes=isinstance(piece.format, Csv))

    def _kept(self, piece: ByteRange, content: bytes, offset: int) -> ByteRange | None:
        if not content:
            return None
        self._count += 1
        url = f"file://{self.folder}/sample-{self._count}"
        info = self._local.write(url, content)
        return piece.model_copy(
            update={
                "url": url,
                "etag": info.etag,
                "size": len(content),
                "start": 0,
                "end": len(content),
                "source_offset": offset,
                "compression": None,
                "digest": "",
            }
        )


def whole_lines(content: bytes, *, quotes: bool) -> bytes:
    """Return the content up to its last line end; with quotes, to the last one outside of them."""
    end = content.rfind(b"\n") + 1
    while quotes and end and content.count(b'"', 0, end) % 2:
        end = content.rfind(b"\n", 0, end - 1) + 1
    return content[:end]


def first_line_end(content: bytes, *, quotes: bool) -> int:
    """Return where the first line ends, outside of quotes; the whole length where none does."""
    end = content.find(b"\n") + 1
    while quotes and end and content.count(b'"', 0, end) % 2:
        end = content.find(b"\n", end) + 1
    return end or len(content)
