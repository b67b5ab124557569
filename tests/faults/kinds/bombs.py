"""Data that unpacks to far more bytes than it has: in the input, and in a map task's output."""

from __future__ import annotations

import bz2
import gzip
import lzma
import os
import struct
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress

import psutil
import xxhash

from mapreduce.formats.frames import HEADER_BYTES, INTEGERS, MAGIC, stored_bytes
from tests.faults.fault import Fault, Missed, Setting, register
from tests.faults.kinds.objects import an_output
from tests.faults.trial import Trial

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

MIB = 1 << 20
TASK_MIB = 64
MOST_MIB = 300
"""The most memory of a process of a run: Python and DuckDB take about 120 MiB of it."""
BOMB_MIB = 400
PACKERS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "bzip2": bz2.compress,
    "xz": lzma.compress,
    "zstd": zstd.compress,
    "no": bytes,
}


class _Bomb(Fault):
    setting = Setting(arguments=("--task-memory", f"{TASK_MIB}MiB"))

    def watch(self, trial: Trial) -> None:
        """Watch the memory of the trial's processes until the run ends; raise if one exceeds the
        limit.
        """
        peak = 0
        while not trial.over:
            peak = max([peak, *_resident(trial)])
            time.sleep(0.02)
        if peak > MOST_MIB * MIB:
            raise RuntimeError(
                f"a process took {peak // MIB} MiB, and its task was given {TASK_MIB}"
            )


def _resident(trial: Trial) -> Iterator[int]:
    for process in trial.driver.processes():
        with suppress(psutil.Error):
            yield process.memory_info().rss


@register
class InputBomb(_Bomb):
    name = "input-bomb"
    says = f"the input is one line of {BOMB_MIB} MiB, as it is or packed by gzip, bzip2, xz or zstd"
    expected = "fails loudly"
    message = r"a line is longer than 8 MiB[\s\S]*--task-memory"

    def prepare(self, trial: Trial) -> None:
        """Append the bomb to some valid lines."""
        how = trial.chance.choice(list(PACKERS))
        trial.text.write_bytes(PACKERS[how](b"some words\n" * 1000 + bytes(BOMB_MIB * MIB)))
        trial.injected(f"a line of {BOMB_MIB} MiB, {how} compression")

    def inject(self, trial: Trial) -> None:
        """Record the injection: the bomb is in the input."""
        self.watch(trial)


@register
class ShuffleBomb(_Bomb):
    name = "shuffle-bomb"
    says = (
        "a frame of a map's output becomes one with right checksums that unpacks to many times "
        "its length"
    )
    shows = "CorruptBlock|output lost|^\\[\\]$"

    def inject(self, trial: Trial) -> None:
        """Replace the first frame by a bomb of equal length, and restore the file's times."""
        path = an_output(trial)
        stat = path.stat()
        with path.open("r+b") as file:
            length = stored_bytes(file.read(HEADER_BYTES)) if stat.st_size > HEADER_BYTES else None
            if length is None:
                raise Missed("the output has no frame")
            file.seek(0)
            file.write(_bomb(length))
        os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
        trial.injected(f"a bomb in {path.name}")
        self.watch(trial)


def _bomb(stored_length: int) -> bytes:
    """Return a frame of this stored length which unpacks to as many zeros as fit in it."""
    packed, size = b"", TASK_MIB * MIB * 100
    while not packed or len(packed) + 8 > stored_length:
        size //= 2
        packed = _packed_zeros(size)
    rest = stored_length - len(packed) - 8
    stored = (
        packed + struct.pack("<II", 0x184D2A50, rest) + bytes(rest)
    )  # a skippable frame fills the length
    head = struct.pack("<4sBIII", MAGIC, INTEGERS, 4096, size, stored_length)
    return head + struct.pack("<Q", xxhash.xxh3_64_intdigest(head + stored)) + stored


def _packed_zeros(size: int) -> bytes:
    """Return a zstd frame of zeros, made of RLE blocks: a byte, a count (RFC 8878, 3.1.1.2)."""
    most = 128 << 10
    blocks = [most] * (size // most)
    header = struct.pack("<IBB", 0xFD2FB528, 0, 7 << 3)  # a window of 128 KiB
    repeated = [struct.pack("<I", count << 3 | 1 << 1)[:3] + b"\0" for count in blocks[:-1]]
    last = struct.pack("<I", most << 3 | 1 << 1 | 1)[:3] + b"\0"
    return header + b"".join([*repeated, last])
