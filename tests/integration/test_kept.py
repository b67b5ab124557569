"""Reuse under any sequence of runs, changes and damage: exit code 0 means the right bytes.

A few fixed sequences run each time; MAPREDUCE_TEST_EXAMPLES=1000 runs that many others.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, note, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from driver.plan.events import Event, StageDone
from mapreduce.wire import keys
from tests.integration.kept_world import Code, Ended, Wish, World, overwrite, silent_rot

EXAMPLES = int(os.environ.get("MAPREDUCE_TEST_EXAMPLES", "0"))
STEPS = 12

words = st.sampled_from(("a", "bb", "ccc", "Dd", "é"))
texts = st.lists(st.lists(words, max_size=4).map(" ".join), min_size=1, max_size=8)
names = st.sampled_from(("one.txt", "two.txt", "three.txt"))
codes = st.builds(
    Code,
    loud=st.booleans(),
    tenfold=st.booleans(),
    comment=st.sampled_from(("first", "second")),
    left_out=st.sampled_from(("", "bb")),
)
wishes = st.builds(
    Wish,
    code=codes,
    job=st.sampled_from(("Count", "Count", "Lines", "Twice")),
    shortest=st.integers(1, 2),
    reducers=st.integers(1, 3),
    chunks=st.sampled_from((1, 3)),
    copy=st.booleans(),
    fresh=st.sampled_from((False, False, False, True)),
)
places = st.integers(0, 10_000)
harms = st.sampled_from(("rot", "rot", "truncate", "delete", "older", "swap"))


@pytest.fixture(autouse=True)
def _rotting() -> Iterator[None]:
    with silent_rot():
        yield


class Kept(RuleBasedStateMachine):
    """One store; each rule changes it, or runs over it and compares the answer."""

    def __init__(self) -> None:
        super().__init__()
        self.world = World(Path(tempfile.mkdtemp(prefix="kept-")))
        self.wish = Wish()
        self.older: dict[Path, bytes] = {}
        self.done: list[str] = []

    def teardown(self) -> None:
        """Remove the folder."""
        shutil.rmtree(self.world.folder)

    @initialize(lines=texts, wish=wishes)
    def begin(self, lines: list[str], wish: Wish) -> None:
        """Write an input and run once."""
        self.world.put("one.txt", lines)
        self.wish = wish
        self._undisturbed(wish)

    # -- the user's actions
    # --------------------------------------------------------------------------

    @rule(wish=wishes)
    def run_another(self, wish: Wish) -> None:
        """Run with anything changed: code, job, parameters, partitions, splits, mode."""
        self.wish = wish
        self._undisturbed(wish)

    @rule(fresh=st.booleans())
    def run_again(self, fresh: bool) -> None:
        """Run the same again."""
        self._undisturbed(replace(self.wish, fresh=fresh))

    @rule(name=names, lines=texts)
    def put_input(self, name: str, lines: list[str]) -> None:
        """Add or change an input."""
        self.world.put(name, lines)

    @precondition(lambda self: len(self.world.inputs) > 1)
    @rule(place=places)
    def take_input_away(self, place: int) -> None:
        """Remove an input."""
        self.world.take_away(sorted(self.world.inputs)[place % len(self.world.inputs)])

    @rule(place=places, results=st.booleans())
    def clean(self, place: int, results: bool) -> None:
        """Clean up after a run."""
        self.world.clean(place, results=results)

    # -- reuse -----------------------------------------------------------------------------------

    @rule()
    def run_twice(self) -> None:
        """An unchanged run reuses everything and writes nothing."""
        wish = replace(self.wish, fresh=False)
        self._undisturbed(wish)
        before = {path: path.stat().st_mtime_ns for path in self.world.kept()}
        report = self._undisturbed(wish)
        assert report.reused_tasks == len(report.tasks) > 0
        assert before == {path: path.stat().st_mtime_ns for path in self.world.kept()}

    @rule()
    def mend_the_reducer(self) -> None:
        """A fix in the reducer repeats no map."""
        wish = replace(self.wish, fresh=False, job="Count")
        self._undisturbed(wish)
        self.wish = replace(wish, code=replace(wish.code, tenfold=not wish.code.tenfold))
        tasks = self._undisturbed(self.wish).tasks
        assert all(task.reused for task in tasks if task.stage != "reduce")

    @rule(comment=st.sampled_from(("third", "fourth")))
    def change_a_comment(self, comment: str) -> None:
        """A changed comment repeats nothing."""
        wish = replace(self.wish, fresh=False)
        self._undisturbed(wish)
        self.wish = replace(wish, code=replace(wish.code, comment=comment))
        report = self._undisturbed(self.wish)
        assert report.reused_tasks == len(report.tasks)

    # -- damage ------------------------------------------------------------------------------------

    @rule(harm=harms, place=places, other=places)
    def harm(self, harm: str, place: int, other: int) -> None:
        """Damage a kept object between two runs."""
        self._harm(harm, place, other)

    @rule(harms=st.lists(st.tuples(harms, places, places), min_size=1, max_size=4))
    def harm_what_is_used(self, harms: list[tuple[str, int, int]]) -> None:
        """Damage objects on which the previous run depends, and run the same again."""
        wish = replace(self.wish, fresh=False)
        used = self.world.used(self._undisturbed(wish))
        for harm, place, other in harms:
            self._harm(harm, place, other, [path for path in used if path.exists()])
        self._undisturbed(wish)

    @rule(
        wish=wishes,
        stage=st.sampled_from(("split", "map", "reduce")),
        harm=harms,
        place=places,
        other=places,
    )
    def harm_what_is_new(self, wish: Wish, stage: str, harm: str, place: int, other: int) -> None:
        """Damage an object that a stage has just written."""

        def interfere(event: Event) -> None:
            if isinstance(event, StageDone) and event.stage == stage:
                self._harm(harm, place, other, self.world.newest(3))

        self._check(wish, self.world.run(replace(wish, fresh=True), interfere), must=False)

    @rule(wish=wishes, at=st.integers(0, 30), harm=harms, place=places, other=places)
    def run_harmed(self, wish: Wish, at: int, harm: str, place: int, other: int) -> None:
        """Damage a kept object during a run."""
        self._disturbed(wish, at, lambda: self._harm(harm, place, other))

    @rule(wish=wishes, at=st.integers(0, 30), lines=texts)
    def run_with_input_changed(self, wish: Wish, at: int, lines: list[str]) -> None:
        """Change an input during a run."""
        self._disturbed(wish, at, lambda: self.world.put("one.txt", lines))

    @rule(wish=wishes, at=st.integers(0, 30), place=places, results=st.booleans())
    def run_cleaned(self, wish: Wish, at: int, place: int, results: bool) -> None:
        """Clean up during a run, perhaps after that same run."""
        self._disturbed(wish, at, lambda: self.world.clean(place, results=results))

    @rule(wish=wishes, same=st.booleans(), second=wishes, at=st.integers(0, 30))
    def two_drivers(self, wish: Wish, same: bool, second: Wish, at: int) -> None:
        """Start a second run, the same or another, during a first: both are right."""
        ended: list[Ended] = []
        second = wish if same else second

        def interfere(event: Event) -> None:
            if next(events) == at:
                ended.append(self.world.run(second))

        events = iter(range(1_000))
        self._check(wish, self.world.run(wish, interfere), must=True)
        for each in ended:
            self._check(second, each, must=True)

    @invariant()
    def remember(self) -> None:
        """Keep the first content of each object, for the harm `older`."""
        for path in self.world.kept():
            if path not in self.older:
                self.older[path] = path.read_bytes()

    # -- the law -----------------------------------------------------------------------------------

    def _undisturbed(self, wish: Wish) -> Any:
        """An undisturbed run ends with a whole answer, whatever damaged the store before."""
        report = self._check(wish, self.world.run(wish), must=True)
        assert self.world.is_whole(report), "the audit finds something wrong"
        return report

    def _disturbed(self, wish: Wish, at: int, harm: Any) -> None:
        """A disturbed run ends with the right answer, or with an error of ours."""
        events = iter(range(1_000))

        def interfere(event: Event) -> None:
            if next(events) == at:
                harm()

        self._check(wish, self.world.run(wish, interfere), must=False)

    def _check(self, wish: Wish, ended: Ended, *, must: bool) -> Any:
        for harm in self.done:  # here, because a hook runs in a thread, outside of the test
            note(harm)
        self.done.clear()
        if ended.report is None:
            note(f"{type(ended.error).__name__}: {ended.error}")
            if must:
                raise AssertionError(f"no answer to {wish}") from ended.error
            return None
        assert ended.expected == self.world.answer(ended.report, wish)
        return ended.report

    def _harm(self, harm: str, place: int, other: int, among: list[Path] | None = None) -> None:
        found = self.world.kept() if among is None else among
        if not found:
            return
        path, second = found[place % len(found)], found[other % len(found)]
        self.done.append(f"{harm} {path.relative_to(self.world.store)}")
        content = path.read_bytes()
        if harm == "delete":
            path.unlink()
        elif harm == "truncate":
            overwrite(path, content[: other % (len(content) or 1)])
        elif harm == "older":
            overwrite(path, self.older.get(path, b""))
        elif harm == "swap":
            alike = [each for each in found if _kind(each) == _kind(path)]
            second = alike[other % len(alike)]
            overwrite(path, second.read_bytes())
            overwrite(second, content)
        elif content:
            at = other % len(content)
            overwrite(
                path, content[:at] + bytes([content[at] ^ (1 + other % 255)]) + content[at + 1 :]
            )


def _kind(path: Path) -> str:
    folders = (keys.MAPS, keys.PAIRS, keys.CHUNKS, keys.TASKS, keys.JOBS, keys.REDUCE)
    return next(name for name in folders if name in path.parts)


@pytest.mark.slow
@pytest.mark.timeout(3600 if EXAMPLES else 120)
def test_exit_0_means_the_right_bytes(tmp_path: Path) -> None:
    """In any order of runs, changes and damage each answer is right, and each error is ours."""
    warm = World(tmp_path)
    warm.put("one.txt", ["a"])
    warm.run(Wish(job="Twice", copy=True))
    run_state_machine_as_test(
        Kept,
        settings=settings(
            max_examples=EXAMPLES or 12,
            stateful_step_count=STEPS,
            derandomize=not EXAMPLES,
            database=None,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
