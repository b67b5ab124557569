"""Unpacked packages: proven before each use, shared by processes, and within a limit."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from mapreduce.errors import CorruptBlock, JobLoadError
from mapreduce.packages import PackageCache
from mapreduce.packages import cache as caching
from mapreduce.storage import open_storage
from mapreduce.wire import keys
from tests.wheels import make_wheel, stored_set, wheel_of


@pytest.fixture(autouse=True)
def released(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A process that holds no folder yet; its descriptors are closed at the end."""
    held: dict[Path, int] = {}
    monkeypatch.setattr(caching, "_held", held)
    yield
    for handle in held.values():
        os.close(handle)


def _store(tmp_path: Path) -> str:
    return f"file://{tmp_path}/store"


def _cache(tmp_path: Path, limit_bytes: int = 1 << 30) -> PackageCache:
    return PackageCache(open_storage(), _store(tmp_path), tmp_path / "cache", limit_bytes)


def test_packages_are_unpacked_once_and_proven_each_time(tmp_path: Path) -> None:
    """A second fetch reads no wheel; a changed, a new or a missing file makes it unpack again."""
    path = make_wheel(tmp_path, "one", files={"one/__init__.py": "A = 1\n", "one/b.py": "B = 2\n"})
    digest = stored_set(_store(tmp_path), tmp_path, path)
    root = _cache(tmp_path).fetch(digest)
    url = keys.wheel(_store(tmp_path), wheel_of(path).sha256)
    kept = Path(url.removeprefix("file://"))
    data = kept.read_bytes()
    kept.unlink()
    assert root == _cache(tmp_path).fetch(digest)
    kept.write_bytes(data)
    for change in (
        lambda: (root / "one/b.py").write_text("B = 3\n"),
        lambda: (root / "two.py").write_text("C = 1\n"),
        lambda: (root / "one/b.py").unlink(),
        lambda: (root / "link").symlink_to("/etc"),
    ):
        change()
        assert root == _cache(tmp_path).fetch(digest)
        assert "B = 2\n" == (root / "one/b.py").read_text()
        assert not (root / "two.py").exists() and not (root / "link").is_symlink()
    assert {digest, f"{digest}.use", f"{digest}.unpacking"} == {
        path.name for path in (tmp_path / "cache").iterdir()
    }


def test_a_task_of_a_proven_job_reads_nothing_again(tmp_path: Path) -> None:
    """A task's process relies on the proof of its worker, and proves what it must unpack."""
    digest = stored_set(_store(tmp_path), tmp_path, make_wheel(tmp_path, "one"))
    root = _cache(tmp_path).fetch(digest, proven=True)
    (root / "one.py").write_text("")
    assert root == _cache(tmp_path).fetch(digest, proven=True)
    assert "" == (root / "one.py").read_text()
    _cache(tmp_path).fetch(digest)
    assert "" != (root / "one.py").read_text()


def test_what_a_killed_process_left_is_deleted(tmp_path: Path) -> None:
    """A half unpacked folder goes an hour later, and not while it may still be written."""
    for name, age_s in (("unpack-old", 4000.0), ("unpack-young", 0.0)):
        folder = tmp_path / "cache" / name
        folder.mkdir(parents=True)
        os.utime(folder, (time.time() - age_s,) * 2)
    _cache(tmp_path).fetch(stored_set(_store(tmp_path), tmp_path, make_wheel(tmp_path, "one")))
    assert ["unpack-young"] == [each.name for each in (tmp_path / "cache").glob("unpack-*")]


@pytest.mark.parametrize("damage", ["length", "bytes", "set", "missing set"])
def test_a_damaged_object_is_refused(tmp_path: Path, damage: str) -> None:
    """A wheel or set that is not what its digest names is never unpacked."""
    path = make_wheel(tmp_path, "one")
    digest = stored_set(_store(tmp_path), tmp_path, path)
    wheel = Path(keys.wheel(_store(tmp_path), wheel_of(path).sha256).removeprefix("file://"))
    document = Path(keys.package_set(_store(tmp_path), digest).removeprefix("file://"))
    data = wheel.read_bytes()
    if damage == "length":
        wheel.write_bytes(data + b"\0")
    elif damage == "bytes":
        wheel.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    elif damage == "set":
        document.write_text(document.read_text().replace('"1.0"', '"1.1"'))
    else:
        document.unlink()
    with pytest.raises(CorruptBlock, match="--refresh-packages"):
        _cache(tmp_path).fetch(digest)
    assert not (tmp_path / "cache" / digest).exists()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"platform": "cp311-plan9-x86_64"}, "are for cp311-plan9-x86_64, and this process is"),
        ({"provided": {"pydantic": "1.0"}}, "resolved with pydantic 1.0, and this environment"),
        ({"unpacked_bytes": 3 << 30}, "2,048 MiB and 50,000 files"),
        ({"files": 60_000}, "2,048 MiB and 50,000 files"),
        ({"unpacked_bytes": 1 << 30}, "of .* MiB are free|MiB are free"),
    ],
)
def test_packages_that_do_not_fit_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: dict[str, object], message: str
) -> None:
    """Another platform, another library, a set over the limits, and a full disk are refused."""
    monkeypatch.setattr("shutil.disk_usage", lambda _: type("Usage", (), {"free": 512 << 20})())
    digest = stored_set(_store(tmp_path), tmp_path, make_wheel(tmp_path, "one"), **change)
    with pytest.raises(JobLoadError, match=message):
        _cache(tmp_path).fetch(digest)


def test_contents_that_differ_from_the_set_are_refused(tmp_path: Path) -> None:
    """The unpacked files must have the digest that the set names."""
    digest = stored_set(_store(tmp_path), tmp_path, make_wheel(tmp_path, "one"), contents="0" * 64)
    with pytest.raises(CorruptBlock):
        _cache(tmp_path).fetch(digest)
    assert not list((tmp_path / "cache").glob("unpack-*"))


def test_the_folders_used_longest_ago_are_deleted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Beyond the limit, those that no process holds go; the one just fetched never does."""
    digests = [stored_set(_store(tmp_path), tmp_path, make_wheel(tmp_path, name)) for name in "abc"]
    for age, digest in enumerate(digests[:2]):
        _cache(tmp_path).fetch(digest)
        os.utime(tmp_path / "cache" / f"{digest}.use", (age, age))
    held = caching._held
    os.close(held.pop(tmp_path / "cache" / digests[0]))  # as if its process had ended
    _cache(tmp_path, limit_bytes=1).fetch(digests[2])
    left = {path.name for path in (tmp_path / "cache").iterdir() if path.is_dir()}
    assert {digests[1], digests[2]} == left
