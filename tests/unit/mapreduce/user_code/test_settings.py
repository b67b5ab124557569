"""Settings in a class are checked, and a step's that have no effect are refused."""

from __future__ import annotations

from typing import Any

import pytest

from mapreduce import Chain, Job, Step, Sum
from mapreduce.chain import steps_of
from mapreduce.errors import JobLoadError
from mapreduce.user_code.settings import said_settings, size_of


class Plain(Job):
    """A job without settings."""

    reduce = Sum()

    def map(self, key: Any, value: Any) -> Any:
        yield value, 1


class MapOnly(Job):
    """A job without a reduce."""

    map = Plain.map


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("4096", 4096),
        ("64MiB", 64 << 20),
        (" 1.5 gb ", 1_500_000_000),
        ("2k", 2000),
        (7, 7),
        (0, None),
        (-1, None),
        ("0", None),
        ("12 parsecs", None),
        (True, None),
        (1.5, None),
    ],
)
def test_sizes(text: Any, size: int | None) -> None:
    """A number of bytes, or a text with a unit; anything else is none."""
    assert size == size_of(text)


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"reducers": 0}, "`reducers` of Odd is 0; write a whole number, at least 1"),
        ({"reducers": True}, "`reducers` of Odd is True"),
        ({"skip_bad_records": -1}, "at least 0"),
        ({"chunk_size": "big"}, "`chunk_size` of Odd is 'big'; write .* \"64MiB\""),
        ({"task_memory": 1.5}, "`task_memory` of Odd is 1.5"),
        ({"reducer_s": 3}, "is it `reducers`"),
    ],
)
@pytest.mark.parametrize("base", [Plain, Chain])
def test_a_wrong_setting_is_refused(base: type, setting: dict[str, Any], message: str) -> None:
    """In a job and in a chain, with what to write."""
    steps = {"steps": lambda self: [Plain()]} if base is Chain else {}
    odd: Any = type("Odd", (base,), {**setting, **steps})
    with pytest.raises(JobLoadError, match=message):
        odd.check()


def test_what_a_class_says() -> None:
    """Only what is said, sizes in bytes; an annotation makes no parameter of a setting."""

    class Says(Plain):
        reducers: int = 4  # type: ignore[misc]
        chunk_size = "1KiB"

    Says.check()
    assert {"reducers": 4, "chunk_size": 1024} == said_settings(Says)
    assert {} == Says().parameter_values()


def test_reducers_without_a_reduce() -> None:
    """A job that is map-only has no reducers."""
    odd: Any = type("Odd", (MapOnly,), {"reducers": 2})
    with pytest.raises(JobLoadError, match="has `reducers` and no `reduce`"):
        odd.check()


@pytest.mark.parametrize(
    ("step", "message"),
    [
        (lambda: Step(Plain(), reducers=0), "has reducers=0; write a number from 1 on"),
        (lambda: Step(MapOnly(), reducers=2), "has `reducers`, and its job no `reduce`"),
        (
            lambda: type("Odd", (Plain,), {"skip_bad_records": 2})(),
            "`skip_bad_records` holds for all steps; write it in the chain, not in Odd",
        ),
    ],
)
def test_settings_of_a_step_without_effect(step: Any, message: str) -> None:
    """They are refused, with the place for them."""

    class Steps(Chain):
        def steps(self) -> Any:
            return [step()]

    with pytest.raises(JobLoadError, match=message):
        next(steps_of(Steps()))
