"""Where a run is carried out, in numbers, and what it is held against."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from driver.cloud.stack import Stack
from driver.forecast.model import Place
from driver.plan.config import RunConfig
from driver.plan.events import EventLog, FleetScaled, LookFailed, encoded
from driver.targets.accounting import account_of, place_in, place_of, priced
from driver.targets.planning import plan_run
from driver.targets.prepare import Prepared, prepare
from driver.transport.endpoint import Role
from mapreduce.errors import StorageError
from mapreduce.wire import keys
from tests.unit.driver.forecast.test_meter import ALL, NONE
from tests.unit.driver.samples import STACK_VALUES, run_plan

STOPPED: dict[Role, int] = {"splitter": 0, "mapper": 0, "reducer": 0}
USUAL: dict[Role, int] = {"splitter": 1, "mapper": 3, "reducer": 1}
RUN = "run-20260101-000000-calm-owl"
MIB = 1 << 20


def _prepared(folder: Path, **options: Any) -> Prepared:
    (folder / "in.txt").write_text("a b\n" * 1000)
    config = replace(RunConfig(inputs=(str(folder / "in.txt"),)), **options)
    return prepare(config, "local", str(folder / "store"))


def _stack(**changes: object) -> Stack:
    return Stack.model_validate(STACK_VALUES | changes)


def test_on_this_machine_nothing_is_priced(tmp_path: Path) -> None:
    """Slots and memory as the services have them."""
    place = place_of(_prepared(tmp_path, mappers=3, reducers=1, task_memory_bytes=64 * MIB))
    assert (3, 1, 64 * MIB) == (place.map_slots, place.reduce_slots, place.map_memory_bytes)
    assert place.fleet is None
    assert not place.is_cold


def test_a_stack_that_runs(tmp_path: Path) -> None:
    """Three mappers of two vCPUs have six slots, each with its share of the memory."""
    running: dict[Role, int] = {"splitter": 1, "mapper": 3, "reducer": 1}
    place = place_in(_stack(), _prepared(tmp_path), running)
    assert (6, 1) == (place.map_slots, place.reduce_slots)
    assert int(2048 * MIB * 0.8 / 2) == place.map_memory_bytes
    assert not place.is_cold
    assert running == place.counts


def test_a_stack_that_is_stopped_starts_as_many_mappers_as_have_work(tmp_path: Path) -> None:
    """One map task needs one mapper; the user's number counts more."""
    stack = _stack()
    cold = place_in(stack, _prepared(tmp_path), STOPPED)
    assert (1, 2) == (cold.counts["mapper"], cold.map_slots)
    assert cold.is_cold
    assert {"splitter": 1, "mapper": 1, "reducer": 1} == cold.started
    assert 5 == place_in(stack, _prepared(tmp_path, mappers=5), STOPPED).counts["mapper"]


def test_the_prices_are_those_of_the_stack() -> None:
    """Sizes, Spot, addresses and the guard."""
    fleet = priced(_stack())
    assert (512, 2048) == (fleet.sizes["splitter"].cpu, fleet.sizes["mapper"].cpu)
    assert (50, True, True) == (fleet.spot_share, fleet.is_public, fleet.guarded)
    assert not priced(_stack(guard=None)).guarded


def test_a_history_that_cannot_be_read_ends_no_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The run has a receipt without ranges."""

    def fails(*_: object) -> None:
        raise StorageError("no answer")

    monkeypatch.setattr("driver.targets.accounting.read_history", fails)
    account = account_of(_prepared(tmp_path), began=0.0)
    assert account.forecast is None
    assert account.history.runs == ()


def _lost_twice(prepared: Prepared) -> Prepared:
    """A run whose first and third driver were lost, and the second before it wrote a plan."""
    runs = prepared.runs
    for name, created in ((RUN, 0.0), (f"{RUN}-epoch-3", 1000.0)):
        runs.write(name, "plan.json", run_plan(run=name, created=created))
        scaled = FleetScaled(at=created + 10, before=NONE, after=ALL)
        last = LookFailed(at=created + 310, stage="map", why="")
        runs.storage.write(keys.segment(runs.store, name, 0), encoded([scaled, last]))
    newest = run_plan(run=f"{RUN}-epoch-3")
    return replace(prepared, planned=newest, goes_on=True)


def _limited(prepared: Prepared) -> Prepared:
    """The same run with a limit, which a run on this machine cannot have."""
    return replace(prepared, config=replace(prepared.config, max_usd=5.0))


def test_what_lost_drivers_have_spent_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A driver that goes on adds up the events of all epochs before it, for limit and receipt."""
    fleet = priced(_stack(guard=None))
    place = place_of(_prepared(tmp_path)).model_copy(update={"fleet": fleet})
    monkeypatch.setattr("driver.targets.accounting.place_of", lambda _: place)
    prepared = _limited(_lost_twice(_prepared(tmp_path)))
    each = fleet.usage({role: count * 300.0 for role, count in USUAL.items()}, 300.0).usd
    account = account_of(prepared, began=2000.0)
    assert pytest.approx(2 * each) == account.before_usd
    limit = account.allowance(EventLog(), lambda: 2000.0)
    assert limit is not None
    assert limit.spent_usd() >= account.before_usd
    again = replace(prepared, goes_on=False)
    assert 0.0 == account_of(again, began=2000.0).before_usd


def test_events_of_lost_drivers_that_cannot_be_read_end_a_run_with_a_limit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody knows then what is left of the limit; without one, the receipt has less."""
    place = place_of(_prepared(tmp_path)).model_copy(update={"fleet": priced(_stack())})
    monkeypatch.setattr("driver.targets.accounting.place_of", lambda _: place)

    def fails(*_: object) -> None:
        raise StorageError("no answer")

    monkeypatch.setattr("driver.targets.accounting.events_of", fails)
    with pytest.raises(StorageError):
        account_of(_limited(_lost_twice(_prepared(tmp_path))), began=2000.0)
    assert 0.0 == account_of(_lost_twice(_prepared(tmp_path)), began=2000.0).before_usd


def test_a_plan_for_a_stack_has_a_price(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Local inputs that are not in the bucket yet are sampled where they are."""
    from driver.forecast.sampling import sample
    from driver.forecast.sampling.task import measured

    monkeypatch.setattr(sample, "_asked", measured)
    prepared = replace(_prepared(tmp_path), stack=_stack())
    monkeypatch.setattr("driver.targets.planning._counts_now", lambda _: STOPPED)
    _, forecast = plan_run(prepared)
    assert forecast.money is not None
    assert 0 < forecast.money.together.low < forecast.money.together.high
    assert 'stack "mapreduce", stopped, 1 mapper, Spot 50 %' == forecast.place
    names = {line.name for line in forecast.lines}
    assert {"vcpu_s", "gib_s", "requests", "usd"} <= names


def test_on_a_stack_a_local_plan_says_the_price_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A note, beside a plan that is not priced."""
    from driver.forecast.sampling import sample
    from driver.forecast.sampling.task import measured

    monkeypatch.setattr(sample, "_asked", measured)
    monkeypatch.setattr("driver.targets.planning.read_stack", lambda _: _stack())
    _, forecast = plan_run(_prepared(tmp_path))
    assert forecast.money is None
    assert any('on the stack "mapreduce" it would cost' in note for note in forecast.notes)
    assert Place(target="local", map_slots=1, reduce_slots=1).fleet is None
