"""A whole run whose credentials end after each stage, over S3 and STS on loopback."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from driver.cloud.patient_storage import PatientStorage
from driver.cloud.sign_in import SignIn
from driver.plan import events
from driver.plan.config import RunConfig
from driver.plan.events import Event, EventLog
from driver.run.pipeline import run_job
from driver.run.stages import FleetBackend
from driver.targets.prepare import prepare
from driver.targets.written_plan import write_plan
from driver.transport.inline import InlineFleet, InlineTransport
from mapreduce.code import instance
from mapreduce.engine import TaskContext
from mapreduce.storage import open_storage
from tests.unit.driver.cloud.loopback_aws import LoopbackAws
from tests.unit.driver.cloud.test_sign_in import _sign_in, loopback, server

__all__ = ["loopback", "server"]


def _of_the_services() -> Any:
    """Return the credentials of a task's role, which do not end."""
    return {"access_key_id": "AKIAROLE", "secret_access_key": "x", "expires_at": None}


def test_a_run_goes_on_after_each_sign_in(
    loopback: LoopbackAws, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The driver's keys end after the split stage and after the map stage; each time the run pauses
    until there are new ones, tasks that have run do not run again, and the result is whole.
    """
    monkeypatch.setenv("AWS_REGION", "eu-central-1")
    (tmp_path / "in.txt").write_text("a b a\n" * 50)
    config = RunConfig(inputs=(str(tmp_path / "in.txt"),), chunks=3, reducers=2)
    prepared = prepare(config, "inline", "s3://bucket")
    storage, aws = prepared.runs.storage, prepared.aws
    assert isinstance(storage, PatientStorage)
    assert aws is not None
    keys = ["AKIAOLD", "AKIANEW", "AKIATHIRD"]

    def end(event: Event) -> None:
        if isinstance(event, events.StageDone) and event.stage in ("split", "map"):
            loopback.expired.add(keys.pop(0))

    waited: list[float] = []

    def pause(seconds: float) -> None:
        waited.append(seconds)
        _sign_in(tmp_path, keys[0])

    log = EventLog([end])
    sign_in = SignIn(aws, "1", log, 3600.0, pause=pause)
    context = TaskContext(
        storage=open_storage(credentials=_of_the_services, region="eu-central-1"),
        scratch=tmp_path / "scratch",
        memory_bytes=1 << 30,
        load_job=lambda spec: instance(prepared.source.root, spec),
    )
    backend = FleetBackend(prepared.runs, InlineFleet(), InlineTransport(context))
    with storage.waiting_for(sign_in.renewed):
        plan = write_plan(prepared, lambda *_: None)
        done = asyncio.run(run_job(plan, backend, log, fresh=False, started=0.0))
    (first, second) = [each for each in log.events if isinstance(each, events.SignInNeeded)]
    assert "sign in again" in first.why == second.why
    assert 2 == sum(isinstance(each, events.SignedIn) for each in log.events)
    assert len(waited) >= 2
    started = [each.task for each in log.events if isinstance(each, events.AttemptStarted)]
    assert sorted(set(started)) == sorted(started)
    lines = b"".join(
        loopback.objects[url.removeprefix("s3:/")] for url in done.report.result_urls
    ).splitlines()
    found = {pair["key"]: pair["value"] for pair in map(json.loads, lines)}
    assert {"a": 100, "b": 50} == found
    assert f"/bucket/reduce/{plan.run}/_SUCCESS" in loopback.objects
    events_kept = loopback.objects[f"/bucket/runs/{plan.run}/events.jsonl"]
    assert 2 == events_kept.count(b'"SignedIn"')
