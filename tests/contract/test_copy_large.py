"""Multipart copies of objects that are too large for one request, each of a single version.

The threshold is patched to the smallest part that S3 allows.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from driver.cloud import aws
from driver.cloud.aws import Aws
from driver.history.run_store import RunStore
from mapreduce.errors import FleetError, InputChanged, ObjectMissing, OutputLost
from mapreduce.storage import ObjectInfo, Storage, open_storage, s3
from mapreduce.storage.digest import digest_of_bytes
from mapreduce.wire import keys
from tests.contract.conftest import BUCKET
from tests.contract.emulator import Emulator

pytestmark = pytest.mark.s3
PART = 5 << 20
CONTENT = bytes(range(253)) * ((3 * PART + 11) // 253 + 1)


class _Store:
    """A bucket whose large objects `copy_large` copies; `copied` records its arguments."""

    def __init__(self, root: str) -> None:
        self.root = root
        self.copied: list[tuple[str, str, str]] = []
        self.aws = Aws("us-east-1")
        self.before_copy: Callable[[], object] = lambda: None
        self.storage: Storage = open_storage(region="us-east-1", copy_large=self._copy)

    def _copy(self, source: str, target: str, etag: str) -> None:
        self.copied.append((source, target, etag))
        self.before_copy()
        self.aws.copy_large(source, target, etag)

    def put(self, name: str, content: bytes) -> ObjectInfo:
        """Write an object."""
        return replace(
            self.storage.write(f"{self.root}/{name}", content), digest=digest_of_bytes(content)
        )


@pytest.fixture
def store(emulator: Emulator, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> _Store:
    """An empty folder of a bucket."""
    for name, value in emulator.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(aws, "COPY_BYTES", PART)
    monkeypatch.setattr(s3, "COPY_BYTES", PART)
    return _Store(f"s3://{BUCKET}/{tmp_path.name}")


@pytest.fixture
def requests(store: _Store) -> list[str]:
    """The client's operations, in order."""
    seen: list[str] = []

    def remember(model: Any, **_: Any) -> None:
        seen.append(model.name)

    store.aws.s3.meta.events.register("before-call.s3", remember)
    return seen


def test_a_large_object_is_copied_in_parts(store: _Store, requests: list[str]) -> None:
    """A large object is copied with one request for each part, and the bytes are equal."""
    proven = store.put("a", CONTENT)
    copied = store.storage.copy(proven.url, f"{store.root}/b", expected=proven)
    assert CONTENT == store.storage.read(copied.url, etag=copied.etag)
    assert (len(CONTENT), proven.digest) == (copied.size, copied.digest)
    assert 4 == requests.count("UploadPartCopy")
    assert "CopyObject" not in requests
    assert [(proven.url, copied.url, proven.etag)] == store.copied


def test_a_small_object_is_copied_at_once(store: _Store) -> None:
    """An object of the threshold's size is copied with one request."""
    proven = store.put("a", CONTENT[:PART])
    copied = store.storage.copy(proven.url, f"{store.root}/b", expected=proven)
    assert CONTENT[:PART] == store.storage.read(copied.url)
    assert [] == store.copied


def test_a_large_object_that_changes_before_it_is_copied_is_refused(store: _Store) -> None:
    """A copy fails if the object changes before it begins, and leaves nothing at the target."""
    proven = store.put("a", CONTENT)
    store.before_copy = lambda: store.put("a", CONTENT[::-1])
    with pytest.raises(InputChanged, match="has changed while it was copied"):
        store.storage.copy(proven.url, f"{store.root}/b", expected=proven)
    assert [f"{store.root}/a"] == [info.url for info in store.storage.list(store.root)]


def test_a_large_object_that_is_gone_by_then_is_missing(store: _Store) -> None:
    """A copy of an object that was deleted meanwhile raises `ObjectMissing`."""
    proven = store.put("a", CONTENT)
    store.before_copy = lambda: store.storage.delete([proven.url])
    with pytest.raises(ObjectMissing):
        store.storage.copy(proven.url, f"{store.root}/b", expected=proven)


def test_a_change_fails_the_commit_and_marks_nothing(store: _Store) -> None:
    """A commit whose part has changed raises `OutputLost`, and writes no `_SUCCESS`."""
    proven = store.put("part", CONTENT)
    store.before_copy = lambda: store.put("part", CONTENT[::-1])
    runs = RunStore(store.storage, store.root)
    with pytest.raises(OutputLost, match="run again"):
        runs.commit("run-1", [(proven, keys.result(store.root, "run-1", 0, whole=False))], 1)
    assert runs.success("run-1") is None


def test_a_refusal_of_s3_raises_our_error(store: _Store) -> None:
    """A copy into a missing bucket raises `FleetError`."""
    proven = store.put("a", CONTENT)
    with pytest.raises(FleetError):
        store.aws.copy_large(proven.url, "s3://no-such-bucket/b", proven.etag)
