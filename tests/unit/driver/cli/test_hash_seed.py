"""Which commands need the shared hash seed, and which processes keep theirs."""

from __future__ import annotations

import pytest

from driver.cli.hash_seed import SHARED, VARIABLE, needs_seed
from mapreduce.wire.build import HASH_SEED


def test_the_seed_is_the_services_one() -> None:
    """The command line has the services' seed, so that inline and service runs share results."""
    assert HASH_SEED == SHARED


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["run", "--input", "a", "--target", "inline"], True),
        (["run", "--target=inline", "--input", "a"], True),
        (["run", "--input", "a"], False),
        (["run", "--input", "inline", "--target", "local"], False),
        (["check", "--target", "inline"], False),
        ([], False),
    ],
)
def test_only_a_run_in_this_process(arguments: list[str], expected: bool) -> None:
    """Only a run in this process needs the seed; services set theirs."""
    assert expected == needs_seed(arguments, {}, (), traced=False)


def test_settings_of_the_user_are_kept() -> None:
    """A seed of the user, a debugger and a tracer are kept."""
    inline = ["run", "--target", "inline"]
    assert not needs_seed(inline, {VARIABLE: "1"}, (), traced=False)
    assert not needs_seed(inline, {}, ("debugpy",), traced=False)
    assert not needs_seed(inline, {}, (), traced=True)
