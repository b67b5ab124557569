"""The records of runs."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from driver.history.run_names import is_run_name, new_run_id
from driver.history.run_store import Ended, RunStore, Success
from mapreduce.errors import DataError, InputError, LeaseTaken, OutputLost, UsageError
from mapreduce.storage import ObjectInfo, open_storage
from mapreduce.storage.digest import digest_of_bytes
from mapreduce.wire import keys
from tests.unit.driver.samples import run_plan


@pytest.fixture
def runs(tmp_path: Path) -> RunStore:
    """An empty store."""
    return RunStore(open_storage(), f"file://{tmp_path}")


def test_a_run_gets_a_unique_id(runs: RunStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """If a random id exists already, the run takes another, and the first plan stays."""
    ids = iter(["run-a", "run-a", "run-b"])
    monkeypatch.setattr("driver.history.run_store.new_run_id", lambda _: next(ids))
    first = runs.begin(run_plan())
    second = runs.begin(run_plan(partitions=9))
    assert (first.run, second.run) == ("run-a", "run-b")
    assert runs.plan("run-a") == first
    assert runs.runs() == ["run-a", "run-b"]


def test_ids_sort_by_time() -> None:
    """Run ids sort by time."""
    assert new_run_id(1_000_000_000) < new_run_id(1_000_000_001) < new_run_id(2_000_000_000)


def test_states(runs: RunStore) -> None:
    """A run is running, then interrupted, failed or done; a success outweighs a failure."""
    run = runs.begin(run_plan(created=1000.0)).run
    assert runs.state(run, 1001.0) == "running"
    runs.write(run, "ended.json", Ended(state="interrupted", at=1.0, why="Ctrl-C"))
    assert runs.state(run) == "interrupted"
    runs.write(run, "failure.json", b"{}")
    assert runs.state(run) == "failed"
    runs.commit(run, [], 0)
    assert runs.state(run) == "done"


def test_a_run_can_be_named_by_its_beginning_or_end(
    runs: RunStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run is found by the start or end of its id, and is the last one by default; an ambiguous
    name is refused.
    """
    ids = iter(["run-20260101-brisk-owl", "run-20260102-brisk-fox"])
    monkeypatch.setattr("driver.history.run_store.new_run_id", lambda _: next(ids))
    with pytest.raises(InputError, match="no run"):
        runs.resolve(None)
    first, second = runs.begin(run_plan()).run, runs.begin(run_plan()).run
    assert runs.resolve(None) == second
    assert runs.resolve("brisk-owl") == first
    assert runs.resolve("run-20260102") == second
    with pytest.raises(InputError, match="2 runs match"):
        runs.resolve("run-2026")
    with pytest.raises(InputError, match="there is no run"):
        runs.resolve("heron")


def test_a_run_is_its_newest_epoch(runs: RunStore) -> None:
    """Each name of a run means its newest epoch, also by number and not by text; the first epoch
    and steps have names of their own.
    """
    first = "run-20260101-000000-calm-owl"
    for name in (first, *(f"{first}-epoch-{number}" for number in (2, 9, 10))):
        runs.write(name, "plan.json", run_plan(run=name, created=1.0))
        runs.write(f"{name}-step-1", "plan.json", run_plan(run=f"{name}-step-1"))
    newest = f"{first}-epoch-10"
    for given in (None, first, "run-2026", "calm-owl", newest):
        assert newest == runs.resolve(given)
    assert first == runs.resolve(f"{first}-epoch-1")
    assert f"{first}-step-1" == runs.resolve(f"{first}-step-1")
    assert [newest, newest] == runs.resolve_each([first, "calm-owl"])


def test_a_taken_epoch_ends_the_driver_before_it(runs: RunStore) -> None:
    """The lost driver finds the number of the next epoch where it looks for a wish to end; the user
    has wished nothing.
    """
    run = runs.begin(run_plan(created=1.0)).run
    assert f"{run}-epoch-2" == runs.take_epoch(run)
    assert b"2" == runs.storage.read(keys.cancel(runs.store, run))
    assert not runs.is_unwanted(run)
    runs.storage.write(keys.cancel(runs.store, run), b"")
    assert runs.is_unwanted(run)
    with pytest.raises(LeaseTaken):
        runs.commit(run, [], 0)
    assert runs.success(run) is None


def test_a_run_that_was_committed_gets_its_success(runs: RunStore) -> None:
    """A driver that was lost between the two writes of its commit has committed."""
    run = runs.begin(run_plan(created=1.0)).run
    success = runs.commit(run, [], 0)
    runs.storage.delete([keys.success(runs.store, run)])
    assert runs.state(run) == "lost"
    with pytest.raises(UsageError, match=f"result {run}"):
        runs.take_epoch(run)
    assert success == runs.success(run)


def test_a_step_takes_no_epoch(runs: RunStore) -> None:
    """Only its chain does."""
    runs.commit("run-a-step-1", [], 0)
    assert [] == list(runs.storage.list(keys.run_file(runs.store, "run-a-step-1", keys.EPOCHS)))


def _begin(runs: RunStore, monkeypatch: pytest.MonkeyPatch, name: str, created: float) -> str:
    monkeypatch.setattr("driver.history.run_store.new_run_id", lambda _: name)
    return runs.begin(run_plan(created=created)).run


def test_the_last_run_is_the_last_by_time(runs: RunStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of two runs in one second the later plan is the last, whatever their ids."""
    _begin(runs, monkeypatch, "run-20260101-000000-warm-wren", 1767225600.25)
    last = _begin(runs, monkeypatch, "run-20260101-000000-amber-ant", 1767225600.75)
    assert last == runs.resolve(None)
    _begin(runs, monkeypatch, "run-20260101-000000-wise-wren", 1767225600.5)
    assert last == runs.resolve(None)


def test_the_last_run_is_the_latest_by_its_plan(
    runs: RunStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The last run is the latest by the time in its plan, in any order of writing."""
    last = _begin(runs, monkeypatch, "run-20260101-000001-amber-ant", 1767225601.0)
    _begin(runs, monkeypatch, "run-20260101-000000-wise-wren", 1767225600.9)
    assert last == runs.resolve(None)
    _begin(runs, monkeypatch, "run-20251231-235959-zany-zebu", 1767225599.0)
    assert last == runs.resolve(None)


def test_a_chain_is_the_last_run_and_not_its_step(
    runs: RunStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The last run is a chain and not its step; a step is found only by its name."""
    chain = _begin(runs, monkeypatch, "run-20260101-000000-amber-ant", 1767225600.0)
    step = keys.step(chain, 1)
    runs.write(step, "plan.json", run_plan(run=step, created=1767225600.0))
    assert chain == runs.resolve(None)
    assert step == runs.resolve(step)


def test_a_plan_that_cannot_be_read_is_not_the_last_of_its_second(
    runs: RunStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A plan that cannot be read is not the last run, because its time is unknown."""
    known = _begin(runs, monkeypatch, "run-20260101-000000-amber-ant", 1767225600.0)
    runs.write("run-20260101-000000-wise-wren", "plan.json", b'{"run": 1}')
    assert known == runs.resolve(None)


def _parts(runs: RunStore, count: int) -> list[tuple[ObjectInfo, str]]:
    """Write parts as tasks do; return them with their final URLs."""
    parts = []
    for number in range(count):
        content = b"part %d" % number
        info = runs.storage.write(
            keys.part_attempt(runs.store, "run-1", number, "0", "jsonl"), content
        )
        url = keys.result(runs.store, "run-1", number, whole=False)
        parts.append((replace(info, digest=digest_of_bytes(content)), url))
    return parts


def test_a_commit_lists_its_copies(runs: RunStore) -> None:
    """A commit lists its copies in the order of the parts, with their current size, ETag and
    digest.
    """
    parts = _parts(runs, 20)
    success = runs.commit("run-1", parts, 7)
    assert (success, "run-1", 7) == (runs.success("run-1"), success.run, success.records)
    expected = [replace(runs.storage.head(url), digest=proven.digest) for proven, url in parts]
    assert expected == list(success.objects)
    assert [b"part %d" % number for number in range(20)] == [
        runs.storage.read(info.url) for info in expected
    ]


@pytest.mark.parametrize("content", [b"part X", b"part", b"part 10", None])
def test_a_part_that_is_not_the_one_that_was_proven_is_not_committed(
    runs: RunStore, content: bytes | None
) -> None:
    """A commit of a part that has changed fails, and writes neither the part nor `_SUCCESS`."""
    parts = _parts(runs, 3)
    path = Path(parts[1][0].url.removeprefix("file://"))
    if content is None:
        path.unlink()
    else:
        path.write_bytes(content)
    with pytest.raises(OutputLost, match="changed before its commit.*run again") as raised:
        runs.commit("run-1", parts, 7)
    assert parts[1][0].url == raised.value.url
    assert runs.success("run-1") is None
    assert not Path(parts[1][1].removeprefix("file://")).exists()


def test_a_success_of_an_older_version_has_no_digests(runs: RunStore) -> None:
    """A `_SUCCESS` of an older version has no digests, and is read with size and ETag."""
    text = b'{"run":"run-1","parts":[["file:///a",1,"e"],["file:///b",2,"f"]],"records":3}'
    runs.storage.write(keys.success(runs.store, "run-1"), text)
    success = runs.success("run-1")
    assert success is not None
    assert [ObjectInfo("file:///a", 1, "e"), ObjectInfo("file:///b", 2, "f")] == list(
        success.objects
    )
    newer = Success(run="run-1", parts=success.parts, records=3, digests=("c" * 32, "d" * 32))
    assert ["c" * 32, "d" * 32] == [info.digest for info in newer.objects]


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff\xfe", b'{"run": 5}', b"[" * 100_000])
def test_a_plan_that_cannot_be_read_says_so(runs: RunStore, content: bytes) -> None:
    """A plan that is incomplete, foreign, of another version or too deep raises our error with its
    place.
    """
    runs.write("run-20260101-000000-a", "plan.json", content)
    with pytest.raises(InputError, match=r"plan\.json cannot be read"):
        runs.plan("run-20260101-000000-a")


def test_the_last_run_is_the_last_that_can_be_read(
    runs: RunStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The last run is the last with a readable plan, whatever other folders there are."""
    monkeypatch.setattr(
        "driver.history.run_store.new_run_id", lambda _: "run-20260101-000000-good-owl"
    )
    good = runs.begin(run_plan()).run
    for name in (
        "run-20260102-000000-bad-fox",
        "zebra",
        "RUN-step-abc",
        "run-20260101-000000-good-owl-step-x",
    ):
        runs.write(name, "plan.json", b"{")
    runs.write("zzz-a-copy", "plan.json", run_plan(created=9e9))
    assert runs.resolve(None) == good
    assert runs.resolve("good-owl") == good
    assert runs.steps(good) == []


def test_no_run_can_be_read(runs: RunStore) -> None:
    """If no run can be read, the error says so."""
    runs.write("run-20260102-000000-bad-fox", "plan.json", b"{")
    with pytest.raises(InputError, match="no run in .* can be read"):
        runs.resolve(None)


def test_steps_are_in_the_order_of_their_numbers(runs: RunStore) -> None:
    """Steps are ordered by number, and a name without a number is no step."""
    for end in ("10", "2", "1", "x", "0", "01", "²", "9" * 200):
        runs.write(f"run-a-step-{end}", "plan.json", b"{}")
    assert runs.steps("run-a") == ["run-a-step-1", "run-a-step-2", "run-a-step-10"]


def test_records_that_cannot_be_read_do_not_stop_a_look(runs: RunStore) -> None:
    """A forged `_SUCCESS` or failure.json does not raise, and the state is unreadable."""
    run = runs.begin(run_plan()).run
    assert runs.failure(run) is None
    runs.write(run, "failure.json", b'{"kind": 1}')
    failure = runs.failure(run)
    assert failure is not None
    assert "cannot be read" in failure.message
    runs.storage.write(keys.success(runs.store, run), b"\x00")
    assert runs.state(run) == "unreadable"


def test_a_text_that_is_no_unicode_is_an_error_of_ours(runs: RunStore) -> None:
    """A text that is not Unicode raises our error, because a record is UTF-8."""
    with pytest.raises(DataError, match="not Unicode"):
        runs.write("run-a", "plan.json", run_plan(run="\ud800"))


@pytest.mark.parametrize(
    ("name", "is_run"),
    [
        ("run-20260101-000000-a", True),
        ("a\n", False),
        ("a\x1bb", False),
        ("RUN", False),
        ("a/b", False),
        ("\udce9", False),
    ],
)
def test_names_of_runs(name: str, is_run: bool) -> None:
    """Only names of the pinned form are run ids."""
    assert is_run_name(name) == is_run


@pytest.mark.parametrize(
    ("given", "option"),
    [(None, ""), ("", ""), ("out", " --store out"), ("my runs", " --store 'my runs'")],
)
def test_a_next_command_names_the_store_that_was_given(
    tmp_path: Path, given: str | None, option: str
) -> None:
    """A message's command means the same store as the user's, and a default store needs no word."""
    runs = RunStore(open_storage(), f"file://{tmp_path}", given)
    with pytest.raises(InputError) as caught:
        runs.resolve(None)
    assert str(caught.value).endswith(f"run --input FILE{option}")
    with pytest.raises(InputError) as caught:
        runs.plan("run-20260101-000000-brisk-owl")
    assert str(caught.value).endswith(f"runs{option}")
