"""From a prepared run to its report, on each target."""

from __future__ import annotations

import asyncio
import time
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from itertools import count
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from driver.forecast.receipt import Receipt
from driver.forecast.receipts import Account
from driver.plan.config import RunConfig
from driver.plan.events import AttemptDone, EventLog, RunDone, RunPaused, RunStarted, Starting
from driver.targets import start
from driver.targets.aws import aws_backend
from driver.targets.prepare import Prepared, prepare
from driver.targets.start import carry_out
from mapreduce.errors import LimitReached, UserCodeError
from mapreduce.storage import Requests
from mapreduce.wire.messages import SplitRule
from tests.unit.driver.forecast.test_fleet_price import FLEET
from tests.unit.driver.samples import STACK_VALUES

RAISES = """
from mapreduce import Chain


class Raises(Chain):
    def steps(self):
        raise ValueError("no step today")
        yield
"""


def _prepared(folder: Path, job: str, text: str = "one two\nthree two\n") -> Prepared:
    (folder / "in.txt").write_text(text)
    config = RunConfig(inputs=(str(folder / "in.txt"),), job=job)
    return prepare(config, "inline", str(folder / "store"))


def _carried_out(prepared: Prepared, log: EventLog) -> Any:
    return asyncio.run(carry_out(prepared, log, lambda *_: None, time.monotonic()))


def test_a_job_comes_to_its_report(tmp_path: Path) -> None:
    """A job's run has the right result, and its events begin and end it."""
    log = EventLog()
    report = _carried_out(_prepared(tmp_path, "word_count"), log)
    assert (("two", 2), ("one", 1), ("three", 1)) == report.top
    assert report.ledger.balanced
    starting, *_, last = log.events
    (first,) = (event for event in log.events if isinstance(event, RunStarted))
    assert isinstance(starting, Starting)
    assert isinstance(last, RunDone)
    assert report.run_id == first.run == last.run


def test_a_chain_comes_to_the_report_of_all_its_steps(tmp_path: Path) -> None:
    """A chain's run has the right result, and the same run again reuses every step."""
    prepared = _prepared(tmp_path, "page_rank", "1\t2\n2\t3\n3\t1\n")
    report = _carried_out(prepared, EventLog())
    assert dict(report.top) == pytest.approx({"1": 1 / 3, "2": 1 / 3, "3": 1 / 3})
    success = prepared.runs.success(report.run_id)
    assert success is not None
    assert 3 == success.records
    assert len(prepared.runs.steps(report.run_id)) > 1
    assert report.ledger.balanced


def test_a_chain_whose_steps_raise_has_failed(tmp_path: Path) -> None:
    """A chain whose `steps` raises fails with the author's error, which the store has too."""
    job = tmp_path / "raising_chain.py"
    job.write_text(RAISES)
    prepared = _prepared(tmp_path, str(job))
    with pytest.raises(UserCodeError, match="no step today"):
        _carried_out(prepared, EventLog())
    (run,) = prepared.runs.runs()
    failure = prepared.runs.failure(run)
    assert failure is not None
    assert "no step today" in failure.message


def test_each_target_has_its_backend(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each target has its backend."""
    chosen: list[str] = []
    for target in ("inline", "local", "aws"):
        made = f"{target}_backend"
        monkeypatch.setattr(
            f"driver.targets.{target}.{made}", lambda *_, made=made: chosen.append(made)
        )
        start._backend(SimpleNamespace(target=target), lambda _: None)  # type: ignore[arg-type]
    assert ["inline_backend", "local_backend", "aws_backend"] == chosen


def test_the_backend_in_aws_reaches_the_stack_with_its_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The backend in AWS fetches the signing key once, and uses the given number of mappers."""
    from driver.cloud.ecs import EcsFleet
    from driver.cloud.stack import Stack
    from driver.run.stages import FleetBackend

    keys: list[str] = []

    def signing_key(_: EcsFleet) -> str:
        keys.append("k" * 32)
        return keys[0]

    monkeypatch.setattr(EcsFleet, "signing_key", signing_key)
    prepared = SimpleNamespace(
        planned=None,
        config=RunConfig(inputs=("a",), mappers=2, remembered=False),
        runs=_prepared(tmp_path, "word_count").runs,
        stack=Stack.model_validate(STACK_VALUES),
        aws=object(),
        map_tasks=1,
    )

    async def opened() -> Any:
        backend: AbstractAsyncContextManager[Any] = aws_backend(prepared, lambda _: None)  # type: ignore[arg-type]
        async with backend as made:
            return made

    made = asyncio.run(opened())
    assert isinstance(made, FleetBackend)
    assert (1, False) == (len(keys), made.remembers)


def test_a_run_pauses_at_its_limit_and_the_next_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The state is paused, the receipt says what was spent, and what is done is reused."""
    asked = count(step=1000)  # each look at the requests costs half a cent

    def limited(prepared: Prepared, began: float) -> Account:
        return Account(
            began=began, fleet=FLEET, limit_usd=0.03, requests=lambda: Requests(put=next(asked))
        )

    text = "".join(f"{number} words\n" for number in range(500))
    prepared = replace(_prepared(tmp_path, "word_count", text), cut=SplitRule(splits=9))
    log = EventLog()
    with monkeypatch.context() as patched:
        patched.setattr(start, "account_of", limited)
        with pytest.raises(LimitReached) as caught:
            _carried_out(prepared, log)
    assert caught.value.spent_usd > 0.03 == caught.value.limit_usd
    (run,) = prepared.runs.runs()
    assert "paused" == prepared.runs.state(run)
    receipt = Receipt.model_validate_json(prepared.runs.record(run, "receipt.json") or b"")
    assert receipt.usd is not None
    assert receipt.usd > 0.03
    assert any(isinstance(event, RunPaused) for event in log.events)
    done = sum(isinstance(event, AttemptDone) for event in log.events)
    report = _carried_out(prepared, EventLog())
    assert 0 < done == report.reused_tasks < len(report.tasks)
    assert 500 == dict(report.top)["words"]
