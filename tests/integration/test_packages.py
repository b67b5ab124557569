"""A job's requirements, with pip and the services as users have them; the index is a folder."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mapreduce.code import JobSource, pack
from mapreduce.storage import open_storage
from mapreduce.wire import keys
from mapreduce.wire.messages import Done, Failed, JobSpec, parse_event, parse_task
from tests.integration.commands import Driver
from tests.integration.one_mapper import Mapper, running_mapper
from tests.wheels import make_wheel, stored_set, wheel_of

JOB = """
import ticker
from mapreduce import Count, Job

class Tick(Job):
    requirements = ["ticker"]
    reduce = Count()
    def map(self, key, value):
        yield ticker.VERSION, 1
"""


@pytest.fixture
def wheels(tmp_path: Path) -> Path:
    """A folder with version 1.0 of `ticker`, and nothing else."""
    folder = tmp_path / "wheels"
    make_wheel(folder, "ticker", "1.0")
    return folder


@pytest.fixture
def at_home(driver: Driver, wheels: Path, tmp_path: Path) -> Driver:
    """A driver whose pip knows that folder only, and whose user has no packages yet."""
    (driver.folder / "tick.py").write_text(JOB)
    (driver.folder / "in.txt").write_text("one\ntwo\n")
    variables = {
        "PIP_NO_INDEX": "1",
        "PIP_FIND_LINKS": str(wheels),
        "PIP_CONFIG_FILE": "/dev/null",
        "XDG_CACHE_HOME": str(tmp_path / "cache"),
    }
    return replace(driver, variables=variables)


def _keys(driver: Driver, *options: str) -> list[Any]:
    said = driver.run("run", "in.txt", "--job", "tick.py", "--json", *options)
    assert said.code == 0, said.err
    document = said.document
    return [document["top"][0][0], document["reused_tasks"]]


@pytest.mark.parametrize("target", ["inline", "local"])
def test_the_same_packages_until_a_refresh(at_home: Driver, wheels: Path, target: str) -> None:
    """A second run reuses its tasks though the index has a newer version; a refresh takes it."""
    place = ("--target", target)
    assert ["1.0", 0] == _keys(at_home, *place)
    make_wheel(wheels, "ticker", "2.0")
    key, reused = _keys(at_home, *place)
    assert ("1.0", True) == (key, reused > 0)
    assert ["2.0"] == _keys(at_home, *place, "--refresh-packages")[:1]
    listed = at_home.run("packages", "--json").document["sets"]
    assert ["1.0", "2.0"] == sorted(each["packages"][0]["version"] for each in listed)


def test_inline_and_local_share_their_tasks(at_home: Driver) -> None:
    """The key of a task holds the packages, whichever target has resolved them."""
    assert ["1.0", 0] == _keys(at_home, "--target", "inline", "--reducers", "1", "--chunks", "1")
    digests = at_home.run("packages", "--json").document["sets"]
    assert ["1.0"] == _keys(at_home, "--target", "local", "--reducers", "1", "--chunks", "1")[:1]
    again = at_home.run("packages", "--json").document["sets"]
    assert [each["digest"] for each in digests] == [each["digest"] for each in again]


def test_a_requirements_file_and_verify_and_plan(at_home: Driver) -> None:
    """`--requirements` does what the attribute does; plan, verify and check find the packages."""
    job = at_home.folder / "tick.py"
    job.write_text(JOB.replace('    requirements = ["ticker"]\n', ""))
    (at_home.folder / "required.txt").write_text("ticker>=1\n")
    options = ("in.txt", "--job", "tick.py", "--target", "local")
    refused = at_home.run("run", *options)
    assert refused.code == 2 and "write `requirements = ['ticker']`" in refused.err
    planned = at_home.run("plan", *options, "--requirements", "required.txt", "--json")
    assert planned.code == 0 and planned.document["sampled"]["error"] == "", planned.out
    done = at_home.run("run", "--plan", planned.document["run"], "--json")
    assert done.code == 0, done.err
    assert at_home.run("verify").code == 0
    job.write_text(JOB)
    checked = at_home.run("check", "tick.py", "in.txt")
    assert checked.code == 0, checked.err


@pytest.mark.parametrize(
    ("requirement", "message"),
    [
        ("no-such-thing", "there is no wheel of no-such-thing for cp3"),
        ("ticker==7", "there is no wheel of ticker==7"),
        ("ticker<1", "there is no wheel of ticker<1"),
        ("sourceonly", "there is no wheel of sourceonly"),
        ("pydantic<1", "the services bring pydantic=="),
        ("not a name", "pip could not resolve"),
    ],
)
def test_what_cannot_be_is_said_before_anything_starts(
    at_home: Driver, wheels: Path, requirement: str, message: str
) -> None:
    """No wheel, only a source package, and a library of ours in another version: exit code 2."""
    (wheels / "sourceonly-1.0.tar.gz").write_bytes(b"")
    make_wheel(wheels, "pydantic", "0.9")
    (at_home.folder / "tick.py").write_text(JOB.replace('["ticker"]', json.dumps([requirement])))
    said = at_home.run("run", "in.txt", "--job", "tick.py", "--target", "local")
    assert (2, True) == (said.code, message in said.err), said.err
    assert "Traceback" not in said.err
    assert not (at_home.store / "runs").exists()


# -- one service, several jobs -----------------------------------------------------------------


@pytest.fixture(scope="module")
def mapper(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mapper]:
    """One mapper with two slots."""
    with running_mapper(tmp_path_factory.mktemp("mapper"), MAPREDUCE_SLOTS="2") as made:
        yield made


@pytest.fixture
def with_version(mapper: Mapper, tmp_path: Path) -> Callable[[str], JobSpec]:
    """Return a function that stores the job with a version of its package."""
    (tmp_path / "tick.py").write_text(
        JOB.replace("ticker.VERSION", "self.count(ticker.VERSION) or 1")
    )

    def store(version: str) -> JobSpec:
        digest, data = pack(JobSource(tmp_path, "tick", "Tick"))
        open_storage().write(keys.code(mapper.store, digest), data)
        packages = stored_set(mapper.store, tmp_path, make_wheel(tmp_path, "ticker", version))
        return JobSpec(code=digest, packages=packages, module="tick", name="Tick")

    return store


def _last(mapper: Mapper, job: JobSpec, attempt: str) -> Done | Failed:
    task = parse_task.validate_json(mapper.task())
    body = task.model_copy(update={"job": job, "attempt": attempt}).model_dump_json().encode()
    last = parse_event.validate_json(mapper.post(body).text.splitlines()[-1])
    assert isinstance(last, Done | Failed)
    return last


def test_two_versions_at_once_in_one_service(
    mapper: Mapper, with_version: Callable[[str], JobSpec]
) -> None:
    """Each run has its own version, in both slots, whatever ran there before."""
    jobs = {version: with_version(version) for version in ("1.0", "2.0")}
    wanted = ["1.0", "2.0"] * 6

    def counted(number: int) -> set[str]:
        last = _last(mapper, jobs[wanted[number]], f"both-{number}")
        assert isinstance(last, Done), last
        return set(last.result.counters)  # type: ignore[union-attr]

    with ThreadPoolExecutor(2) as pool:
        assert [{version} for version in wanted] == list(pool.map(counted, range(len(wanted))))


def test_a_job_cannot_change_the_packages_of_the_next(
    mapper: Mapper, with_version: Callable[[str], JobSpec], tmp_path: Path
) -> None:
    """Files that a job has changed under the service are proven, and unpacked again."""
    job = with_version("3.0")
    assert isinstance(_last(mapper, job, "before"), Done)
    (found,) = (tmp_path_of(mapper) / "packages").glob(f"{job.packages}/ticker.py")
    found.write_text("VERSION = 'evil'\n")
    other = with_version("4.0")  # so that the workers import the job again
    for number in range(4):
        assert isinstance(_last(mapper, other, f"other-{number}"), Done)
    last = _last(mapper, job, "after")
    assert isinstance(last, Done)
    assert {"3.0"} == set(last.result.counters)  # type: ignore[union-attr]


def test_a_changed_wheel_in_the_store_is_refused(
    mapper: Mapper, with_version: Callable[[str], JobSpec], tmp_path: Path
) -> None:
    """A fault: the object is not what its digest names. The task fails, and says what to do."""
    job = with_version("5.0")
    sha256 = wheel_of(next(tmp_path.glob("ticker-5.0*"))).sha256
    path = Path(keys.wheel(mapper.store, sha256).removeprefix("file://"))
    data = path.read_bytes()
    path.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    last = _last(mapper, job, "changed")
    assert isinstance(last, Failed)
    assert ("CorruptBlock", True) == (last.error.kind, "--refresh-packages" in last.error.message)


def tmp_path_of(mapper: Mapper) -> Path:
    """Return the scratch folder of a mapper."""
    return Path(mapper.store.removeprefix("file://")).parent / "scratch"
