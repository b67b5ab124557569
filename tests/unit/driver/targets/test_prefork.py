"""When services start before the command line is read."""

from __future__ import annotations

import pytest

from driver.targets.prefork import HASH_SEED, needs_services
from mapreduce.wire import build


@pytest.mark.parametrize(
    ("line", "deployed", "expected"),
    [
        ("run --input a.txt", False, True),
        ("run --input a.txt", True, False),
        ("run --input a.txt --target auto", True, False),
        ("run --target local --input a.txt", True, True),
        ("run --target=local --input a.txt", True, True),
        ("run --target=inline --input a.txt", False, False),
        ("run --target aws", False, False),
        ("run --target", False, False),
        ("run --help", False, False),
        ("runs", False, False),
        ("verify run", False, False),
        ("", False, False),
    ],
)
def test_only_a_run_on_this_machine_needs_services(
    line: str, deployed: bool, expected: bool
) -> None:
    """Only a run on this machine needs services; `auto` means this machine without a stack."""
    assert expected == needs_services(line.split(), deployed=deployed)


def test_the_services_have_the_common_hash_seed() -> None:
    """The services' hash seed has the same value in both of its definitions."""
    assert HASH_SEED == build.HASH_SEED
