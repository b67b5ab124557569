"""Whether a measurement has held its goal."""

from __future__ import annotations

import pytest

from examples.serving.bench import suite
from examples.serving.bench.verdict import Verdict


@pytest.mark.parametrize(
    ("verdict", "is_met", "goal"),
    [
        (Verdict("gain", 3.0, least=3), True, "(at least 3)"),
        (Verdict("gain", 2.99, least=3), False, "(at least 3)"),
        (Verdict("cost", 1.11, most=1.1), False, "(at most 1.1)"),
        (Verdict("share", 10.2, 8.5, 11.5), True, "(at least 8.5 and at most 11.5)"),
        (Verdict("failed", 1, 0, 0), False, "(0)"),
        (Verdict("nothing", float("nan"), least=3), False, "(at least 3)"),
    ],
)
def test_a_goal_is_met_or_missed(verdict: Verdict, is_met: bool, goal: str) -> None:
    """The line says which, with the number and the goal."""
    assert is_met == verdict.is_met
    assert verdict.line.endswith(goal)
    assert ("MISSED" in verdict.line) != is_met


@pytest.mark.parametrize(("found", "code"), [([4.0, 3.0], 0), ([4.0, 2.0], 1)])
def test_a_miss_fails_the_bench(
    found: list[float],
    code: int,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The exit code is 1 if any measurement has missed a goal, and each verdict is printed."""
    monkeypatch.setattr(suite, "SLOWER", {})
    monkeypatch.setattr(suite, "NAMES", ("one", "two"))
    monkeypatch.setattr(
        suite,
        "MEASUREMENTS",
        {
            name: lambda _, __, number=number: [Verdict("gain", number, least=3)]
            for name, number in zip(("one", "two"), found, strict=True)
        },
    )
    assert code == suite.run(None, 10)
    assert capsys.readouterr().out.count("gain: ") == 2
