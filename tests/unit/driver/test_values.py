"""The values of the command line."""

from __future__ import annotations

import pytest

from driver.cli.values import assignments, duration_s, size_bytes
from mapreduce.errors import UsageError


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("64MiB", 64 << 20),
        ("1.5gb", 1_500_000_000),
        ("4096", 4096),
        ("2 KiB", 2048),
        ("10k", 10_000),
        ("7B", 7),
    ],
)
def test_sizes(text: str, expected: int) -> None:
    """Sizes have binary or decimal units in any case."""
    assert size_bytes("--chunk-size", text) == expected


@pytest.mark.parametrize("text", ["", "0", "MiB", "-5", "64MiBs", "1e6", "12 parsecs"])
def test_a_wrong_size_is_refused_with_its_option(text: str) -> None:
    """A wrong size is refused with the option and the text."""
    with pytest.raises(UsageError, match=f"--chunk-size {text}"):
        size_bytes("--chunk-size", text)


def test_assignments() -> None:
    """An assignment's value may contain an equals sign or be empty, and the last one of a name
    counts.
    """
    assert assignments("--param", ["a=1", "b=x=y", "c=", "a=2"]) == {"a": "2", "b": "x=y", "c": ""}
    with pytest.raises(UsageError, match="name=value"):
        assignments("--param", ["=1"])


@pytest.mark.parametrize(
    ("text", "expected"), [("90s", 90), ("10m", 600), ("1.5 h", 5400), ("2H", 7200)]
)
def test_durations(text: str, expected: float) -> None:
    """Durations are seconds, minutes or hours."""
    assert duration_s("--keep", text) == expected


@pytest.mark.parametrize("text", ["", "10", "0m", "-5m", "10min", "1d", "m"])
def test_a_wrong_duration_is_refused_with_its_option(text: str) -> None:
    """A duration without a unit could be seconds or minutes, so it is refused."""
    with pytest.raises(UsageError, match=f"--keep {text}: not a duration"):
        duration_s("--keep", text)
