"""A process touches its own store and the inputs it was given, and nothing else."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mapreduce.errors import RefusedURL
from mapreduce.storage import Grants, split_url

GRANTS = Grants(writable=("s3://own/store/", "file:///data/store"), readable=("s3://books", "file:///books/a.txt"))


@pytest.mark.parametrize(
    "url",
    [
        "s3://own/store/a",
        "s3://own/store/a/b c",
        "file:///data/store/x",
        "file:///data/store/a#b?c%2e",
        "file:///data/store",
    ],
)
def test_own_store(url: str) -> None:
    """What lies below the store may be read and written."""
    GRANTS.check(url, "read")
    GRANTS.check(url, "write")


@pytest.mark.parametrize("url", ["s3://books", "s3://books/a/b.txt", "file:///books/a.txt"])
def test_inputs_are_read_only(url: str) -> None:
    """An input may be read, never written."""
    GRANTS.check(url, "read")
    with pytest.raises(RefusedURL, match="may not write"):
        GRANTS.check(url, "write")


@pytest.mark.parametrize(
    "url",
    [
        "s3://own/other/a",
        "s3://own",
        "s3://own/storeroom/a",
        "s3://own/STORE/a",
        "s3://books-of-others/a",
        "s3://bookstore",
        "file:///data/store2/x",
        "file:///data/store-of-others",
        "file:///data",
        "file:///",
        "file:///etc/passwd",
        "file:///books/a.txt.bak",
        "file:///books/b.txt",
        "file:///data/store/../secret",
        "file:///data/store/x/../../../etc/passwd",
        "file:///data/store/./x",
        "s3://own/store/../other",
        "s3://own/store/..",
        "file:///data/store/a\x00b",
        "http://own/store/a",
        "https://169.254.169.254/latest/meta-data",
        "S3://own/store/a",
        "FILE:///data/store/x",
        "s3a://own/store/a",
        "file://data/store/x",
        "file:/data/store/x",
        "/data/store/x",
        "s3:///store/a",
        "s3://",
        "",
        " s3://own/store/a",
    ],
)
def test_refused(url: str) -> None:
    """Other places, siblings with a longer name, `..` steps, other schemes and no URL at all are refused."""
    for action in ("read", "write"):
        with pytest.raises(RefusedURL):
            GRANTS.check(url, action)


@given(st.lists(st.sampled_from(["store", "data", "..", ".", "", "x", "store2", "%2e%2e"]), max_size=6))
def test_no_path_leaves_the_store(steps: list[str]) -> None:
    """Whatever is granted for writing lies, once its steps are taken, in the store."""
    url = "file:///" + "/".join(steps)
    try:
        GRANTS.check(url, "write")
    except RefusedURL:
        return
    taken = [step for step in steps if step]
    assert ["data", "store"] == taken[:2]
    assert ".." not in taken


def test_no_grants_grant_nothing() -> None:
    """Without a place nothing may be touched."""
    with pytest.raises(RefusedURL):
        Grants(writable=()).check("s3://own/a", "read")


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("file:///a/b c.txt", ("file://", "/a/b c.txt")),
        ("s3://bucket/a/b#c?d%20e", ("s3://bucket", "a/b#c?d%20e")),
        ("s3://bucket", ("s3://bucket", "")),
        ("s3://bucket/a..b/...", ("s3://bucket", "a..b/...")),
    ],
)
def test_split_url(url: str, expected: tuple[str, str]) -> None:
    """A URL is a root and a key, and nothing in it is decoded."""
    assert expected == split_url(url)
