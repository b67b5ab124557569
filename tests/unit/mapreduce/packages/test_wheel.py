"""Wheels: what is unpacked, and what is refused."""

from __future__ import annotations

import stat
import zipfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mapreduce.errors import CorruptBlock, JobLoadError
from mapreduce.packages.wheel import _target, unpack_wheel
from tests.wheels import make_wheel, wheel_of


def _unpacked(path: Path, folder: Path) -> tuple[str, ...]:
    return unpack_wheel(path, wheel_of(path), folder)


def _names(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def test_modules_are_unpacked_and_the_rest_is_named(tmp_path: Path) -> None:
    """Purelib and platlib go to the top; scripts, data and .pth files are left out and named."""
    files = {
        "a/__init__.py": "one",
        "evil.pth": "import os",
        "a-1.0.data/purelib/b.py": "two",
        "a-1.0.data/platlib/c/d.py": "three",
        "a-1.0.data/scripts/run": "#!python",
        "a-1.0.data/purelib/more.pth": "import os",
    }
    left = _unpacked(make_wheel(tmp_path, "a", files=files), tmp_path / "all")
    info = {f"a-1.0.dist-info/{name}" for name in ("METADATA", "WHEEL", "RECORD")}
    assert {"a/__init__.py", "b.py", "c/d.py"} | info == _names(tmp_path / "all")
    assert "two" == (tmp_path / "all/b.py").read_text()
    assert {"evil.pth", "a-1.0.data/scripts/run", "a-1.0.data/purelib/more.pth"} == {
        each.removeprefix("a: ") for each in left
    }


@pytest.mark.parametrize(
    ("files", "record", "message"),
    [
        ({"a.py": "x"}, {"a.py": "a.py,sha256=AAAA,1"}, "not as its RECORD says"),
        ({"a.py": "x"}, {"a.py": ""}, "which its RECORD lacks"),
        ({"a.py": "x"}, {"a.py": "a.py,md5=AAAA,1"}, "a hash by 'md5'"),
        ({"../a.py": "x"}, {}, "not a plain file"),
        ({"/a.py": "x"}, {}, "not a plain file"),
        ({"a//b.py": "x"}, {}, "not a plain file"),
        ({"a\\b.py": "x"}, {}, "not a plain file"),
        ({f"{'a' * 201}.py": "x"}, {}, "not a plain file"),
        ({"a-1.0.data/purelib/../../a.py": "x"}, {}, "not a plain file"),
        ({"b-1.dist-info/RECORD": ""}, {}, "it has 2 RECORD files"),
    ],
)
def test_a_wheel_that_is_not_as_it_says_is_refused(
    tmp_path: Path, files: dict[str, str], record: dict[str, str], message: str
) -> None:
    """A wrong or missing hash, and a path that could leave the folder, are refused."""
    path = make_wheel(tmp_path / "in", "a", files=files, record=record)
    with pytest.raises(JobLoadError, match=message):
        _unpacked(path, tmp_path / "all")
    assert not (tmp_path / "a.py").exists()


def test_a_symbolic_link_is_refused(tmp_path: Path) -> None:
    """A wheel with a link could lead out of its folder."""
    path = make_wheel(tmp_path, "a")
    with zipfile.ZipFile(path, "a") as archive:
        link = zipfile.ZipInfo("link")
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(link, "/etc/passwd")
    with pytest.raises(JobLoadError, match="not a plain file"):
        _unpacked(path, tmp_path / "all")


def test_another_wheel_than_the_named_one_is_refused(tmp_path: Path) -> None:
    """The bytes must have the digest and the length, whatever is in them."""
    path = make_wheel(tmp_path, "a")
    wheel = wheel_of(path)
    path.write_bytes(path.read_bytes() + b"\0")
    with pytest.raises(CorruptBlock, match="--refresh-packages"):
        unpack_wheel(path, wheel, tmp_path / "all")


def test_what_is_no_wheel_is_refused(tmp_path: Path) -> None:
    """Bytes that are no zip end in our error."""
    path = tmp_path / "a-1.0-py3-none-any.whl"
    path.write_bytes(b"no zip at all")
    with pytest.raises(JobLoadError, match="not a valid wheel"):
        _unpacked(path, tmp_path / "all")


def test_two_wheels_may_share_equal_files_only(tmp_path: Path) -> None:
    """The same file twice is one file; another one of its name would be a matter of luck."""
    shared = {"shared/__init__.py": "same"}
    for name in ("a", "b"):
        _unpacked(make_wheel(tmp_path, name, files=shared), tmp_path / "all")
    third = make_wheel(tmp_path, "c", files={"shared/__init__.py": "other"})
    with pytest.raises(JobLoadError, match="require only one of them"):
        _unpacked(third, tmp_path / "all")


@given(
    st.lists(st.sampled_from(["a", "b.pth", "x.data", "purelib", "platlib", "scripts"]), min_size=1)
)
def test_a_target_never_keeps_a_scheme_or_a_pth_at_the_top(steps: list[str]) -> None:
    """Whatever a file's path, no .pth lies at the top, and no folder of a scheme remains."""
    found = _target("/".join(steps))
    if found is None:
        assert steps[0] == "x.data" or steps == ["b.pth"]
        return
    assert len(found.parts) > 1 or not found.name.endswith(".pth")
    assert list(found.parts) == (steps[2:] if steps[0] == "x.data" else steps)
