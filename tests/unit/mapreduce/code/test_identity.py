"""Which changes of a job's code change the digests of its map and reduce tasks."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from mapreduce.code import CodeIdentity, find_job, identity_of
from mapreduce.job import Job

JOB = '''"""A job."""
import functools_free_helper as helper
from mapreduce import Job

LIMIT = 3


class Mine(Job):
    """Its own words."""

    word: str = "x"

    def map(self, key, value):
        yield helper.clean(value), 1

    def reduce(self, key, values):
        yield key, sum(values)
'''
HELPER = "def clean(text):\n    return text.strip()\n"


def identity(
    folder: Path, job: str = JOB, helper: str = HELPER, name: str = "mine.py"
) -> CodeIdentity:
    """Return the identity of a job and its helper."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(job)
    (folder / "functools_free_helper.py").write_text(helper)
    source, found = find_job(f"{folder / name}:Mine")
    assert issubclass(found, Job)
    return identity_of(source, source.modules(), found)


def changes(tmp_path: Path, old: str, new: str, job: str = JOB) -> str:
    """Return the digests that change when a text in the job's file is replaced: "", "map reduce",
    ...
    """
    assert old in job
    before = identity(tmp_path / "a", job)
    after = identity(tmp_path / "b", job.replace(old, new))
    return " ".join(
        name for name in ("map", "reduce") if getattr(before, name) != getattr(after, name)
    )


@pytest.mark.parametrize(
    ("old", "new", "changed"),
    [
        ("yield key, sum(values)", "yield key, max(values)", "reduce"),
        (
            "        yield key, sum(values)\n",
            "        total = sum(values)\n        yield key, total\n",
            "reduce",
        ),
        ("sum(values)\n", "sum(values)  # a comment\n", ""),
        ("LIMIT = 3\n", "# a comment\n\n\nLIMIT = 3\n", ""),
        ("yield helper.clean(value), 1", "yield (helper.clean(value), 1)", ""),
        ("value), 1", "value), 2", "map reduce"),
        ("LIMIT = 3", "LIMIT = 4", "map reduce"),
        ('word: str = "x"', 'word: str = "y"', "map reduce"),
        ("def reduce(self, key, values)", "def reduce(self, key, values, more=())", "map reduce"),
        ("    def reduce", "    def more(self):\n        return 1\n\n    def reduce", "map reduce"),
    ],
)
def test_digests_that_a_change_affects(tmp_path: Path, old: str, new: str, changed: str) -> None:
    """A change in `reduce` changes no map digest, a comment changes none, and any other change
    both.
    """
    assert changed == changes(tmp_path, old, new)


@pytest.mark.parametrize(
    "use",
    [
        "    combine = reduce\n",
        "    def combine(self, key, values):\n        yield from self.reduce(key, values)\n",
        "    def combine(self, key, values):\n        return getattr(self, 'red' + 'uce')(key, "
        "values)\n",
        "    def combine(self, key, values):\n        return vars(type(self))[self.word](self, "
        "key, values)\n",
        "    def combine(self, key, values):\n        return helper.clean(self)\n",
        "    def combine(self, key, values):\n        return helper.clean(job=self)\n",
        "    def combine(self, key, values):\n        return eval('self.re' + 'duce')(key, "
        "values)\n",
        "    table = {'reduce': 1}\n",
    ],
)
def test_a_reduce_that_a_map_task_may_run(tmp_path: Path, use: str) -> None:
    """If other code may call `reduce`, a change in it changes the map digest."""
    job = f"{JOB}\n{use}"
    assert "map reduce" == changes(
        tmp_path, "yield key, sum(values)", "yield key, max(values)", job
    )


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("class Mine(Job)", "@helper.decorated\nclass Mine(Job)"),
        ("    def reduce", "    @helper.decorated\n    def reduce"),
        ("values):", "values, table=helper.clean('a')):"),
    ],
)
def test_a_reduce_that_runs_when_the_class_is_made(tmp_path: Path, before: str, after: str) -> None:
    """A decorator or default of `reduce` runs in a map task too, so it changes the map digest."""
    helper = HELPER + "\n\ndef decorated(given):\n    return given\n"
    job = JOB.replace(before, after)
    one = identity(tmp_path / "a", job, helper)
    other = identity(tmp_path / "b", job.replace("sum(values)", "max(values)"), helper)
    assert one.map != other.map


def test_a_helper_that_reduces(tmp_path: Path) -> None:
    """A method `reduce` of another class is part of both digests."""
    job = JOB.replace(
        "class Mine", "class Folding:\n    def reduce(self):\n        return 1\n\n\nclass Mine"
    )
    assert "map reduce" == changes(tmp_path, "return 1", "return 2", job)


def test_code_that_looks_at_its_own_text(tmp_path: Path) -> None:
    """If code may read its own source or line numbers, every byte counts."""
    job = JOB.replace("LIMIT = 3", "LIMIT = len(__file__)")
    assert "map reduce" == changes(tmp_path, "class Mine", "# a comment\nclass Mine", job)


def test_a_helper_changes_both(tmp_path: Path) -> None:
    """An imported helper is part of both digests, without its comments."""
    before = identity(tmp_path / "a")
    after = identity(tmp_path / "b", helper=HELPER.replace("strip", "upper"))
    assert before.map != after.map
    assert before.reduce != after.reduce
    assert before == identity(tmp_path / "c", helper=f"# a comment\n{HELPER}")


def test_a_base_class_from_elsewhere(tmp_path: Path) -> None:
    """A base class in another file may call `reduce`, so a change in it changes the map digest."""
    helper = (
        HELPER
        + "\n\nclass Base:\n    def combine(self, key, values):\n        return self.more(key, "
        "values)\n"
    )
    job = JOB.replace("class Mine(Job)", "class Mine(helper.Base, Job)")
    one = identity(tmp_path / "a", job, helper)
    other = identity(tmp_path / "b", job.replace("sum(values)", "max(values)"), helper)
    assert one.map != other.map


def test_packed_files_count_by_their_bytes(tmp_path: Path) -> None:
    """A packed file is part of both digests."""
    job = JOB.replace('    word: str = "x"', '    files = ["words.txt"]')
    found = []
    for name, text in (("a", "one"), ("b", "two"), ("c", "one")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "words.txt").write_text(text)
        found.append(identity(tmp_path / name, job))
    assert found[0] == found[2]
    assert found[0].map != found[1].map


def test_installed_packages_count_by_version_and_content(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The version of a package, and an edit of its files, change both digests."""
    found = []
    for number, (version, text) in enumerate(
        [("1", "A = 1\n"), ("2", "A = 1\n"), ("1", "A = 2\n"), ("1", "A = 1\n")]
    ):
        folder = tmp_path / f"{number}/site-packages"
        (folder / "tinypkg-0.dist-info").mkdir(parents=True)
        (folder / "tinypkg.py").write_text(text)
        metadata_text = f"Metadata-Version: 2.1\nName: tinypkg\nVersion: {version}\n"
        (folder / "tinypkg-0.dist-info/METADATA").write_text(metadata_text)
        (folder / "tinypkg-0.dist-info/RECORD").write_text("tinypkg.py,,\n")
        with monkeypatch.context() as patch:
            patch.syspath_prepend(str(folder))
            patch.delitem(sys.modules, "tinypkg", raising=False)
            patch.setattr("mapreduce.code.modules._distributions", _uncached)
            found.append(identity(tmp_path / f"{number}/job", f"import tinypkg\n{JOB}"))
    assert found[0] == found[3]
    assert 3 == len({each.map for each in found}) == len({each.reduce for each in found})


def _uncached() -> object:
    from tests.unit.mapreduce.code.test_modules import _uncached as uncached

    return uncached()
