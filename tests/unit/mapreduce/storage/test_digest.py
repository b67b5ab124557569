"""The digest of bytes in any blocks."""

from __future__ import annotations

from pathlib import Path

import pytest
import xxhash
from hypothesis import given
from hypothesis import strategies as st

from mapreduce.errors import InputChanged
from mapreduce.storage import ObjectInfo, open_storage
from mapreduce.storage.digest import (
    Digest,
    check_copy,
    digest_of_bytes,
    digest_of_file,
    digest_of_object,
)


@given(st.lists(st.binary(max_size=20), max_size=10))
def test_blocks_make_the_digest_of_the_whole(blocks: list[bytes]) -> None:
    """The digest does not depend on the blocks, which pass unchanged and are counted."""
    digest, whole = Digest(), b"".join(blocks)
    assert blocks == list(digest.passing(blocks))
    assert (len(whole), xxhash.xxh3_128_hexdigest(whole)) == (digest.size, digest.text)
    assert digest_of_bytes(whole) == digest.text


def test_a_digest_is_pinned() -> None:
    """Digests are pinned, because earlier versions have stored them."""
    assert digest_of_bytes(b"") == "99aa06d3014798d86001c324468d497f"
    assert digest_of_bytes(b"abc") == "06b05ab6733a618578af5f94892f3950"


@pytest.mark.parametrize("size", [0, 1, (1 << 20) - 1, 1 << 20, (1 << 20) + 1, (8 << 20) + 3])
def test_a_file_and_an_object_have_the_digest_of_their_bytes(tmp_path: Path, size: int) -> None:
    """A file and an object have the digest of their bytes, also at the edges of blocks."""
    data = bytes(range(251)) * (size // 251 + 1)
    path = tmp_path / "a"
    path.write_bytes(data[:size])
    storage = open_storage()
    expected = xxhash.xxh3_128_hexdigest(data[:size])
    assert expected == digest_of_file(path)
    assert expected == digest_of_object(storage, storage.head(f"file://{path}"))


def test_a_changed_object_has_no_digest(tmp_path: Path) -> None:
    """An object that changes after the look-up raises InputChanged."""
    path = tmp_path / "a"
    path.write_bytes(b"old")
    info = open_storage().head(f"file://{path}")
    path.write_bytes(b"newer")
    with pytest.raises(InputChanged):
        digest_of_object(open_storage(), info)


def test_a_copy_is_compared_with_the_verified_object() -> None:
    """A copy's length and, if known, digest are compared with the verified ones."""
    digest = Digest()
    digest.add(b"abc")
    proven = ObjectInfo("file:///a", 3, "e", digest_of_bytes(b"abc"))
    check_copy("file:///a", proven, digest)
    check_copy("file:///a", None, digest)
    for other in (
        ObjectInfo("file:///a", 3, "e", digest_of_bytes(b"abd")),
        ObjectInfo("file:///a", 4, "e", proven.digest),
    ):
        with pytest.raises(InputChanged, match="is not what its task has written"):
            check_copy("file:///a", other, digest)
