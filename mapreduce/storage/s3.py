"""Objects in a bucket of S3, or of an S3-compatible server, through obstore."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import obstore
from obstore.exceptions import (
    AlreadyExistsError,
    BaseError,
    NotFoundError,
    PermissionDeniedError,
    PreconditionError,
)
from obstore.store import S3Store

from mapreduce.errors import InputChanged, ObjectExists, ObjectMissing, StorageError
from mapreduce.storage.base import (
    BLOCK_BYTES,
    COPY_BYTES,
    PART_BYTES,
    PARTS_IN_MEMORY_BYTES,
    REQUEST_LIMIT_S,
    RETRY_LIMIT_S,
    CopyLarge,
    ObjectInfo,
    part_bytes,
    split_url,
    write_requests,
)
from mapreduce.storage.read_ahead import read_ahead
from mapreduce.storage.requests import Requests, Tally
from mapreduce.storage.s3_errors import explained

READERS = 16
"""The most threads that read ahead; they start on demand."""
PIECE_BYTES = 1 << 20
"""The size of the pieces in which read-ahead bytes are passed on, so that work begins with the
first.
"""
REQUESTS_AT_ONCE = 128
"""Small reads under way at a time: with 25 ms for an answer, 5,000 a second. A short block needs
two, one after the other."""
CONFLICT_WAITS_S = (0.1, 0.2, 0.4, 0.8, 1.6, 3.2)
"""Waits after a 409 to a create: another write or delete of the object is under way, which says
nothing about whether there is one."""
_CONFLICT = "ConditionalRequestConflict"
PAGE = 1000
"""The most objects that one request lists."""


def open_s3(
    bucket: str,
    *,
    credentials: Callable[[], Any] | None = None,
    region: str | None = None,
    request_limit_s: float = REQUEST_LIMIT_S,
    retry_limit_s: float = RETRY_LIMIT_S,
    copy_large: CopyLarge | None = None,
) -> S3Storage:
    """Open one bucket.

    Region, endpoint (`AWS_ENDPOINT_URL`) and, without `credentials`, the credentials come from the
    environment as in AWS's own tools: variables, or a container's task role. obstore retries failed
    requests, so callers must not. Open a bucket once per process: it keeps its connections and
    credentials.

    Args:
        bucket: its name.
        credentials: an obstore credential provider, called once per process.
        region: its region; None: the environment's.
        request_limit_s: how long a request may take, through its last byte, before it is retried.
        retry_limit_s: how long after its beginning a request is still retried.
        copy_large: copies objects longer than `COPY_BYTES`; without it, one request does, which S3
            limits to 5 GB.
    """
    endpoint = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL")
    config: dict[str, Any] = {
        "region": region
        or os.environ.get("AWS_REGION")
        or os.environ.get("AWS_DEFAULT_REGION")
        or "us-east-1"
    }
    if endpoint:
        config |= {"endpoint": endpoint, "virtual_hosted_style_request": False}
    store = S3Store(
        bucket,
        **config,
        credential_provider=credentials,
        client_options={
            "allow_http": bool(endpoint and endpoint.startswith("http://")),
            "timeout": timedelta(seconds=request_limit_s),
        },
        retry_config={
            "max_retries": 8,
            "retry_timeout": timedelta(seconds=retry_limit_s),
            "backoff": {
                "init_backoff": timedelta(milliseconds=100),
                "max_backoff": timedelta(seconds=10),
                "base": 2,
            },
        },
    )
    return S3Storage(store, f"s3://{bucket}", copy_large=copy_large)


class S3Storage:
    """One bucket. Arguments, results and errors are those of the `Storage` protocol.

    Args:
        store: the bucket, opened by obstore.
        root: the bucket's URL, `s3://bucket`.
        readers: threads that read ahead; None: a new pool.
        copy_large: copies objects longer than `COPY_BYTES`.
    """

    def __init__(
        self,
        store: S3Store,
        root: str,
        readers: Executor | None = None,
        copy_large: CopyLarge | None = None,
    ) -> None:
        self._store = store
        self._copy_large = copy_large
        self._root = root
        self._readers = readers or ThreadPoolExecutor(READERS, thread_name_prefix="read-ahead")
        self._tally = Tally()

    @property
    def requests(self) -> Requests:
        return self._tally.requests

    def with_own_count(self) -> S3Storage:
        return S3Storage(self._store, self._root, self._readers, self._copy_large)

    def head(self, url: str) -> ObjectInfo:
        self._tally.add(Requests(head=1))
        with _translated(url):
            try:
                meta = obstore.head(self._store, self._key(url))
            except (NotFoundError, FileNotFoundError):
                raise
            except BaseError as exc:
                # the answer to a HEAD has no body, and so no reason; that to a GET has one
                if "status code: 4" not in str(exc):
                    raise
                self._tally.add(Requests(get=1))
                meta = obstore.get(self._store, self._key(url), options={"range": (0, 1)}).meta
        return _info(url, meta)

    def read(
        self, url: str, start: int = 0, end: int | None = None, *, etag: str | None = None
    ) -> bytes:
        if end is not None:
            return self._range(url, start, end, etag)[0] if start < end else b""
        return self._whole(url, {"range": {"offset": start}} if start else {}, etag)[0]

    def stream(
        self,
        url: str,
        start: int,
        end: int,
        *,
        etag: str | None = None,
        block_bytes: int = BLOCK_BYTES,
        ahead: int = 0,
    ) -> Iterator[bytes]:
        # without an ETag, the first block's pins the version for the others
        if end - start > block_bytes and not etag:
            block, etag = self._range(url, start, start + block_bytes, None)
            start += block_bytes
            yield block
        ranges = (
            (first, min(first + block_bytes, end)) for first in range(start, end, block_bytes)
        )
        if ahead:
            yield from read_ahead(
                lambda first, last: self._pieces(url, first, last, etag),
                ranges,
                ahead,
                self._readers,
            )
        else:
            yield from (self._range(url, first, last, etag)[0] for first, last in ranges)

    def write(
        self,
        url: str,
        data: bytes | Path,
        *,
        progress: Callable[[int], None] | None = None,
        move: bool = False,
        durable: bool = False,
    ) -> ObjectInfo:
        size = data.stat().st_size if isinstance(data, Path) else len(data)
        body = _blocks_of(data, progress) if isinstance(data, Path) and progress else data
        part = part_bytes(size)
        self._tally.add(Requests(put=write_requests(size)))
        with _translated(url):
            put = obstore.put(
                self._store,
                self._key(url),
                body,
                use_multipart=size > PART_BYTES,
                chunk_size=part,
                max_concurrency=PARTS_IN_MEMORY_BYTES // part,
            )
        return ObjectInfo(url, size, put["e_tag"] or "")

    def create(self, url: str, data: bytes, *, durable: bool = False) -> ObjectInfo:
        for wait_s in CONFLICT_WAITS_S:
            self._tally.add(Requests(put=1))
            try:
                with _translated(url):
                    put = obstore.put(self._store, self._key(url), data, mode="create")
            except ObjectExists as exc:
                # obstore sends a conditional write again after a 409, but not a create
                if _CONFLICT not in str(exc.__cause__):
                    raise
                time.sleep(wait_s)
            else:
                return ObjectInfo(url, len(data), put["e_tag"] or "")
        raise StorageError(f"others write or delete {url} all the time (409 of S3); run again")

    def replace(self, url: str, data: bytes, etag: str) -> ObjectInfo:
        self._tally.add(Requests(put=1))
        try:
            with _translated(url):
                put = obstore.put(self._store, self._key(url), data, mode={"e_tag": etag})
        # 404 of a missing object, and 409 while another write is under way
        except (ObjectMissing, ObjectExists) as exc:
            raise InputChanged.since_planning(url) from exc
        return ObjectInfo(url, len(data), put["e_tag"] or "")

    def copy(
        self, source: str, target: str, *, expected: ObjectInfo | None = None, durable: bool = False
    ) -> ObjectInfo:
        # the size decides between one request and a copy in parts
        known = expected or (self.head(source) if self._copy_large else None)
        if known is not None and known.size > COPY_BYTES and self._copy_large is not None:
            self._tally.add(Requests(copy=2 + -(-known.size // COPY_BYTES)))
            self._copy_large(source, target, known.etag)
        else:
            self._tally.add(Requests(copy=1))
            with _translated(source):
                obstore.copy(self._store, self._key(source), self._key(target))
            self._check_copied(source, target, expected)
        copied = self.head(target)
        return replace(copied, digest=expected.digest) if expected is not None else copied

    def _check_copied(self, source: str, target: str, expected: ObjectInfo | None) -> None:
        """Check after a copy that the source is still the expected object; if not, delete the copy.

        obstore's copy takes no condition, but a change before the copy shows in the ETag after it.

        Raises:
            InputChanged: it is another.
        """
        if expected is None:
            return
        try:
            found = self.head(source)
            if (found.size, found.etag) != (expected.size, expected.etag):
                raise InputChanged(
                    f"{source} is not what its task has written: another ETag or size"
                )
        except (InputChanged, ObjectMissing):
            self.delete([target])
            raise

    def requests_at_once(self, url: str) -> int:
        return REQUESTS_AT_ONCE

    def vouches(self, url: str) -> bool:
        return True

    def list(self, prefix: str) -> Iterator[ObjectInfo]:
        folder = self._key(prefix).strip("/")
        found: list[ObjectInfo] = []
        with _translated(prefix):
            for batch in obstore.list(self._store, prefix=folder or None):
                found += [_info(self._url(str(meta["path"])), meta) for meta in batch]
        self._tally.add(Requests(list=max(1, -(-len(found) // PAGE))))
        return iter(sorted(found, key=lambda info: info.url))

    def folders(self, prefix: str) -> Iterator[str]:
        folder = self._key(prefix).strip("/")
        with _translated(prefix):
            found = obstore.list_with_delimiter(self._store, prefix=folder or None)
        entries = len(found["common_prefixes"]) + len(found["objects"])
        self._tally.add(Requests(list=max(1, -(-entries // PAGE))))
        return iter(sorted(each.rpartition("/")[2] for each in found["common_prefixes"]))

    def unfinished(self, prefix: str, age_s: float) -> Iterator[ObjectInfo]:
        return iter(())

    def delete(self, urls: Iterable[str]) -> None:
        for url in urls:
            self._tally.add(Requests(delete=1))
            try:
                with _translated(url):
                    obstore.delete(self._store, self._key(url))
            except ObjectMissing:
                continue

    def _range(self, url: str, start: int, end: int, etag: str | None) -> tuple[bytes, str]:
        """Return all bytes [start, end), and the object's ETag."""
        data, seen = self._whole(url, {"range": (start, end)}, etag)
        _check_length(url, end, end - start - len(data))
        return data, seen

    def _pieces(self, url: str, start: int, end: int, etag: str | None) -> Iterator[bytes]:
        """Yield the same bytes as they arrive; the request's time limit runs while the caller holds
        them.
        """
        left = end - start
        with _translated(url):
            for piece in self._get(url, {"range": (start, end)}, etag).stream(PIECE_BYTES):
                left -= len(piece)
                yield bytes(piece)
        _check_length(url, end, left)

    def _whole(self, url: str, options: obstore.GetOptions, etag: str | None) -> tuple[bytes, str]:
        with _translated(url):
            got = self._get(url, options, etag)
            return bytes(got.bytes()), got.meta["e_tag"] or ""

    def _get(self, url: str, options: obstore.GetOptions, etag: str | None) -> obstore.GetResult:
        self._tally.add(Requests(get=1))
        if etag:
            options["if_match"] = etag
        return obstore.get(self._store, self._key(url), options=options)

    def _key(self, url: str) -> str:
        root, key = split_url(url)
        if root != self._root:
            raise StorageError(f"{url} is not in {self._root}")
        return key

    def _url(self, path: str) -> str:
        return f"{self._root}/{path}"


def _info(url: str, meta: obstore.ObjectMeta) -> ObjectInfo:
    modified = meta["last_modified"].timestamp()
    return ObjectInfo(url, meta["size"], meta["e_tag"] or "", modified=modified)


def _check_length(url: str, end: int, missing: int) -> None:
    if missing:
        raise InputChanged(
            f"{url} ended {missing} bytes before byte {end}: it was cut short; run again"
        )


def _blocks_of(path: Path, progress: Callable[[int], None]) -> Iterator[bytes]:
    """Yield a file's content, and report the bytes taken."""
    sent = 0
    with path.open("rb") as file:
        while block := file.read(BLOCK_BYTES):
            yield block
            sent += len(block)
            progress(sent)


@contextmanager
def _translated(url: str) -> Iterator[None]:
    """Translate obstore's errors to ours; the only place that does."""
    try:
        yield
    except (NotFoundError, FileNotFoundError) as exc:
        raise explained(url, str(exc), denied=False, missing=True) from exc
    except AlreadyExistsError as exc:
        raise ObjectExists(f"there is an object {url} already") from exc
    except PreconditionError as exc:
        raise InputChanged.since_planning(url) from exc
    except (BaseError, OSError, ValueError) as exc:
        denied = isinstance(exc, PermissionDeniedError)
        text = str(exc) if str(exc).strip() else type(exc).__name__
        raise explained(url, text, denied=denied, missing=False) from exc
