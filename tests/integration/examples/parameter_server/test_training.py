"""Whole runs: the same bits, each mode, faults, and what is left in the store."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from functools import lru_cache
from pathlib import Path

import pytest

from examples.parameter_server.checkpoint import Runs, fingerprint
from examples.parameter_server.core.spec import RunSpec
from examples.parameter_server.fleet import LocalFleet
from mapreduce.errors import UsageError
from mapreduce.storage import open_storage
from tests.faults.systems.parameter_server import table
from tests.faults.systems.parameter_server.reference import plain_loop

SPEC = RunSpec(clocks=10, micro_batches=8, batch_rows=16, checkpoint_every=4)
TRAIN = (sys.executable, "-m", "examples.parameter_server", "train")
reference = lru_cache(maxsize=4)(plain_loop)


@pytest.mark.parametrize(
    ("workers", "servers"), [(1, 1), (2, 1), (4, 1), (1, 2), (4, 2), (2, 3), (8, 1)]
)
def test_the_same_bits_for_any_number(workers: int, servers: int, tmp_path: Path) -> None:
    """The model is the plain loop's, to the bit, and so is the one in the store."""
    spec = SPEC.model_copy(update={"servers": servers})
    with LocalFleet(workers, servers, tmp_path) as fleet:
        status = fleet.client.train(spec)
    assert ("done", reference(SPEC)) == (status.state, status.sha256)
    assert 80 == status.counts.applied
    runs = Runs(open_storage(), f"file://{tmp_path}")
    outcome = runs.outcome(status.run)
    assert outcome is not None
    assert servers == len(outcome.parts)
    assert status.sha256 == fingerprint(runs.parameters(outcome.parts))


@pytest.mark.slow
@pytest.mark.parametrize("workers", [16])
def test_the_same_bits_for_sixteen(workers: int) -> None:
    """Sixteen workers give the bits of one."""
    with LocalFleet(workers) as fleet:
        assert reference(SPEC) == fleet.client.train(SPEC).sha256


@pytest.mark.parametrize(
    ("staleness", "compression"), [(3, "none"), (None, "none"), (0, "float16"), (3, "topk:0.1")]
)
def test_other_modes_learn_too(staleness: int | None, compression: str) -> None:
    """Bounded staleness, none, and compression: the digits are learnt, and the account adds up."""
    spec = SPEC.model_copy(
        update={"clocks": 60, "staleness": staleness, "compression": compression, "servers": 2}
    )
    with LocalFleet(4, 2) as fleet:
        status = fleet.client.train(spec)
    assert "done" == status.state, status.problem
    assert status.evaluation["accuracy"] > 0.9
    counts = status.counts
    assert counts.leased == counts.applied + sum(counts.refused.values())
    assert 480 == counts.applied


@pytest.mark.parametrize(
    "fault",
    [
        "killed between its pushes",
        "NaN gradient",
        "connections break",
        "server 0 killed",
        "another server killed",
        "SIGTERM to server 0",
    ],
)
def test_a_fault_changes_no_bit(fault: str) -> None:
    """Each fault of the suite, a round of some."""
    (row,) = table(1, only=lambda name: name == fault)
    assert () == row.complaints


def test_a_model_that_diverges_is_a_failed_run(tmp_path: Path) -> None:
    """It says where, from whom, and what to do; the next run begins all the same."""
    with LocalFleet(2, 1, tmp_path) as fleet:
        status = fleet.client.train(SPEC.model_copy(update={"learning_rate": 1e200}))
        assert "failed" == status.state
        assert "lower --learning-rate" in status.problem
        assert [*tmp_path.rglob("_FAILED")]
        assert reference(SPEC) == fleet.client.train(SPEC).sha256


def test_one_run_at_a_time() -> None:
    """Another run is refused while one is in progress; so is one with too many servers."""
    with LocalFleet(0) as fleet:
        run = fleet.client.begin(SPEC)
        assert run == fleet.client.begin(SPEC), "the same command goes on with the same run"
        with pytest.raises(UsageError, match="is in progress"):
            fleet.client.begin(SPEC.model_copy(update={"clocks": 11}))
    with LocalFleet(0) as fleet, pytest.raises(UsageError, match="fewer --servers"):
        fleet.client.begin(SPEC.model_copy(update={"servers": 2}))


def test_it_waits_for_the_expected_workers() -> None:
    """Before its first clock a run waits for as many as TOTAL_WORKERS_EXPECTED says."""
    with LocalFleet(1, expected_workers=2) as fleet:
        fleet.client.begin(SPEC)
        end_s = time.monotonic() + 20
        while fleet.client.status().workers < 1:
            assert time.monotonic() < end_s
            time.sleep(0.05)
        time.sleep(0.5)
        status = fleet.client.status()
        assert ("waiting", 0) == (status.state, status.version)
        fleet.scale(2)
        assert "done" == fleet.client.follow(status.run).state


def _lines(store: Path) -> int:
    return len([*store.rglob("part-*")])


def test_a_killed_command_leaves_nothing_and_goes_on(tmp_path: Path) -> None:
    """Killed without a word it takes its processes with it; the same command goes on from the cut,
    to the same bits.
    """
    options = (
        *("--workers", "2", "--clocks", "120", "--checkpoint-every", "5"),
        *("--micro-batches", "8", "--batch-rows", "16", "--store", str(tmp_path)),
    )
    first = subprocess.Popen((*TRAIN, *options), stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    end_s = time.monotonic() + 40
    while _lines(tmp_path) < 1:
        assert time.monotonic() < end_s
        time.sleep(0.02)
    group = _descendants(first.pid)
    assert len(group) >= 3
    first.kill()
    first.communicate()
    end_s = time.monotonic() + 10
    while any(_is_alive(pid) for pid in group):
        assert time.monotonic() < end_s, "a process is left"
        time.sleep(0.05)
    done = subprocess.run(
        (*TRAIN, *options), capture_output=True, text=True, check=False, timeout=90
    )
    assert 0 == done.returncode, done.stderr
    found = json.loads(done.stdout)
    spec = SPEC.model_copy(update={"clocks": 120, "checkpoint_every": 5})
    assert reference(spec) == found["sha256"]
    assert 2 <= found["generation"]


def test_an_interrupted_command_ends_quietly(tmp_path: Path) -> None:
    """Ctrl-C: exit 130, a word, no stack trace, nothing left."""
    command = subprocess.Popen(
        (*TRAIN, "--workers", "1", "--clocks", "100000", "--store", str(tmp_path)),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    end_s = time.monotonic() + 40
    while _lines(tmp_path) < 1:
        assert time.monotonic() < end_s
        time.sleep(0.02)
    group = _descendants(command.pid)
    command.send_signal(signal.SIGINT)
    _, told = command.communicate(timeout=20)
    assert 130 == command.returncode
    assert "Traceback" not in told
    assert not any(_is_alive(pid) for pid in group)


def _descendants(pid: int) -> list[int]:
    found = Path(f"/proc/{pid}/task/{pid}/children")
    return [int(each) for each in found.read_text().split()]


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
        return "Z" != Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (ProcessLookupError, FileNotFoundError):
        return False
