"""Measure a reduce task over an S3 whose every answer takes 25 ms:
`python -m bench.slow_store --maps 1000 --block 65536`.

The store is a process of its own that keeps objects in memory and delays each answer; the task is
the engine's, in this process. `fetch` is the time until all blocks are read, without a merge;
`reduce` is the whole task.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import multiprocessing
import os
import random
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from email.utils import formatdate
from multiprocessing.connection import Connection
from pathlib import Path

import xxhash

from mapreduce.encoding import encode_key
from mapreduce.engine import TaskContext
from mapreduce.engine.block_index import index_of, sum_of
from mapreduce.engine.fetch import each_of, fetch, fetching, find_blocks, write_list
from mapreduce.engine.reduce_task import run_reduce
from mapreduce.formats.frames import BlockWriter
from mapreduce.storage import ObjectInfo, Storage, open_storage
from mapreduce.wire import keys
from mapreduce.wire.messages import Block, Cost, JobSpec, MapResult, ReduceTask
from mapreduce_jobs.word_count import WordCount

STORE = "s3://slow-bucket/store"
PARTITIONS = 2
DATE = formatdate(usegmt=True)


class SlowStore(asyncio.Protocol):
    """One connection to a store that keeps its objects in memory; as much of S3 as is needed."""

    def __init__(self, objects: dict[str, bytes], delay_s: float) -> None:
        self._objects = objects
        self._delay_s = delay_s
        self._seen = bytearray()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the connection."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Answer each request that has come whole, after the delay."""
        self._seen += data
        while (end := self._seen.find(b"\r\n\r\n")) >= 0:
            first, *lines = self._seen[:end].decode("latin-1").split("\r\n")
            fields = (line.partition(":") for line in lines)
            headers = {name.lower(): value.strip() for name, _, value in fields}
            stop = end + 4 + int(headers.get("content-length", 0))
            if len(self._seen) < stop:
                return
            body = bytes(self._seen[end + 4 : stop])
            del self._seen[:stop]
            method, path, _ = first.split(" ")
            answer = self._answer(method, path.partition("?")[0], headers, body)
            asyncio.get_running_loop().call_later(self._delay_s, self._transport.write, answer)

    def _answer(self, method: str, path: str, headers: dict[str, str], body: bytes) -> bytes:
        if method == "PUT":
            self._objects[path] = body
            return _head("200 OK", 0, _etag(body))
        content = self._objects.get(path)
        if content is None:
            return _head("404 Not Found", 0, "")
        etag, size = _etag(content), len(content)
        if "range" not in headers:
            return _head("200 OK", size, etag) + (content if method == "GET" else b"")
        start, _, last = headers["range"].removeprefix("bytes=").partition("-")
        piece = content[int(start) : int(last) + 1]
        place = f"Content-Range: bytes {start}-{int(start) + len(piece) - 1}/{size}\r\n"
        return _head("206 Partial Content", len(piece), etag, place) + piece


def _etag(content: bytes) -> str:
    return xxhash.xxh3_64_hexdigest(content[:64] + len(content).to_bytes(8, "big"))


def _head(status: str, length: int, etag: str, more: str = "") -> bytes:
    return (
        f'HTTP/1.1 {status}\r\nContent-Length: {length}\r\nETag: "{etag}"\r\n'
        f"Last-Modified: {DATE}\r\n{more}\r\n"
    ).encode()


@contextmanager
def slow_store(delay_s: float) -> Iterator[Storage]:
    """Start the store, yield it as storage, and end it with the block."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_serve, args=(theirs, delay_s), daemon=True)
    process.start()
    theirs.close()
    os.environ |= {
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{ours.recv()}",
        "AWS_ACCESS_KEY_ID": "none",
        "AWS_SECRET_ACCESS_KEY": "none",
    }
    try:
        yield open_storage()
    finally:
        ours.close()  # the process ends when this closes
        process.join()


def _serve(control: Connection, delay_s: float) -> None:
    async def serve() -> None:
        objects: dict[str, bytes] = {}
        loop, closed = asyncio.get_running_loop(), asyncio.Event()
        loop.add_reader(control.fileno(), closed.set)
        server = await loop.create_server(
            lambda: SlowStore(objects, delay_s), "127.0.0.1", 0, backlog=512
        )
        control.send(server.sockets[0].getsockname()[1])
        await closed.wait()

    asyncio.run(serve())


def map_outputs(storage: Storage, maps: int, block_bytes: int, folder: Path) -> list[MapResult]:
    """Write map outputs whose blocks have about so many bytes: all count the same words."""
    draw, path = random.Random(7), folder / "output"
    with path.open("wb") as file:
        blocks: list[Block] = []
        for _ in range(PARTITIONS):
            offset, writer, taken = file.tell(), BlockWriter(file), 0
            # random letters and counts hardly compress
            while writer.length < block_bytes:
                words = sorted(f"{taken:05d}{draw.getrandbits(24):06x}" for _ in range(1000))
                writer.write((encode_key(word), draw.getrandbits(20)) for word in words)
                taken += 1
            blocks.append(
                Block(offset, writer.length, writer.records, writer.checksum, integers=True)
            )
        index = index_of(blocks)
        file.write(index)
    content = path.read_bytes()
    return [
        _result(
            storage.write(keys.map_attempt(STORE, "run-1", number, "0"), content), blocks, index
        )
        for number in range(maps)
    ]


def _result(info: ObjectInfo, blocks: list[Block], index: bytes) -> MapResult:
    return MapResult(
        url=info.url,
        etag=info.etag,
        size=info.size,
        pieces=(),
        records_in=0,
        records_out=sum(block.records for block in blocks),
        blocks=sum_of(blocks, index),
        counters={},
        cost=Cost(seconds=0, peak_memory_bytes=0),
    )


@dataclass(frozen=True, slots=True)
class Figures:
    """Seconds of both measurements, and the bytes of the partition.

    `keys` is how many keys the task wrote, `right_keys` how many each map output has.
    """

    size_bytes: int
    fetch_s: float
    reduce_s: float
    keys: int
    right_keys: int


def measure(maps: int, block_bytes: int, delay_s: float, memory_bytes: int) -> Figures:
    """Reduce one partition of `maps` blocks."""
    with slow_store(delay_s) as storage, tempfile.TemporaryDirectory() as folder:
        made = map_outputs(storage, maps, block_bytes, Path(folder))
        task = ReduceTask(
            run="run-1",
            store=STORE,
            index=0,
            job=JobSpec(code="0" * 64, module="m", name="N"),
            outputs=write_list(made, STORE, "run-1", storage),
            partitions=PARTITIONS,
        )
        context = TaskContext(storage, Path(folder), memory_bytes, lambda _: WordCount())
        began = time.perf_counter()
        partition = find_blocks(task, context)
        with fetching(storage, STORE) as pool:
            for _ in each_of(lambda source: fetch(source, context), partition.sources, pool):
                pass
        fetched = time.perf_counter()
        done = run_reduce(task, context)
        reduced = time.perf_counter()
        return Figures(
            partition.bytes,
            fetched - began,
            reduced - fetched,
            done.records_out,
            done.records_in // maps,
        )


def main() -> None:
    """Parse the command line, measure, and print a table."""
    parser = argparse.ArgumentParser(description="What a slow store costs a reduce task.")
    parser.add_argument("--maps", type=int, default=1000)
    parser.add_argument("--block", type=int, default=64 << 10, help="bytes")
    parser.add_argument("--delay", type=float, default=0.025, help="seconds for an answer")
    parser.add_argument("--memory", type=int, default=1 << 30, help="bytes for the task")
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    given = parser.parse_args()
    figures = measure(given.maps, given.block, given.delay, given.memory)
    if given.json:
        sys.stdout.write(json.dumps(asdict(figures)) + "\n")
        return
    for name, seconds in (("fetch", figures.fetch_s), ("reduce", figures.reduce_s)):
        rate = figures.size_bytes / seconds / 1e6
        sys.stdout.write(f"{name:<10}{seconds:6.2f} s  {rate:6.0f} MB/s\n")


if __name__ == "__main__":
    main()
