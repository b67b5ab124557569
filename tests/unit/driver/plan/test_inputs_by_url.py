"""From URLs of a bucket to objects, with obstore's store in memory."""

from __future__ import annotations

from typing import Any, cast

import pytest
from obstore.store import MemoryStore

from driver.plan.inputs import FoundInputs, find_inputs
from mapreduce.errors import InputError, ObjectMissing
from mapreduce.storage import ObjectInfo
from mapreduce.storage.s3 import S3Storage

STORE = "s3://b/store"


@pytest.fixture
def bucket() -> S3Storage:
    """A bucket with a folder of texts."""
    storage = S3Storage(cast(Any, MemoryStore()), "s3://b")
    for key in ("in/a.txt", "in/b.txt", "in/deep/c.txt", "in/_old/d.txt", "in/.e", "inside.txt"):
        storage.write(f"s3://b/{key}", key.encode())
    return storage


def _found(bucket: S3Storage, *urls: str, **options: Any) -> FoundInputs:
    return find_inputs(urls, bucket, **options)


def _keys(found: FoundInputs) -> list[str]:
    return [each.url.removeprefix("s3://b/") for each in found.objects]


@pytest.mark.parametrize("url", ["s3://b/in", "s3://b/in/"])
def test_a_prefix_means_the_visible_objects_below_it(bucket: S3Storage, url: str) -> None:
    """A prefix means the visible objects below it; a hidden folder counts once."""
    found = _found(bucket, url)
    assert ["in/a.txt", "in/b.txt", "in/deep/c.txt"] == _keys(found)
    assert {"name": 2} == found.left_out
    assert not any(each.direct for each in found.inputs)


def test_a_key_means_its_object(bucket: S3Storage) -> None:
    """A key means its object with size and ETag, also if the key is hidden."""
    found = _found(bucket, "s3://b/in/.e", "s3://b/in/_old/d.txt")
    assert ["in/.e", "in/_old/d.txt"] == _keys(found)
    assert (len("in/.e"), bucket.head("s3://b/in/.e").etag) == (
        found.objects[0].size,
        found.objects[0].etag,
    )
    assert all(each.direct for each in found.inputs)


def test_a_name_is_given_to_all_objects_below(bucket: S3Storage) -> None:
    """An input name applies to all objects below a prefix, and one object under two names is two
    inputs.
    """
    found = _found(
        bucket, "left=s3://b/in/deep", "right=s3://b/in/deep/c.txt", names=["left", "right"]
    )
    assert ["left", "right"] == [each.name for each in found.objects]


def test_an_object_that_is_named_twice_is_read_once(bucket: S3Storage) -> None:
    """An object that is named twice is read once, and reported."""
    found = _found(bucket, "s3://b/in/a.txt", "s3://b/in")
    assert ["in/a.txt", "in/b.txt", "in/deep/c.txt"] == _keys(found)
    assert ("s3://b/in/a.txt",) == found.twice
    assert found.inputs[0].direct


def test_a_key_without_a_byte_may_be_a_folders_mark(bucket: S3Storage) -> None:
    """An empty key with objects below it is a folder's mark; alone it is an empty input."""
    bucket.write("s3://b/in/deep", b"")
    assert ["in/deep/c.txt"] == _keys(_found(bucket, "s3://b/in/deep"))
    bucket.write("s3://b/empty", b"")
    assert ["empty"] == _keys(_found(bucket, "s3://b/empty"))


@pytest.mark.parametrize(
    ("url", "hint"),
    [
        ("s3://b/none", "check the name"),
        ("s3://b/none/", "check the name"),
        ("s3://b/in/*.txt", "a pattern is not expanded"),
        ("s3://b/in/_old/x", "check the name"),
    ],
)
def test_a_url_without_objects_is_refused(bucket: S3Storage, url: str, hint: str) -> None:
    """A URL that matches nothing is refused with a possible cause."""
    with pytest.raises(InputError, match=hint):
        _found(bucket, url)


def test_a_prefix_of_hidden_objects_is_refused(bucket: S3Storage) -> None:
    """A prefix with only hidden objects is refused with their number."""
    bucket.write("s3://b/hidden/_a", b"x")
    with pytest.raises(InputError, match="1 left out"):
        _found(bucket, "s3://b/hidden")


def test_of_the_run_store_only_results_are_inputs(bucket: S3Storage) -> None:
    """In the run store only results are inputs."""
    bucket.write(f"{STORE}/maps/run-20260101-000000-calm-crane/map-00000.attempt-0", b"pairs")
    bucket.write("s3://b/store-beside/x.txt", b"x")
    found = _found(bucket, "s3://b/in", "s3://b/store-beside", store=STORE)
    assert "store-beside/x.txt" in _keys(found)
    with pytest.raises(InputError, match="only a committed result"):
        _found(bucket, STORE, store=STORE)


class _Listing:
    """A bucket whose listing omits the slash at the end of keys, as S3's client does."""

    def __init__(self, listed: list[ObjectInfo], there: dict[str, ObjectInfo]) -> None:
        self._listed = listed
        self._there = there

    def list(self, url: str) -> list[ObjectInfo]:
        """Return the same listing for any URL."""
        return self._listed

    def head(self, url: str) -> ObjectInfo:
        """Return the object of this key, or raise."""
        if url not in self._there:
            raise ObjectMissing(url)
        return self._there[url]


def _info(size: int) -> ObjectInfo:
    return ObjectInfo("s3://b/in/x", size, f"e{size}")


def test_two_keys_of_one_listed_name_are_distinguished() -> None:
    """A folder's mark is no input, and an object whose key ends with a slash is refused."""
    there = {"s3://b/in/x": _info(5)}
    for listed in ([_info(5), _info(0)], [_info(5)]):
        found = find_inputs(["s3://b/in/"], cast(Any, _Listing(listed, there)))
        assert [5] == [each.size for each in found.objects]
    with pytest.raises(InputError, match="nothing below it"):
        find_inputs(["s3://b/in/"], cast(Any, _Listing([_info(0)], {})))
    for listed in ([_info(7), _info(0)], [_info(5), _info(7)]):
        with pytest.raises(InputError, match=r"s3://b/in/x/ is an object whose key ends"):
            find_inputs(["s3://b/in/"], cast(Any, _Listing(listed, there)))
