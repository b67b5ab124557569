"""Read an object of an S3 server and do nothing else: `python -m bench.plain_gets s3://b/key`.

Some processes read ranges one after the other over plain HTTP: what a map stage over that server
takes at least. The server must take requests without a signature, as the emulator does.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from http.client import HTTPConnection
from multiprocessing import get_context
from urllib.parse import urlsplit

from mapreduce.storage.base import BLOCK_BYTES, split_url


def main() -> int:
    """Read the object, and print the bytes and the seconds as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("url")
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    given = parser.parse_args()
    endpoint = os.environ["AWS_ENDPOINT_URL"]
    size = _size(endpoint, given.url)
    blocks = [(start, min(start + BLOCK_BYTES, size)) for start in range(0, size, BLOCK_BYTES)]
    shares = [(endpoint, given.url, blocks[at :: given.processes]) for at in range(given.processes)]
    # spawned beforehand: the start of a process is not measured
    with get_context("spawn").Pool(given.processes) as pool:
        pool.map(abs, range(given.processes), chunksize=1)
        began = time.monotonic()
        read = sum(pool.starmap(_read, shares, chunksize=1))
        seconds = time.monotonic() - began
    print(json.dumps({"bytes": read, "map_wall": seconds}))
    return 0 if read == size else 1


def _size(endpoint: str, url: str) -> int:
    connection, path = _opened(endpoint, url)
    connection.request("HEAD", path)
    return int(connection.getresponse().headers["content-length"])


def _read(endpoint: str, url: str, blocks: list[tuple[int, int]]) -> int:
    """Return how many bytes the ranges have."""
    connection, path = _opened(endpoint, url)
    read = 0
    for start, end in blocks:
        connection.request("GET", path, headers={"range": f"bytes={start}-{end - 1}"})
        read += len(connection.getresponse().read())
    return read


def _opened(endpoint: str, url: str) -> tuple[HTTPConnection, str]:
    """Return a connection, and the object's path on the server."""
    place = urlsplit(endpoint)
    root, key = split_url(url)
    bucket = root.removeprefix("s3://")
    return HTTPConnection(place.hostname or "", place.port), f"/{bucket}/{key}"


if __name__ == "__main__":
    raise SystemExit(main())
