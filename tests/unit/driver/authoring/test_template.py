"""The job that `new` writes is valid, and its test passes."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest

from driver.authoring.template import write_job
from mapreduce.errors import UsageError


def test_the_written_test_holds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The written test passes, and the class is named after the file."""
    job, test = write_job(tmp_path / "deep" / "word_lengths.py")
    assert ("word_lengths.py", "test_word_lengths.py") == (job.name, test.name)
    monkeypatch.syspath_prepend(str(job.parent))
    written = runpy.run_path(str(test))
    tests = [value for name, value in written.items() if name.startswith("test_")]
    assert 2 == len(tests)
    for each in tests:
        each()
    assert "WordLengths" in written


@pytest.mark.parametrize("name", ["job.txt", "my-job.py", "1st.py", "job"])
def test_a_name_that_no_module_can_have_is_refused(tmp_path: Path, name: str) -> None:
    """A name that is no module name is refused, and nothing is written."""
    with pytest.raises(UsageError, match=r"my_job\.py"):
        write_job(tmp_path / name)
    assert [] == list(tmp_path.iterdir())


@pytest.mark.parametrize("there", ["job.py", "test_job.py"])
def test_a_file_that_is_there_is_kept(tmp_path: Path, there: str) -> None:
    """If either file exists, nothing is written."""
    (tmp_path / there).write_text("mine")
    with pytest.raises(UsageError, match="nothing was written"):
        write_job(tmp_path / "job.py")
    assert [(there, "mine")] == [(path.name, path.read_text()) for path in tmp_path.iterdir()]
