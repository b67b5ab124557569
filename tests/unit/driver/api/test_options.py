"""The arguments of `run` become the options of a run, or are refused by name."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from driver.api.options import OTHER_ARGUMENTS, Options, config_of
from driver.plan.config import RunConfig
from mapreduce.errors import UsageError


def test_every_option_of_a_run_has_a_type() -> None:
    """The typed options are the fields of `RunConfig` that `run` does not have as arguments."""
    known = {each.name for each in fields(RunConfig)} - OTHER_ARGUMENTS
    assert known == set(Options.__annotations__)


@pytest.mark.parametrize(
    ("inputs", "expected"),
    [
        ("a.txt", ("a.txt",)),
        (Path("b/c"), ("b/c",)),
        (["a", Path("b")], ("a", "b")),
        (("s3://x/y", "z"), ("s3://x/y", "z")),
        (
            {"users": "u.csv", "orders": ["o1", Path("o2")]},
            ("users=u.csv", "orders=o1", "orders=o2"),
        ),
        ({"b", "a"}, ("a", "b")),
    ],
)
def test_inputs(inputs: Any, expected: tuple[str, ...]) -> None:
    """A path, a list of paths, and a dict of names are inputs as `--input` takes them."""
    assert expected == config_of("word_count", inputs, {}).inputs


@pytest.mark.parametrize(
    ("inputs", "named"),
    [
        ([], "no input"),
        ({}, "no input"),
        (b"a", "not b'a'"),
        (3, "not 3"),
        ([3], "not 3"),
        ({3: "a"}, "not 3"),
        (None, "not None"),
    ],
)
def test_what_is_no_input_is_refused(inputs: Any, named: str) -> None:
    """Data in memory, and nothing at all, are refused."""
    with pytest.raises(UsageError, match=named):
        config_of("word_count", inputs, {})


def test_options_keep_their_values() -> None:
    """Options reach the configuration; faults may be given as text."""
    given = {"reducers": 3, "fresh": True, "chunk_bytes": 1 << 20, "chaos": "kill=0.5"}
    config = config_of("word_count", "a", given)
    assert (3, True, 1 << 20, True) == (
        config.reducers,
        config.fresh,
        config.chunk_bytes,
        config.keep_pairs,
    )
    assert config.chaos is not None


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"reducer": 3}, "write reducers=..."),
        ({"nothing_like_it": 3}, "it has: mappers, reducers"),
        ({"job": "x"}, "no option 'job'"),
        ({"reducers": "3"}, r"run\(reducers='3'\)"),
        ({"reducers": 0}, "--reducers 0"),
        ({"fresh": 1}, "fresh=1"),
        ({"mode": "move"}, "mode='move'"),
        ({"chaos": "x"}, "--chaos x"),
    ],
)
def test_wrong_options_are_refused(options: Any, named: str) -> None:
    """An unknown option, and a value of a wrong type, are refused by name."""
    with pytest.raises(UsageError, match=named):
        config_of("word_count", "a", options)
