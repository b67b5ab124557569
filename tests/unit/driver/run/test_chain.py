"""A chain: the inputs of each step, and the errors without a result."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from driver.history.run_store import RunStore
from driver.plan.config import RunConfig
from driver.plan.events import EventLog
from driver.run import chain as module
from driver.run.chain import ChainRun, plan_step, read_pairs_of
from driver.targets.prepare import prepare
from driver.targets.start import carry_out
from mapreduce import Chain, Job, Sum
from mapreduce.chain import Step
from mapreduce.errors import InputError, OutputLost
from mapreduce.storage import open_storage
from mapreduce.wire import keys
from tests.unit.driver.samples import run_plan

CHAINS = """
from mapreduce import Chain, Job, Step, Sum
from mapreduce.input_formats import Pairs, Text


class Count(Job):
    reduce = Sum()

    def map(self, offset, line):
        for word in line.split():
            yield word, 1


class Both(Job):
    input_format = {"previous": Pairs(), "": Text()}
    reduce = Sum()

    def map(self, key, value):
        yield self.input or "given", 1


class Twice(Chain):
    def steps(self):
        counted = yield Count()
        assert counted.records == 3
        assert sorted(counted.pairs()) == [("one", 1), ("three", 1), ("two", 2)]
        yield Step(Both(), reads=("given", "previous"))
"""
EMPTY = """
from mapreduce import Chain


class Empty(Chain):
    def steps(self):
        yield from ()
"""


class Word(Job):
    """A job of this module."""

    least: int = 1
    reduce = Sum()

    def map(self, key: int, value: str) -> Iterator[tuple[str, int]]:
        """Yield one pair a record."""
        yield value, 1


class MapOnly(Job):
    """A job without reduce."""

    def map(self, key: int, value: str) -> Iterator[tuple[int, str]]:
        """Yield one pair a record."""
        yield key, value


class Empty(Chain):
    """A chain that is never carried out."""

    def steps(self) -> list[Job]:
        """Yield one job."""
        return [Word()]


def _carried_out(folder: Path, text: str, module_text: str, chain: str) -> tuple[Any, RunStore]:
    (folder / "in.txt").write_text(text)
    job = folder / f"{chain.lower()}_of_chains.py"
    job.write_text(module_text)
    config = RunConfig(inputs=(str(folder / "in.txt"),), job=f"{job}:{chain}")
    prepared = prepare(config, "inline", str(folder / "store"))
    report = asyncio.run(carry_out(prepared, EventLog(), lambda *_: None, time.monotonic()))
    return report, prepared.runs


def test_a_step_reads_its_sources(tmp_path: Path) -> None:
    """A step reads the given inputs, the previous pairs, or both, and the last result is the
    chain's.
    """
    report, runs = _carried_out(tmp_path, "one two\nthree two\n", CHAINS, "Twice")
    assert {"given": 2, "previous": 3} == dict(report.top)
    success = runs.success(report.run_id)
    assert success is not None
    assert 2 == success.records
    first, second = runs.steps(report.run_id)
    assert [keys.step(report.run_id, number) for number in (1, 2)] == [first, second]
    assert 1 == len(runs.plan(first).inputs)
    assert ["file", *["file"] * (len(runs.plan(second).inputs) - 1)] == [
        given.url.partition("://")[0] for given in runs.plan(second).inputs
    ]


def test_a_chain_without_a_step_is_an_error(tmp_path: Path) -> None:
    """A chain without steps is refused."""
    with pytest.raises(InputError, match="has no step"):
        _carried_out(tmp_path, "one\n", EMPTY, "Empty")


def test_a_step_is_planned_from_its_job() -> None:
    """A step is planned with its parameters and order, and without partitions if it does not
    reduce.
    """
    run = ChainRun(Empty(), run_plan(chain=True, partitions=3))
    planned = plan_step(run, Step(Word(least=2)), 4, ())
    assert (keys.step("run-1", 4), "Word", {"least": 2}, 3) == (
        planned.run,
        planned.job.name,
        planned.job.parameters,
        planned.partitions,
    )
    assert (True, False, ()) == (planned.keep_pairs, planned.chain, planned.inputs)
    assert 0 == plan_step(run, Step(MapOnly()), 1, ()).partitions
    assert 2 == plan_step(run, Step(Word(), reducers=2), 1, ()).partitions
    asked = ChainRun(Empty(), run_plan(chain=True, partitions=3, asked=("reducers",)))
    assert 3 == plan_step(asked, Step(Word(), reducers=2), 1, ()).partitions


def test_a_step_of_another_module_has_no_file_of_the_chains() -> None:
    """A step's job in another module is imported by name, without a file."""
    plan = run_plan()
    job = plan.job.model_copy(update={"module": __name__, "file": "chain.py"})
    run = ChainRun(Empty(), plan.model_copy(update={"job": job}))
    assert "chain.py" == plan_step(run, Step(Word()), 1, ()).job.file
    other = ChainRun(
        Empty(), plan.model_copy(update={"job": job.model_copy(update={"module": "m"})})
    )
    assert "" == plan_step(other, Step(Word()), 1, ()).job.file


def test_a_result_that_is_gone_before_the_chain_is_committed(tmp_path: Path) -> None:
    """A result that is lost before the chain's commit raises OutputLost."""
    runs = RunStore(open_storage(), f"file://{tmp_path}")
    last: Any = type("Report", (), {"run_id": "run-1-step-1"})
    with pytest.raises(OutputLost, match="run again"):
        module._commit(run_plan(store=runs.store), last, runs)


def test_no_pairs_are_read_of_no_objects() -> None:
    """A step without objects yields no pairs."""
    assert [] == list(read_pairs_of((), open_storage()))
