"""Which commands need the shared hash seed, and when a process is left as it is."""

from __future__ import annotations

import pytest

from driver.cli.hash_seed import SHARED, VARIABLE, needs_seed
from mapreduce.wire.build import HASH_SEED


def test_the_seed_is_the_services_one() -> None:
    """An inline run and a run on services share results, so their processes must have one seed."""
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
    """Services have the seed from their own start."""
    assert expected == needs_seed(arguments, {}, (), traced=False)


def test_what_the_user_has_set_up_is_kept() -> None:
    """A seed of the user's, a debugger and a tracer survive."""
    inline = ["run", "--target", "inline"]
    assert not needs_seed(inline, {VARIABLE: "1"}, (), traced=False)
    assert not needs_seed(inline, {}, ("debugpy",), traced=False)
    assert not needs_seed(inline, {}, (), traced=True)
