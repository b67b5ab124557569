"""`run` from its arguments to its result, in this process."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from driver import run
from driver.api import calls
from driver.forecast.receipt import Range
from mapreduce import Job, code
from mapreduce.errors import (
    InputError,
    JobLoadError,
    MapReduceError,
    ParameterError,
    PriceRefused,
    StageFailed,
    UsageError,
)
from tests.unit.driver.api.conftest import Write

JOB = """
from mapreduce import Chain, Job, Sum


class Pairs(Job):
    low: int = 1
    reduce = Sum()

    def map(self, key, value):
        print("said")
        for word in value.split():
            if len(word) >= self.low:
                self.count("words")
                yield (word, len(word)), 1


class Values(Job):
    def map(self, key, value):
        yield b"key", (1, {"a": (2, b"x")}, None)


class Turned(Job):
    def map(self, key, value):
        yield value, key


class Both(Chain):
    low: int = 1

    def steps(self):
        yield Pairs(low=self.low)
        yield Turned()


class Fails(Job):
    def map(self, key, value):
        yield value, 1 / key
"""


def test_run_is_found_whatever_was_imported() -> None:
    """`driver.run` is the function, although a package of that name is imported."""
    import driver.run.pipeline

    assert "driver.run.pipeline" in sys.modules
    assert calls.run is driver.run is run
    assert "Result" == driver.Result.__name__


def test_the_result_has_exact_types(module: Write, capsys: pytest.CaptureFixture[str]) -> None:
    """Pairs keep their tuples and bytes; what a job prints is not on standard output."""
    jobs = module("calls_1", JOB)
    result = run(jobs.Pairs, "roses.txt", target="inline", reducers=3)
    expected = [(("a", 1), 3), (("is", 2), 2), (("rose", 4), 3)]
    assert expected == list(result.pairs()) == list(result)
    assert dict(expected) == result.to_dict()
    assert (3, True) == (len(result), bool(result))
    assert {"words": 8} == result.counters
    assert result.ledger.balanced
    assert "" == capsys.readouterr().out
    values = run(jobs.Values, "roses.txt", target="inline", progress=False)
    assert [(b"key", (1, {"a": (2, b"x")}, None))] * 2 == list(values.pairs())
    with pytest.raises(UsageError, match="comes twice"):
        values.to_dict()


def test_parameters_come_from_the_instance_or_the_call(module: Write) -> None:
    """An instance, `parameters`, and a name give the same run, whose tasks are reused."""
    jobs = module("calls_2", JOB)
    first = run(jobs.Pairs(low=4), "roses.txt", target="inline", progress=False)
    assert {("rose", 4): 3} == first.to_dict()
    for job in (jobs.Pairs, "calls_2.py:Pairs"):
        again = run(job, ["roses.txt"], target="inline", parameters={"low": 4}, progress=False)
        assert again.document.reused_tasks == len(again.document.tasks)
    with pytest.raises(UsageError, match="low is given twice"):
        run(jobs.Pairs(low=4), "roses.txt", target="inline", parameters={"low": 3})


def test_a_chain_has_the_pairs_of_its_last_step(module: Write) -> None:
    """A chain is a job."""
    both = module("calls_3", JOB).Both
    result = run(both(low=4), "roses.txt", target="inline", progress=False)
    assert [(3, ("rose", 4))] == list(result.pairs())
    assert 2 == len(result.document.steps)


def test_a_failure_has_its_evidence(module: Write) -> None:
    """The error is ours, with the record and the author's traceback, and without our frames."""
    fails = module("calls_4", JOB).Fails
    with pytest.raises(StageFailed) as caught:
        run(fails, "roses.txt", target="inline", progress=False)
    exc = caught.value
    cause = exc.failure.causes[0]
    assert "'a rose is a rose'" == cause.record
    notes = "\n".join(exc.__notes__)
    assert 'calls_4.py", line' in notes
    assert "replay it: python -m driver replay" in notes
    assert "page: " in notes
    assert (None, True) == (exc.__cause__, exc.__suppress_context__)
    shown = exc._render_traceback_()  # type: ignore[attr-defined]
    assert shown[0].startswith("StageFailed: map-0")
    assert not any("driver/api" in line for line in shown)


@pytest.mark.parametrize("name", ["Fails", "Both"])
def test_a_failure_names_the_cell(folder: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """The frames of a class without a file are those of its own text, in the record too."""
    text = JOB.replace("yield value, key", "yield value, 1 / 0")
    main = ModuleType("__main__")
    monkeypatch.setitem(sys.modules, "__main__", main)
    monkeypatch.setattr(sys, "argv", ["-c"])
    monkeypatch.setattr(sys, "orig_argv", ["python", "-c", text])
    exec(compile(text, "<string>", "exec"), vars(main))
    with pytest.raises(StageFailed) as caught:
        run(getattr(main, name), "roses.txt", target="inline", progress=False)
    cause = caught.value.failure.causes[0]
    line = next(n for n, each in enumerate(text.split("\n"), 1) if "1 /" in each)
    if name == "Fails":
        line = text.split("\n").index("        yield value, 1 / key") + 1
    assert f'File "<string>", line {line}, in map' in cause.traceback
    assert "interactive_job" not in "\n".join(caught.value.__notes__)


def test_the_callers_modules_stay(folder: Path, module: Write) -> None:
    """After a run, the module path, the finders and the caller's modules are as before."""
    jobs = module("calls_5", JOB)
    path, finders = list(sys.path), list(sys.meta_path)
    run(jobs.Pairs, "roses.txt", target="inline", progress=False)
    (folder / "below").mkdir()
    (folder / "below" / "calls_5.py").write_text(JOB)
    run("below/calls_5.py:Pairs", "roses.txt", target="inline", progress=False)
    assert (path, finders) == (sys.path, sys.meta_path)
    assert sys.modules["calls_5"] is jobs


def test_a_run_within_an_import_is_refused(folder: Path) -> None:
    """A file that calls `run` at its top is refused when it is imported for its job."""
    (folder / "unguarded.py").write_text(
        JOB + "\nfrom driver import run\nrun(Pairs, 'roses.txt', target='inline')\n"
    )
    with pytest.raises(JobLoadError, match='move the call below `if __name__ == "__main__":`'):
        run("unguarded.py:Pairs", "roses.txt", target="inline")
    assert not code.is_importing()


@pytest.mark.parametrize(
    ("arguments", "kind", "named"),
    [
        ({"target": "lokal"}, UsageError, "it is one of auto, local"),
        ({"store": 3}, UsageError, "store=3"),
        ({"parameters": [1]}, UsageError, "parameters= is a dict"),
        ({"parameters": {"none": 1}}, ParameterError, "none"),
        ({"parameters": {"k": "x"}, "job": "top_k"}, ParameterError, "wants int"),
        ({"inputs": "nowhere.txt"}, InputError, "there is no file nowhere.txt"),
        ({"job": "nothing"}, JobLoadError, "there is no job module 'nothing'"),
        ({"reducers": 0}, UsageError, "--reducers 0"),
    ],
)
def test_wrong_arguments_are_refused(
    folder: Path, arguments: dict[str, Any], kind: type[MapReduceError], named: str
) -> None:
    """A wrong argument is refused with its name, before anything is written."""
    given: dict[str, Any] = {"job": "word_count", "inputs": "roses.txt", "target": "inline"}
    with pytest.raises(kind, match=named):
        run(**{**given, **arguments})
    assert not (folder / ".mapreduce").exists()


def test_ctrl_c_has_a_note(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An interrupt stays one, and says that the same call goes on."""

    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(calls, "prepare", interrupted)
    with pytest.raises(KeyboardInterrupt) as caught:
        run("word_count", "roses.txt", target="inline")
    assert ["interrupted; the same call goes on where it stopped"] == caught.value.__notes__


def test_a_limit_is_held_before_the_run(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With `max_usd` the run is planned first, and refused when it costs more at least."""

    class _Forecast:
        class money:
            together = Range(low=2.0, high=3.0)

    from driver.targets import option_checks

    monkeypatch.setattr(option_checks, "_check_limit", lambda *_: None)
    monkeypatch.setattr(calls, "plan_run", lambda _: (None, _Forecast))
    with pytest.raises(PriceRefused, match=r"at least \$2"):
        run("word_count", "roses.txt", target="inline", max_usd=1.0)


def test_one_run_at_a_time(folder: Path, module: Write) -> None:
    """The modules of a job are of the whole process: another run() is refused meanwhile."""
    jobs = module("calls_9", JOB)
    with calls._GOING, pytest.raises(UsageError, match="another run"):
        run(jobs.Pairs, "roses.txt", target="inline", progress=False)
    assert len(run(jobs.Pairs, "roses.txt", target="inline", progress=False))


def test_a_required_parameter_can_be_given(folder: Path, module: Write) -> None:
    """By the instance, or by name; without it the message asks for it."""
    jobs = module("calls_10", JOB.replace("low: int = 1\n    reduce", "low: int\n    reduce"))
    both = [
        run(jobs.Pairs(low=2), "roses.txt", target="inline", progress=False),
        run(jobs.Pairs, "roses.txt", target="inline", progress=False, parameters={"low": 2}),
    ]
    assert both[0].to_dict() == both[1].to_dict()
    with pytest.raises(ParameterError, match="low"):
        run(jobs.Pairs, "roses.txt", target="inline", progress=False)


def test_the_services_are_told_the_file_of_the_job() -> None:
    """A class, an instance or a name tells it; a class without a file does not."""

    class Here(Job):
        """A job of this file."""

    class Nowhere(Job):
        """A job of a notebook."""

    Nowhere.__module__ = "__nowhere__"
    assert ["--job", f"{__file__}:Here"] == calls._job_option(Here) == calls._job_option(Here())
    assert ["--job", "sales.py:Sales"] == calls._job_option("sales.py:Sales")
    assert [] == calls._job_option(Nowhere)
