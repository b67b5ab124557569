"""The packages of one job at a time are importable, and those of the job before are gone."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Iterator
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path

import pytest

from mapreduce.errors import JobLoadError
from mapreduce.packages import is_of_packages, packages_folder, search, use_one_thread, use_packages


@pytest.fixture(autouse=True)
def restored(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The module path and the flag of byte code are as before after the test."""
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setattr(sys, "dont_write_bytecode", sys.dont_write_bytecode)
    monkeypatch.setattr(search, "ONE_THREAD", ())
    yield
    use_packages(None)
    for name in ("searched_one", "searched_two"):
        sys.modules.pop(name, None)


def _folder(tmp_path: Path, version: int) -> Path:
    folder = tmp_path / f"packages-{version}"
    folder.mkdir()
    (folder / "searched_one.py").write_text(f"VERSION = {version}\n")
    return folder


def test_each_job_has_its_own_version(tmp_path: Path) -> None:
    """The next folder's module is imported, and after the last the name is unknown again."""
    path = list(sys.path)
    for version in (1, 2):
        use_packages(_folder(tmp_path, version))
        assert version == importlib.import_module("searched_one").VERSION
        assert sys.dont_write_bytecode
    assert packages_folder() == tmp_path / "packages-2"
    assert is_of_packages(tmp_path / "packages-2" / "searched_one.py")
    assert not is_of_packages(tmp_path / "packages-1" / "searched_one.py")
    use_packages(None)
    assert path == sys.path
    with pytest.raises(ModuleNotFoundError):
        importlib.import_module("searched_one")


def test_one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    """The variables are set, except one that the user has set."""
    monkeypatch.setattr(search, "ONE_THREAD", ("ONE_TEST", "OTHER_TEST"))
    monkeypatch.setenv("ONE_TEST", "")
    monkeypatch.delenv("ONE_TEST")
    monkeypatch.setenv("OTHER_TEST", "3")
    use_one_thread()
    assert ("1", "3") == (os.environ["ONE_TEST"], os.environ["OTHER_TEST"])


def test_no_byte_code_lies_beside_the_sources(tmp_path: Path) -> None:
    """The digest of the folder stays what it was after an import."""
    folder = _folder(tmp_path, 1)
    use_packages(folder)
    importlib.import_module("searched_one")
    assert ["searched_one.py"] == [path.name for path in folder.rglob("*")]


def test_a_module_that_is_loaded_from_elsewhere_is_refused(tmp_path: Path) -> None:
    """Python would go on with the other version, in silence."""
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "searched_one.py").write_text("__version__ = '0.9'\n")
    sys.path.insert(0, str(tmp_path / "other"))
    importlib.import_module("searched_one")
    with pytest.raises(JobLoadError, match=r"has loaded searched_one 0\.9 from .*other"):
        use_packages(_folder(tmp_path, 1))
    assert packages_folder() is None


def test_a_compiled_module_cannot_be_exchanged(tmp_path: Path) -> None:
    """It stays in the process: a job without it runs, and one with another version is refused."""
    first, second, third = (_folder(tmp_path, version) for version in (1, 2, 3))
    use_packages(first)
    compiled = type(sys)("searched_two")
    compiled.__file__ = str(first / f"searched_two{EXTENSION_SUFFIXES[0]}")
    for folder in (first, third):
        (folder / f"searched_two{EXTENSION_SUFFIXES[0]}").touch()
    sys.modules["searched_two"] = compiled
    for used in (None, second, first):
        use_packages(used)
        assert compiled is sys.modules["searched_two"]
    with pytest.raises(JobLoadError, match="has loaded searched_two from .*in a new process"):
        use_packages(third)
    assert packages_folder() is None


def test_top_levels_are_modules_and_packages(tmp_path: Path) -> None:
    """Metadata folders are not names that can be imported."""
    for name in (
        "a.py",
        f"b{EXTENSION_SUFFIXES[0]}",
        "c/__init__.py",
        "d-1.dist-info/RECORD",
    ):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.touch()
    assert {"a", "b", "c"} == search.top_levels(tmp_path)
