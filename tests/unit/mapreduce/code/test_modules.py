"""Which modules belong to a job's code: all that it imports, except packages and the program's."""

from __future__ import annotations

import importlib
import re
import sys
from importlib import metadata
from pathlib import Path

import pytest

from mapreduce.code import JobSource, Modules, find_job
from mapreduce.code.modules import imports_of, loaded_modules
from mapreduce.code.reserved import LIBRARIES, is_reserved
from mapreduce.errors import JobLoadError

ROOT = Path(__file__).resolve().parents[4]
JOB = (
    "from mapreduce import Count, Job\n\n\nclass Mine(Job):\n    reduce = Count()\n\n    def "
    "map(self, key, value):\n"
)


def write(folder: Path, **files: str) -> None:
    """Write source files; two underscores in a name stand for a slash."""
    for name, text in files.items():
        path = folder / (name.replace("__", "/") + ".py")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def modules(folder: Path, before: str, body: str = "        yield value, 1\n") -> Modules:
    """Return the modules of a job in a separate folder."""
    write(folder / "job", mine=before + JOB + body)
    return find_job(str(folder / "job/mine.py"))[0].modules()


def test_modules_beside_the_job_and_below_it(tmp_path: Path) -> None:
    """A helper, its helper, a package, and an import in a method are found."""
    write(tmp_path / "job", helper="import deep", deep="", pack__init="", late="")
    (tmp_path / "job/pack/__init__.py").write_text("from . import inner\n")
    write(tmp_path / "job", pack__inner="")
    found = modules(
        tmp_path, "import helper\nimport pack\n", "        import late\n        yield value, 1\n"
    )
    assert {
        "mine.py",
        "helper.py",
        "deep.py",
        "pack/__init__.py",
        "pack/inner.py",
        "late.py",
    } == set(found.files)
    assert not found.packages


def test_modules_on_the_module_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A module on PYTHONPATH is packed, with its imports."""
    write(tmp_path / "lib", factor="import basis\n", basis="", kit__tools="")
    (tmp_path / "lib/kit/__init__.py").write_text("")
    monkeypatch.syspath_prepend(str(tmp_path / "lib"))
    found = modules(tmp_path, "import factor\nfrom kit import tools\n")
    assert {"mine.py", "factor.py", "basis.py", "kit/__init__.py", "kit/tools.py"} == set(
        found.files
    )


def test_imports_by_call(tmp_path: Path) -> None:
    """A module that a call imports by a constant name is found; one with a computed name after its
    import.
    """
    write(tmp_path / "job", by_call="", by_dunder="", computed="")
    body = (
        "        importlib.import_module('by_call'), "
        "__import__('by_dunder')\n        yield value, 1\n"
    )
    found = modules(tmp_path, "import importlib\n", body)
    assert {"mine.py", "by_call.py", "by_dunder.py"} == set(found.files)
    importlib.import_module("computed")
    assert ("computed",) == loaded_modules(["computed", "json", "mapreduce.job"])
    assert "computed" not in found.names()


def test_installed_packages(tmp_path: Path) -> None:
    """An installed package is named with its requirements, and not packed."""
    found = modules(tmp_path, "import hypothesis\nimport json\n")
    assert {"mine.py"} == set(found.files)
    assert frozenset(("hypothesis",)) == found.packages
    assert {"mine", "hypothesis", "sortedcontainers"} <= set(found.names())


def test_a_loose_file_among_installed_packages(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file among installed packages that no installer has written is packed."""
    write(tmp_path / "site-packages", loose="", installed="")
    record = tmp_path / "site-packages/installed-1.dist-info"
    record.mkdir()
    (record / "METADATA").write_text("Metadata-Version: 2.1\nName: installed\nVersion: 1\n")
    (record / "RECORD").write_text("installed.py,,\n")
    monkeypatch.syspath_prepend(str(tmp_path / "site-packages"))
    monkeypatch.setattr("mapreduce.code.modules._distributions", _uncached)
    found = modules(tmp_path, "import loose, installed\n")
    assert {"mine.py", "loose.py"} == set(found.files)
    assert frozenset(("installed",)) == found.packages


def _uncached() -> dict[str, list[metadata.Distribution]]:
    names = metadata.packages_distributions()
    return {
        top: [metadata.distribution(name) for name in dict.fromkeys(found)]
        for top, found in names.items()
    }


@pytest.mark.parametrize("name", ["random", "json", "regex", "pydantic"])
def test_a_module_under_a_name_that_is_not_free(tmp_path: Path, name: str) -> None:
    """A file beside the job with the name of a library is refused, because the job would import the
    library.
    """
    write(tmp_path / "job", **{name: "x = 1"})
    with pytest.raises(
        JobLoadError, match=rf"imports {name}, and .*{name}.py lies beside it.*rename it"
    ):
        modules(tmp_path, f"import {name}\n")


@pytest.mark.parametrize("name", ["jobs", "driver", "services", "random", "conftest"])
def test_files_beside_the_job_that_it_does_not_import(tmp_path: Path, name: str) -> None:
    """A file beside the job that it does not import may have any name."""
    write(tmp_path / "job", **{name: "raise AssertionError('imported')"})
    assert {"mine.py"} == set(modules(tmp_path, "import json\n").files)
    assert "x" not in vars(importlib.import_module("random"))


def test_a_library_installed_beside_the_job(tmp_path: Path) -> None:
    """Libraries of ours beside the job, from `pip install --target`, are ignored."""
    write(tmp_path / "job", six="raise AssertionError('imported')")
    record = tmp_path / "job/six-1.dist-info"
    record.mkdir()
    (record / "RECORD").write_text("six.py,sha256=x,1\n")
    assert {"mine.py"} == set(modules(tmp_path, "import six\n").files)


def test_compiled_modules_travel_with_their_sources(tmp_path: Path) -> None:
    """A compiled module beside the job is packed, so that a task does not use its slow version
    instead.
    """
    suffix = importlib.machinery.EXTENSION_SUFFIXES[0]
    write(tmp_path / "job", fast="")
    (tmp_path / f"job/fast{suffix}").write_bytes(b"not loaded here")
    source = JobSource(tmp_path / "job", "mine", "Mine")
    write(tmp_path / "job", mine="def f():\n    import fast\n" + JOB + "        yield value, 1\n")
    assert {"mine.py", "fast.py", f"fast{suffix}"} == set(source.modules().files)


def test_relative_imports(tmp_path: Path) -> None:
    """Relative imports become absolute names."""
    write(tmp_path, a__b__c="from . import d\nfrom .e import f\nfrom .. import g\nimport h.i\n")
    found = set(imports_of(tmp_path / "a/b/c.py", tmp_path))
    assert {"a.b", "a.b.d", "a.b.e", "a.b.e.f", "a", "a.g", "h.i"} == found


def test_a_helper_that_cannot_be_parsed(tmp_path: Path) -> None:
    """A file that cannot be parsed is packed unchanged."""
    write(tmp_path / "job", old="print 'two'\n")
    found = modules(tmp_path, "try:\n    import old\nexcept SyntaxError:\n    pass\n")
    assert {"mine.py", "old.py"} == set(found.files)


def test_the_reserved_names_are_those_of_our_libraries() -> None:
    """The reserved names are the import names of all packages in the requirement files."""
    wanted = set()
    for name in ("driver", "services"):
        text = (ROOT / f"requirements/{name}.txt").read_text()
        wanted |= {
            _normal(found) for found in re.findall(r"^([A-Za-z0-9_.-]+)==", text, re.MULTILINE)
        }
    provided = {
        top
        for top, distributions in metadata.packages_distributions().items()
        if any(_normal(each) in wanted for each in distributions)
        and top.isidentifier()  # stubs have a hyphen
        and top != "__pycache__"
    }
    assert set() == provided - LIBRARIES
    assert all(map(is_reserved, ["json", "mapreduce", "driver", "duckdb", *provided]))
    assert not any(map(is_reserved, ["jobs", "numpy", "helpers"]))


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def test_nothing_of_the_job_hides_a_module_of_the_program(tmp_path: Path) -> None:
    """After a job was found, a library that is imported later is still the library."""
    write(
        tmp_path / "job",
        duckdb="raise AssertionError('taken')",
        xml="raise AssertionError('taken')",
    )
    modules(tmp_path, "")
    for name in ("duckdb", "xml"):
        sys.modules.pop(name, None)
        assert str(tmp_path) not in str(importlib.import_module(name).__file__)
