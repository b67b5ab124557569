"""Two runs side by side."""

from __future__ import annotations

from driver.report.page.compare import Pair, compared
from driver.report.page.render import comparison_page
from mapreduce.wire.messages import InputObject
from tests.unit.driver.report.page.made import EVIL, evil_document, report, small_document
from tests.unit.driver.report.page.test_render import Parsed
from tests.unit.driver.samples import run_plan


def _input(name: str, etag: str, size: int = 10) -> InputObject:
    return InputObject(url=f"s3://b/{name}", size=size, etag=etag)


def test_a_run_is_the_same_as_itself() -> None:
    """Nothing has changed, and every ratio is 1."""
    found = compared(small_document(), small_document())
    assert not [pair.name for pair in found.properties if pair.changed]
    assert found.inputs == ()
    assert 1 == found.same_inputs
    assert {1.0} == {pair.ratio for pair in found.times}


def test_inputs_are_new_changed_or_left_out() -> None:
    """Compared by their address and their ETag."""
    first = run_plan(inputs=(_input("a", "1"), _input("b", "1"), _input("c", "1")))
    second = run_plan(inputs=(_input("a", "1"), _input("b", "2", 20), _input("d", "1")))
    found = compared(small_document(plan=first), small_document(plan=second))
    assert 1 == found.same_inputs
    assert [
        ("s3://b/b", "changed", 10, 20),
        ("s3://b/c", "left out", 10, None),
        ("s3://b/d", "new", None, 10),
    ] == [(each.url, each.what, each.first, each.second) for each in found.inputs]


def test_changed_code_and_parameters_are_named() -> None:
    """What the second result depends on and the first does not."""
    job = run_plan().job.model_copy(update={"code": "1" * 64, "parameters": {"k": 5}})
    found = compared(small_document(), small_document(plan=run_plan(job=job)))
    assert ["code", "parameter k"] == [pair.name for pair in found.properties if pair.changed]
    text = Parsed(comparison_page(found, "WordCount")).text
    assert "Changed: code, parameter k." in text


def test_times_and_results_have_ratios() -> None:
    """The second by the first; none where the first is 0 or unknown."""
    assert 2.0 == Pair(name="a", unit="s", first=2, second=4).ratio
    assert Pair(name="a", unit="s", first=0, second=4).ratio is None
    assert Pair(name="a", unit="s", first=None, second=4).ratio is None
    second = small_document(report=report(counters={"seen": 3}))
    found = compared(small_document(report=None), second)
    assert [("seen", None, 3)] == [(pair.name, pair.first, pair.second) for pair in found.counters]
    assert ("–", "7") == next(
        (pair.text("first"), pair.text("second"))
        for pair in found.results
        if pair.name == "pairs out"
    )


def test_the_comparison_of_hostile_runs_is_text() -> None:
    """Its page is well formed, in whichever order."""
    for one, two in ((small_document(), evil_document()), (evil_document(), small_document())):
        parsed = Parsed(comparison_page(compared(one, two), EVIL))
        assert "alert" not in "".join(parsed.scripts)
        assert "\\u202e" in parsed.text
