"""A chain: the inputs of each step, and the errors without a result."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from driver.history.run_store import RunStore
from driver.history.verify import verify_run
from driver.plan import events
from driver.plan.config import RunConfig
from driver.plan.events import EventLog
from driver.run import chain as module
from driver.run.chain import ChainRun, plan_step, read_pairs_of
from driver.targets.prepare import prepare
from driver.targets.start import carry_out
from mapreduce import Chain, Job, Sum
from mapreduce.chain import Step, Steps
from mapreduce.check.reference import plain_answer
from mapreduce.code import identity_of, import_job
from mapreduce.errors import InputError, OutputLost, StageFailed
from mapreduce.formats.output import read_pairs
from mapreduce.storage import open_storage
from mapreduce.testing import run
from mapreduce.wire import keys
from mapreduce.wire.messages import JoinedPart
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


def _carried_out(
    folder: Path,
    text: str,
    module_text: str,
    chain: str,
    parameters: dict[str, Any] | None = None,
    log: EventLog | None = None,
) -> tuple[Any, RunStore]:
    folder.mkdir(exist_ok=True)
    if not (folder / "in.txt").exists():
        (folder / "in.txt").write_text(text)
    job = folder / f"{chain.lower()}_of_chains.py"
    job.write_text(module_text)
    config = RunConfig(
        inputs=(str(folder / "in.txt"),), job=f"{job}:{chain}", parameters=parameters or {}
    )
    prepared = prepare(config, "inline", str(folder / "store"))
    report = asyncio.run(carry_out(prepared, log or EventLog(), lambda *_: None, time.monotonic()))
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


JOINS = """
from pathlib import Path

from mapreduce import Chain, Job, Step


class Words(Job):
    def map(self, offset, line):
        for word in line.split():
            yield word, line.split()

    def reduce(self, word, values):
        yield word, (0, sorted({other for some in values for other in some}))


class Spread(Job):
    broken: str = ""

    def map(self, word, value):
        number, others = value
        for other in others:
            yield other, number + 1

    def reduce(self, word, values):
        if self.broken and Path(self.broken).exists():
            raise ValueError("not yet")
        number, others = next(values)
        yield word, (number + sum(values), others)


class Spreading(Chain):
    broken: str = ""

    def steps(self):
        yield Words()
        yield Step(Spread(broken=""), joins="previous")
        yield Step(Spread(), joins="previous")


class Again(Chain):
    def steps(self):
        first = yield Words()
        yield Step(Spread(), joins=first)
        yield Step(Spread(), joins=first)
"""


def test_a_joined_step_is_planned_with_the_parts_of_its_step(tmp_path: Path) -> None:
    """One for each reduce task; the ledger counts their pairs, and none of them is shuffled."""
    report, runs = _carried_out(tmp_path, "a b c\nb d\n", JOINS, "Spreading")
    steps = [runs.plan(step) for step in runs.steps(report.run_id)]
    assert () == steps[0].joined
    for before, step in pairwise(steps):
        made = tuple(each.as_joined for each in runs.results(before.run).reduces)
        assert (made, len(made)) == (step.joined, step.partitions)
        assert [part.records for part in step.joined if part] == [
            each.joined_in for each in runs.results(step.run).reduces
        ]
    # five words in two lines, and then each word's share for each of its neighbours
    assert 5 + 2 * (3 + 4 + 3 + 2) == report.ledger.pairs_shuffled
    found = [
        pair
        for url in report.result_urls
        for pair in read_pairs(runs.storage.read(url).split(b"\n"))
    ]
    # after the first round a has 3, b 4 and c 3, each of which lists a
    assert ("a", [3 + 4 + 5 + 4, ["a", "b", "c"]]) in found


def test_a_step_joins_an_earlier_one_than_it_reads(tmp_path: Path) -> None:
    """By the result that its `yield` returned; and the parts are looked at before the commit."""
    report, runs = _carried_out(tmp_path, "a b c\nb d\n", JOINS, "Again")
    first, _, third = runs.steps(report.run_id)
    made = tuple(each.as_joined for each in runs.results(first).reduces)
    joined = runs.plan(third).joined
    assert made == joined
    assert not {part.url for part in joined} & {given.url for given in runs.plan(third).inputs}
    looked = {f"ETag of {part.url}" for part in joined}
    assert looked <= {row.what for row in report.ledger.rows if row.balances}
    pairs = read_pairs(runs.storage.read(report.result_urls[0]).split(b"\n"))
    assert ("a", [4 + 5 + 4, ["a", "b", "c"]]) in list(pairs)


def test_each_step_that_joins_is_verified_by_itself(tmp_path: Path) -> None:
    """The reference run of a step reads the parts that the step has joined."""
    report, runs = _carried_out(tmp_path, "a b c\nb d\n", JOINS, "Spreading")
    for step in runs.steps(report.run_id):
        plan, success = runs.plan(step), runs.success(step)
        assert success is not None
        job = import_job(tmp_path, "spreading_of_chains", plan.job.name)(**plan.job.parameters)
        assert verify_run(plan, job, runs, success).equal, step


@pytest.mark.parametrize("reads", [("given", "previous"), ("previous", "given")])
def test_the_reference_run_reads_in_the_order_of_the_step(reads: tuple[Any, ...]) -> None:
    """Values come in the order in which the step names what it reads."""

    class Named(Job):
        def map(self, key: Any, value: Any) -> Iterator[tuple[str, str]]:
            """Yield each word, with where it is from."""
            words = [key] if self.input == "previous" else value.split()
            yield from ((word, self.input) for word in words)

        def reduce(self, key: str, values: Iterator[str]) -> Iterator[tuple[str, list[str]]]:
            """Yield the values as they come."""
            yield key, list(values)

    class Both(Chain):
        def steps(self) -> Steps:
            """Yield the steps."""
            yield Named()
            yield Step(Named(), reads=reads)

    expected = ["", "previous"] if reads[0] == "given" else ["previous", ""]
    assert [("a", expected)] == plain_answer(Both(), [("file:///in", b"a\n")])
    assert [("a", expected)] == run(Both(), ["a"]).pairs


def test_the_code_of_a_class_is_looked_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not for each step of that class."""
    seen: list[str] = []

    def counted(source: Any, modules: Any, job: type[Job]) -> Any:
        seen.append(job.__name__)
        return identity_of(source, modules, job)

    monkeypatch.setattr("driver.targets.prepare.identity_of", counted)
    _carried_out(tmp_path, "a b c\nb d\n", JOINS, "Spreading")
    assert ["Words", "Spread"] == seen


def test_a_run_that_goes_on_makes_a_lost_part_again(tmp_path: Path) -> None:
    """And reads the other parts from where the steps that were finished have written them."""
    (tmp_path / "broken").touch()
    parameters = {"broken": str(tmp_path / "broken")}
    with pytest.raises(StageFailed):
        _carried_out(tmp_path, "a b c\nb d\n", JOINS, "Spreading", parameters)
    (tmp_path / "broken").unlink()
    lost = sorted((tmp_path / "store/pairs").glob("*-step-2/*"))[0]
    lost.unlink()
    log = EventLog()
    report, _ = _carried_out(tmp_path, "a b c\nb d\n", JOINS, "Spreading", parameters, log)
    whole, runs = _carried_out(tmp_path / "new", "a b c\nb d\n", JOINS, "Spreading")
    new = [each.tasks - each.reused for each in log.events if isinstance(each, events.StageStarted)]
    # split, map and reduce: nothing of the first step, and of the second the lost part alone
    assert [0, 0, 0, 0, 0, 1] == new[:6]
    assert [runs.storage.read(url) for url in report.result_urls] == [
        runs.storage.read(url) for url in whole.result_urls
    ]


def test_a_plan_has_as_many_partitions_as_the_parts_that_it_joins() -> None:
    """Whatever the command or the job says."""
    run = ChainRun(Empty(), run_plan(chain=True, partitions=3, asked=("reducers",)))
    parts = tuple(
        JoinedPart(url=f"file:///p/{n}", size=1, etag="", digest="d", records=1, checksum=1)
        for n in range(2)
    )
    planned = plan_step(run, Step(Word()), 2, (), parts)
    assert (2, parts) == (planned.partitions, planned.joined)
