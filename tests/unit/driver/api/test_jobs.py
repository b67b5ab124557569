"""The job of a call: a name, a class of a file or of a notebook, or an instance."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from driver.api.jobs import given_job
from mapreduce import Job
from mapreduce.errors import JobLoadError, UsageError
from tests.unit.driver.api.conftest import Write

JOB = """
from mapreduce import Chain, Job, Sum


class Mine(Job):
    low: int = 1
    names: list[str] = []
    reduce = Sum()

    def map(self, key, value):
        yield value, self.low


class Outer:
    class Inner(Job):
        def map(self, key, value): yield value, 1
"""


def test_a_name_stays_a_name() -> None:
    """A text is what `--job` takes."""
    with given_job("word_count") as given:
        assert ("word_count", {}, None) == (given.text, given.parameters, given.file)


def test_a_class_of_a_file_is_its_file(folder: Path, module: Write) -> None:
    """A class of a module is found in the module's file, as `--job` finds it."""
    with given_job(module("jobs_1", JOB).Mine) as given:
        assert (f"{folder / 'jobs_1.py'}:Mine", None) == (given.text, given.file)


def test_an_instance_gives_its_parameters(module: Write) -> None:
    """Parameters that are not the default travel by name; the others stay the class's."""
    mine = module("jobs_2", JOB).Mine
    with given_job(mine(low=3)) as given:
        assert {"low": 3} == given.parameters
    with given_job(mine(low=1)) as given:
        assert {} == given.parameters


def test_an_attribute_of_an_instance_is_refused(module: Write) -> None:
    """What is set on an instance does not reach a worker."""
    job = module("jobs_3", JOB).Mine()
    job.extra = 1
    with pytest.raises(UsageError, match="`extra`"), given_job(job):
        pass


@pytest.mark.parametrize("job", [42, dict, Job, "", None, Job.map])
def test_what_is_no_job_is_refused(job: Any) -> None:
    """Anything but a job is refused with what to write."""
    with pytest.raises(UsageError, match=r"run\(WordCount"), given_job(job):
        pass


def test_a_class_within_a_class_is_refused(module: Write) -> None:
    """A worker finds only classes at the top of a file."""
    with (
        pytest.raises(JobLoadError, match=r"Outer\.Inner is defined within"),
        given_job(module("jobs_4", JOB).Outer.Inner),
    ):
        pass


@pytest.mark.parametrize(
    "now",
    [
        JOB.replace("reduce = Sum()", "reduce = None"),
        JOB.replace("Sum", "Max"),
        JOB.replace("low: int = 1", "low: int = 2"),
        JOB.replace("\n\nclass Mine", "\n\n\n\n\n\n\n\n\nclass Mine"),
    ],
)
def test_a_file_that_has_changed_is_refused(folder: Path, module: Write, now: str) -> None:
    """The workers read the file, so the class in memory must be the file's."""
    mine = module("jobs_5", JOB).Mine
    (folder / "jobs_5.py").write_text(now)
    with pytest.raises(JobLoadError, match="reload the module"), given_job(mine):
        pass


def test_a_class_without_a_module_is_refused() -> None:
    """A class whose module has no file, and is no notebook, is refused."""
    made = ModuleType("made_up")
    cls = type("Mine", (Job,), {"map": lambda self, key, value: [], "__module__": made.__name__})
    with pytest.raises(JobLoadError, match="has no file"), given_job(cls):
        pass


def test_a_class_of_main_is_gathered(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A class of a notebook has a file within the block, and its side files beside it."""
    main = ModuleType("__main__")
    monkeypatch.setitem(sys.modules, "__main__", main)
    text = JOB.replace("    low: int", "    files = ('stop.txt', 'more')\n    low: int")
    monkeypatch.setattr(sys, "argv", ["-c"])
    monkeypatch.setattr(sys, "orig_argv", ["python", "-c", text])
    exec(compile(text, "<string>", "exec"), vars(main))
    (folder / "stop.txt").write_text("a\n")
    (folder / "more").mkdir()
    (folder / "more" / "x").write_text("b\n")
    with given_job(main.Mine) as given:
        assert given.file is not None
        assert f"{given.file}:Mine" == given.text
        assert "class Mine(Job):" in given.file.read_text()
        assert "a\n" == (given.file.parent / "stop.txt").read_text()
        assert "b\n" == (given.file.parent / "more" / "x").read_text()
        assert ("<string>", 5) == (given.origins[0].file, given.origins[0].line)
    assert not given.file.exists()
    main.Mine.files = ("../elsewhere",)
    text = text.replace("('stop.txt', 'more')", "('../elsewhere',)")
    monkeypatch.setattr(sys, "orig_argv", ["python", "-c", text])
    with (
        pytest.raises(JobLoadError, match="not in the folder of the notebook"),
        given_job(main.Mine),
    ):
        pass
