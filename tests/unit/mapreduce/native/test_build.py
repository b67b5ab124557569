"""The extension's build: without warnings, and with one exported symbol."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from mapreduce import native
from mapreduce.native.build import STRICT, NotBuilt, build, compile_command, run
from mapreduce.native.sources import FLAGS

pytestmark = pytest.mark.skipif(
    native.extension is None, reason=f"the native extension is {native.why_not}"
)


def symbols(*options: str) -> list[tuple[str, str]]:
    """Return the type and name of each symbol of the extension, by nm(1)."""
    assert native.extension is not None
    done = subprocess.run(
        ["nm", *options, str(native.extension.__file__)], capture_output=True, text=True, check=True
    )
    return [(kind, name) for *_, kind, name in map(str.split, done.stdout.splitlines())]


def test_only_the_init_function_is_exported() -> None:
    """Only the init function is exported, so that no symbol conflicts with another library's."""
    assert [("T", "PyInit_extension")] == symbols("-D", "--defined-only")


def test_interpreters_share_no_variable() -> None:
    """The only static variables that are written are CPython's tables of definitions."""
    written = {
        name.partition(".")[0]
        for kind, name in symbols("--defined-only")
        if kind in "bBdD" and not name.startswith(("_", "completed."))
    }
    tables = re.compile("(.*_)?(methods|slots|getset|spec|definition|names|numbers)")
    assert [] == [name for name in written if not tables.fullmatch(name)]
    assert "definition" in written


def test_the_sources_compile_without_a_warning(tmp_path: Path) -> None:
    """The sources compile without warnings, which are errors only in this test."""
    run([*compile_command(STRICT), "-o", str(tmp_path / "built.so")], "the compiler failed")
    assert STRICT not in FLAGS


def test_a_failing_compiler_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    """A failing compiler raises NotBuilt with the cause, and keeps the built extension."""
    for compiler, said in (("false", "the compiler failed"), ("/no/such/cc", "cannot be run")):
        monkeypatch.setenv("CC", compiler)
        with pytest.raises(NotBuilt, match=said):
            build()
    assert native.extension is not None
    assert Path(str(native.extension.__file__)).is_file()
