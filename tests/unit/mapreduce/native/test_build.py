"""How the extension is built: without a warning, and with one symbol for the world."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from mapreduce import native
from mapreduce.native.build import FLAGS, STRICT, NotBuilt, build, compile_command, run

pytestmark = pytest.mark.skipif(
    native.extension is None, reason=f"the native extension is {native.why_not}"
)


def symbols(*options: str) -> list[tuple[str, str]]:
    """The type and name of each symbol of the extension, as nm(1) lists them."""
    assert native.extension is not None
    done = subprocess.run(
        ["nm", *options, str(native.extension.__file__)], capture_output=True, text=True, check=True
    )
    return [(kind, name) for *_, kind, name in map(str.split, done.stdout.splitlines())]


def test_only_the_init_function_is_exported() -> None:
    """No function of another library can take the place of one of ours, and none of ours the place
    of another's.
    """
    assert [("T", "PyInit_extension")] == symbols("-D", "--defined-only")


def test_interpreters_share_no_variable() -> None:
    """Nothing static is written but the tables that CPython fills in before they are read."""
    written = {
        name.partition(".")[0]
        for kind, name in symbols("--defined-only")
        if kind in "bBdD" and not name.startswith(("_", "completed."))
    }
    tables = re.compile("(.*_)?(methods|slots|getset|spec|definition|names|numbers)")
    assert [] == [name for name in written if not tables.fullmatch(name)]
    assert "definition" in written


def test_the_sources_compile_without_a_warning(tmp_path: Path) -> None:
    """Warnings are errors here, and not in a user's build."""
    run([*compile_command(STRICT), "-o", str(tmp_path / "built.so")], "the compiler failed")
    assert STRICT not in FLAGS


def test_a_compiler_that_fails_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """The error says what failed, and leaves the built extension in its place."""
    for compiler, said in (("false", "the compiler failed"), ("/no/such/cc", "cannot be run")):
        monkeypatch.setenv("CC", compiler)
        with pytest.raises(NotBuilt, match=said):
            build()
    assert native.extension is not None
    assert Path(str(native.extension.__file__)).is_file()
