"""The packages of a run: for its tasks and for this process."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from driver.cloud.stack import Stack
from driver.history.run_store import RunStore
from driver.packages import resolve
from driver.packages.of_job import (
    PackagesWanted,
    digest_of_packages,
    foreign_modules,
    keep_packages,
)
from driver.packages.platforms import Platform
from driver.packages.user_folder import trim, user_folder, user_place
from mapreduce.code import JobSource, Modules, find_job
from mapreduce.errors import JobLoadError
from mapreduce.packages import PackageCache, platform_here, search, use_packages
from mapreduce.storage import open_storage
from mapreduce.wire import keys
from tests.unit.driver.samples import STACK_VALUES
from tests.wheels import make_wheel

STACK = Stack.model_validate(STACK_VALUES)


@pytest.fixture(autouse=True)
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, str]]:
    """An index that has the version in the dict for each platform, and a user without a cache."""
    versions = {platform_here(): "1.0"}

    def downloaded(
        texts: Sequence[str], file: Path | None, platform: Platform, pins: Sequence[str], to: Path
    ) -> list[Path]:
        files = {"provided_one.py": f"VERSION = {versions.get(platform.name, '2.0')!r}\n"}
        extra = {"evil.pth": "import os"} if "with-pth" in texts else {}
        version = versions.get(platform.name, "2.0")
        return [make_wheel(to, "provided_one", version, files | extra)]

    monkeypatch.setattr(resolve, "downloaded", downloaded)
    monkeypatch.setattr(search, "ONE_THREAD", ())
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    yield versions
    use_packages(None)


def _runs(tmp_path: Path) -> RunStore:
    return RunStore(open_storage(), f"file://{tmp_path}/store")


def test_a_job_without_requirements_has_none() -> None:
    """Nothing is resolved, and the tasks get no digest."""
    wanted = PackagesWanted()
    wanted.provide(())
    assert ([], "") == (list(wanted.notes()), digest_of_packages(wanted.found))


def test_this_process_and_the_tasks_share_the_packages(tmp_path: Path) -> None:
    """On this machine there is one set: importable here, and whole in the store once it is kept."""
    runs = _runs(tmp_path)
    wanted = PackagesWanted(places=lambda: (None, runs))
    wanted.provide(("provided-one", "with-pth"))
    found = wanted.found
    assert found is not None and found.tasks is found.here
    assert "1.0" == importlib.import_module("provided_one").VERSION
    keep_packages(found, runs)
    again = PackageCache(runs.storage, runs.store, tmp_path / "worker").fetch(found.tasks.digest)
    assert (again / "provided_one.py").is_file() and not (again / "evil.pth").exists()
    first, second = wanted.notes()
    assert first.startswith("packages  1 wheel, ") and "provided_one 1.0" in first
    assert "evil.pth" in second
    assert found.tasks.digest == digest_of_packages(found)


def test_a_plan_brings_its_packages_from_the_store(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without pip and without the user's file, as in a driver in AWS; nothing is written again."""
    runs = _runs(tmp_path)
    file = tmp_path / "requirements.txt"
    file.write_text("provided-one\n")
    wanted = PackagesWanted(file, places=lambda: (None, runs))
    wanted.provide(())
    assert wanted.found is not None
    keep_packages(wanted.found, runs)
    monkeypatch.setattr(resolve, "downloaded", None)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "of-the-container"))
    before = {info.url for info in runs.storage.list(runs.store)}
    again = PackagesWanted(tmp_path / "gone", True, lambda: (None, runs), wanted.found.tasks.digest)
    again.provide(("provided-one",))
    assert again.found is not None
    keep_packages(again.found, runs)
    assert digest_of_packages(wanted.found) == digest_of_packages(again.found)
    assert again.found.folder.is_relative_to(tmp_path / "of-the-container")
    assert (again.found.folder / "provided_one.py").is_file()
    assert before == {info.url for info in runs.storage.list(runs.store)}
    (note,) = again.notes()
    assert "provided_one 1.0" in note


def test_packages_of_another_platform_are_resolved_here(
    tmp_path: Path, index: dict[str, str]
) -> None:
    """So are those that the store has no more."""
    runs = _runs(tmp_path)
    arm = STACK.model_copy(update={"architecture": "ARM64"})
    wanted = PackagesWanted(places=lambda: (arm, runs))
    wanted.provide(("provided-one",))
    assert wanted.found is not None
    keep_packages(wanted.found, runs)
    for digest in (wanted.found.tasks.digest, "0" * 64):
        again = PackagesWanted(places=lambda: (arm, runs), kept=digest)
        again.provide(("provided-one",))
        assert again.found is not None
        assert digest_of_packages(wanted.found) == digest_of_packages(again.found)
        assert platform_here() == again.found.here.packages.platform


def test_the_tasks_in_aws_have_wheels_of_their_own(tmp_path: Path, index: dict[str, str]) -> None:
    """The set of the images goes to the store; another version on this machine is said."""
    runs = _runs(tmp_path)
    arm = STACK.model_copy(update={"architecture": "ARM64"})
    wanted = PackagesWanted(places=lambda: (arm, runs))
    wanted.provide(("provided-one",))
    found = wanted.found
    assert found is not None
    assert "cp311-linux-arm64" == found.tasks.packages.platform
    assert "1.0" == importlib.import_module("provided_one").VERSION
    keep_packages(found, runs)
    kept = [info.url for info in runs.storage.list(keys.join(runs.store, "packages", "sets"))]
    assert [keys.package_set(runs.store, found.tasks.digest)] == kept
    assert any(
        "the tasks have provided_one 2.0, and this machine 1.0" in each for each in wanted.notes()
    )


def test_a_remembered_set_is_said(tmp_path: Path) -> None:
    """The second run says that nothing was resolved."""
    for expected in (False, True):
        wanted = PackagesWanted(places=lambda: (None, _runs(tmp_path)))
        wanted.provide(("provided-one",))
        assert expected == any("as before" in note for note in wanted.notes())


def test_packages_are_no_modules_of_the_author(tmp_path: Path) -> None:
    """What comes from the requirements is neither packed nor named among installed packages."""
    job = tmp_path / "with_packages.py"
    job.write_text(
        "import provided_one\nfrom mapreduce import Count, Job\n"
        "class Mine(Job):\n    requirements = ['provided-one']\n    reduce = Count()\n"
        "    def map(self, key, value):\n        yield 1, 1\n"
    )
    source, _ = find_job(str(job), provide=PackagesWanted().provide)
    found = source.modules()
    assert (("with_packages",), frozenset()) == (found.names(), found.packages)


def test_an_import_that_the_images_lack_is_said_before(tmp_path: Path) -> None:
    """Needed at the top of the file, it is refused; elsewhere it may be optional, and is said."""
    job = tmp_path / "mine.py"
    source = JobSource(tmp_path, "mine", "Mine")
    modules = Modules(packages=frozenset(("pytest", "pydantic")))
    job.write_text("try:\n    import pytest\nexcept ImportError:\n    pass\n")
    (note,) = foreign_modules(source, modules)
    assert "lack pytest; write `requirements = ['pytest']`" in note
    job.write_text("import pytest\n")
    with pytest.raises(JobLoadError, match="which the services in AWS do not have"):
        foreign_modules(source, modules)
    assert [] == foreign_modules(source, Modules(packages=frozenset(("pydantic",))))


def test_where_packages_are_kept(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The user's cache folder, or the one of the environment."""
    assert tmp_path / "cache/mapreduce-on-fargate/packages" == user_folder()
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert Path.home() / ".cache/mapreduce-on-fargate/packages" == user_folder()


def test_the_oldest_wheels_are_deleted_beyond_the_limit(tmp_path: Path) -> None:
    """The newest stay; a job that needs a deleted one is resolved again."""
    place = user_place()
    for number, letter in enumerate("abc"):
        url = keys.wheel(place.store, letter * 64)
        place.storage.write(url, b"12345")
        os.utime(url.removeprefix("file://"), (number, number))
    trim(place)
    trim(place, most_bytes=10)
    left = [info.url for info in place.storage.list(f"{place.store}/packages/wheels")]
    assert [keys.wheel(place.store, letter * 64) for letter in "bc"] == left
