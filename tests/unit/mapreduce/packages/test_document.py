"""The document of a set, and the names of platforms."""

from __future__ import annotations

import pytest

from mapreduce.packages import PackageSet, digest_of
from mapreduce.packages.document import platform_here, platform_name

SET = PackageSet(
    platform="cp311-linux-x86_64", wheels=(), contents="0" * 64, files=0, unpacked_bytes=0
)


def test_the_digest_stands_for_everything_in_the_set() -> None:
    """Equal sets have one digest, and each other platform, library or content another."""
    changes: list[dict[str, object]] = [
        {},
        {"platform": "cp311-linux-arm64"},
        {"provided": {"pydantic": "2.0"}},
        {"contents": "1" * 64},
    ]
    digests = [digest_of(SET.model_copy(update=change)) for change in changes]
    assert len(set(digests)) == len(changes)
    assert digests[0] == digest_of(PackageSet.model_validate_json(SET.model_dump_json()))


@pytest.mark.parametrize(
    ("system", "machine", "expected"),
    [
        ("linux", "x86_64", "cp311-linux-x86_64"),
        ("linux", "aarch64", "cp311-linux-arm64"),
        ("darwin", "arm64", "cp311-darwin-arm64"),
    ],
)
def test_a_platform_has_one_name(system: str, machine: str, expected: str) -> None:
    """The same processor has one name on Linux and on a Mac."""
    assert expected == platform_name((3, 11), system, machine)


def test_this_process_has_a_platform() -> None:
    """The name says the Python, the system and the machine."""
    assert 3 == len(platform_here().split("-"))
