"""The mutation score, from mutmut's results."""

from __future__ import annotations

from tests.mutation import scores

LINES = [
    "    driver.plan.tasks.x_task_key__mutmut_1: killed",
    "    driver.plan.tasks.x_task_key__mutmut_2: survived",
    "    driver.plan.tasks.xǁTaskSpecǁattempt__mutmut_1: timeout",
    "    mapreduce.wire.tokens.x_sign__mutmut_1: no tests",
    "a line of something else",
]


def test_changes_are_counted_by_module() -> None:
    """A mutation that was killed or timed out counts as noticed, and one without tests does not."""
    states, unnoticed = scores(LINES)
    assert {"driver.plan.tasks": 3, "mapreduce.wire.tokens": 1} == {
        module: counted.total() for module, counted in states.items()
    }
    assert [LINES[1].strip(), LINES[3].strip()] == unnoticed
