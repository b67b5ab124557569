"""The tasks of a job's author: start from a template, check the job, pack files and modules."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.integration.commands import Driver

JOB = """
from lists.stop import STOP
from mapreduce import Job, Sum, words

class Counted(Job):
    reduce = Sum()
    files = ["names", "extra.txt"]

    def map_setup(self):
        self.names = set(self.path("names/first.txt").read_text().split())
        self.names |= set(self.path("extra.txt").read_text().split())

    def map(self, offset, line):
        for word in words(line):
            if word in self.names and word not in STOP:
                yield word, 1
"""


def test_a_job_with_a_module_and_files_beside_it(driver: Driver) -> None:
    """The job's module and files are packed with it, and a changed file means another job."""
    home = driver.folder / "elsewhere"
    (home / "lists").mkdir(parents=True)
    (home / "names").mkdir()
    (home / "lists" / "stop.py").write_text("STOP = {'bob'}\n")
    (home / "names" / "first.txt").write_text("ann bob")
    (home / "extra.txt").write_text("cy")
    (home / "counted.py").write_text(JOB)
    text = driver.folder / "in.txt"
    text.write_text("ann bob\ncy dee ann\n")
    done = driver.run(
        "run", "--job", home / "counted.py", "--input", text, "--target", "local", "--json"
    )
    assert done.code == 0, done.err
    assert json.loads(
        Path(done.document["result_urls"][0].removeprefix("file://")).read_text()
    ) == {"ann": 2, "cy": 1}
    (home / "extra.txt").write_text("cy dee")
    again = driver.run(
        "run", "--job", home / "counted.py", "--input", text, "--target", "local", "--json"
    )
    assert again.document["reused_tasks"] == 1, (
        "another file is another job; only the split is the same"
    )
    assert again.document["records"] == 3


def test_a_file_that_is_not_there(driver: Driver) -> None:
    """A missing file in `files` is reported before anything starts."""
    (driver.folder / "job.py").write_text(
        "from mapreduce import Job\nclass J(Job):\n    files = ['gone.txt']\n    def map(self, k, "
        "v): yield k, v\n"
    )
    (driver.folder / "in.txt").write_text("a")
    done = driver.run("run", "--job", driver.folder / "job.py", "--input", driver.folder / "in.txt")
    assert done.code == 2
    assert "`files` holds 'gone.txt', but there is no such file" in done.err


def test_a_new_job_runs_passes_its_test_and_keeps_the_laws(driver: Driver) -> None:
    """The job that `new` writes runs, passes its test, and keeps the laws."""
    text = driver.folder / "in.txt"
    text.write_text("a rose is a rose\nis a rose\n" * 20)
    path = driver.folder / "my_job.py"
    assert driver.run("new", path).code == 0
    again = driver.run("new", path)
    assert (again.code, "exists already; nothing was written" in again.err) == (2, True)
    assert driver.run("run", "--job", path, "--input", text, "--target", "inline").code == 0
    checked = driver.run("check", path, "--input", text, "--json")
    assert (checked.code, checked.document["breaches"]) == (0, [])
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_my_job.py"]
    tested = subprocess.run(
        command,
        cwd=driver.folder,
        env=driver.environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert tested.returncode == 0, tested.stdout


def test_a_job_that_breaks_a_law(driver: Driver) -> None:
    """`check` reports the broken law, the smallest input and the remedy, with exit code 1."""
    (driver.folder / "first.py").write_text(
        "from mapreduce import Job\nclass First(Job):\n    def map(self, k, "
        "line):\n        yield 'k', line\n"
        "    def reduce(self, key, values):\n        print('in the job')\n        yield key, "
        "next(values)\n"
    )
    text = driver.folder / "in.txt"
    text.write_text("".join(f"line {number}\n" for number in range(50)))
    done = driver.run("check", driver.folder / "first.py", "--input", text)
    assert done.code == 1
    assert (
        "First breaks a law: the answer does not depend on the order of a key's values" in done.out
    )
    assert "order_matters = True" in done.out
    assert "in the job" not in done.out


def test_a_file_named_like_a_module_of_python(driver: Driver) -> None:
    """A file named like a module of Python does no harm in its folder, and can be a job."""
    text = driver.folder / "in.txt"
    text.write_text("a\n")
    (driver.folder / "random.py").write_text("raise RuntimeError('the wrong random')\n")
    assert driver.run("run", "--input", text, "--target", "local").code == 0
    (driver.folder / "random.py").write_text(
        "import random\nfrom mapreduce import Count, "
        "Job\n\n\nclass Mine(Job):\n    reduce = Count()\n\n"
        "    def map(self, offset, line):\n        yield f'{line}{random.Random(1).randrange(1)}', "
        "1\n"
    )
    done = driver.run(
        "run", "--input", text, "--job", "random.py", "--target", "local", "--output", "out.json"
    )
    assert done.code == 0, done.err
    assert json.loads((driver.folder / "out.json").read_text()) == {"a0": 1}


def job_file(driver: Driver, body: str) -> Path:
    """Write a job with these methods; it counts lines by default."""
    path = driver.folder / "mine.py"
    default = (
        "" if "def map(" in body else "    def map(self, offset, line):\n        yield line, 1\n"
    )
    path.write_text(
        "from mapreduce import Count, Job\n\n\nclass Mine(Job):\n    reduce = "
        f"Count()\n\n{default}{body}"
    )
    (driver.folder / "in.txt").write_text("".join(f"line {number}\n" for number in range(20)))
    return path


def test_check_tries_two_seeds_of_pythons_hash(driver: Driver) -> None:
    """A partition that uses `hash()` is found with two processes, and reported with a small input
    and the remedy.
    """
    path = job_file(
        driver, "    def partition(self, key, partitions):\n        return hash(key) % partitions\n"
    )
    done = driver.run("check", path, "--input", driver.folder / "in.txt")
    assert done.code == 1
    assert "Mine breaks a law: the answer does not depend on Python's hash seed" in done.out
    assert "PYTHONHASHSEED=1 against PYTHONHASHSEED=2" in done.out
    assert "zlib.crc32" in done.out


@pytest.mark.parametrize(
    ("body", "code", "named"),
    [
        (
            "    def map(self, offset, line):\n        exit()\n",
            1,
            "map ended the process with exit()",
        ),
        (
            "    def map(self, offset, line):\n        yield line[:2]\n",
            1,
            "map yielded the str 'li', which is not a pair",
        ),
        (
            "    def reducer(self, key, values):\n        pass\n",
            2,
            "write `reduce(self, key, values)`",
        ),
        (
            "    def setup(self):\n        pass\n",
            2,
            "map_setup, map_cleanup, reduce_setup, reduce_cleanup",
        ),
        ("    source: str = ''\n", 2, "`source` of Mine hides a name of the engine"),
        (
            "import argparse\nparser = argparse.ArgumentParser()\nparser.error('no')\n",
            2,
            "called exit(2)",
        ),
    ],
)
@pytest.mark.parametrize("target", ["inline", "local"])
def test_mistakes_show_the_authors_line(
    driver: Driver, body: str, code: int, named: str, target: str
) -> None:
    """A job's mistake is reported with the author's line, and without frames of the engine."""
    path = job_file(driver, body)
    done = driver.run("run", "--job", path, "--input", driver.folder / "in.txt", "--target", target)
    assert done.code == code
    assert named in done.err
    assert "mapreduce/engine" not in done.err


def test_a_date_as_a_parameter(driver: Driver) -> None:
    """A date as a parameter reaches the services as a date."""
    path = driver.folder / "dated.py"
    path.write_text(
        "import datetime\n\nfrom mapreduce import Count, "
        "Job\n\n\nclass Dated(Job):\n    reduce = Count()\n"
        "    day: datetime.date = datetime.date(2020, 1, 2)\n\n    def map(self, offset, line):\n"
        "        yield (self.day + datetime.timedelta(1)).isoformat(), 1\n"
    )
    text = driver.folder / "in.txt"
    text.write_text("a\n")
    for given, expected in (((), "2020-01-03"), (("--param", "day=2021-12-31"), "2022-01-01")):
        done = driver.run(
            "run", "--job", path, "--input", text, "--target", "local", "--json", *given
        )
        assert done.code == 0, done.err
        assert json.loads(
            Path(done.document["result_urls"][0].removeprefix("file://")).read_text()
        ) == {expected: 1}
