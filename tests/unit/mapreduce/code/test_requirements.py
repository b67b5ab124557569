"""Requirements are read from the source, before the job is imported."""

from __future__ import annotations

from pathlib import Path

import pytest

from mapreduce.code import find_job
from mapreduce.errors import JobLoadError

JOB = """\
from mapreduce import Count, Job
{above}
class Mine(Job):
    {requirements}
    reduce = Count()
    def map(self, key, value):
        yield 1, 1
"""


def _found(folder: Path, requirements: str, above: str = "") -> tuple[str, ...]:
    path = folder / "required.py"
    path.write_text(JOB.format(requirements=requirements, above=above))
    given: list[tuple[str, ...]] = []
    find_job(f"{path}:Mine", provide=given.append)
    return given[0]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("pass", ()),
        ("requirements = ['b>=1,<2', ' a ']", ("a", "b>=1,<2")),
        ("requirements: list = ('a',)", ("a",)),
    ],
)
def test_lists_of_texts_are_read(tmp_path: Path, text: str, expected: tuple[str, ...]) -> None:
    """A list or tuple of texts, annotated or not, is read and sorted."""
    assert expected == _found(tmp_path, text)


def test_modules_beside_the_job_have_requirements_too(tmp_path: Path) -> None:
    """A step of a chain, or a base class, may lie in another file."""
    (tmp_path / "required_base.py").write_text(
        "from mapreduce import Job\nclass Base(Job):\n    requirements = ['base-package']\n"
    )
    assert ("base-package", "own") == _found(
        tmp_path, "requirements = ['own']", "from required_base import Base"
    )


def test_the_packages_are_there_before_the_import(tmp_path: Path) -> None:
    """A module that only `provide` makes importable can be imported at the top of the file."""
    path = tmp_path / "early.py"
    path.write_text(
        JOB.format(requirements="requirements = ['late-one']", above="import late_module_of_test")
    )
    (tmp_path / "site").mkdir()
    beside = tmp_path / "late_module_of_test.py"
    _, job = find_job(str(path), provide=lambda _: beside.write_text(""))
    assert ["late-one"] == list(job.requirements)


def test_computed_requirements_are_refused(tmp_path: Path) -> None:
    """What cannot be read without running the job is refused, not ignored."""
    with pytest.raises(JobLoadError, match="which is not written as a text in the class"):
        _found(tmp_path, "requirements = NAMES", "NAMES = ['a']")


@pytest.mark.parametrize("text", ["--index-url=http://x", "./a.whl", "/a.whl", "-e .", ""])
def test_options_and_paths_are_refused(tmp_path: Path, text: str) -> None:
    """A class names packages; what configures pip belongs into a file."""
    with pytest.raises(JobLoadError, match="--requirements FILE"):
        _found(tmp_path, f"requirements = [{text!r}]")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("requirements = 'numpy'", r"is a text; write a list: \['numpy'\]"),
        ("requirements = [1]", "write a list of texts"),
        ("requirements = {'numpy'}", "write a list of texts"),
        ("files = [b'a']", "write a list of texts"),
    ],
)
def test_a_list_of_texts_is_demanded(tmp_path: Path, text: str, message: str) -> None:
    """A text, a set or a number is refused with what to write."""
    with pytest.raises(JobLoadError, match=message):
        _found(tmp_path, text)


def test_a_missing_module_names_requirements(tmp_path: Path) -> None:
    """An import that nothing provides says where a package is named."""
    with pytest.raises(JobLoadError, match=r"write `requirements = \['no_such_package'\]`"):
        _found(tmp_path, "pass", "import no_such_package.part")
