"""Windows is refused before anything that fails there is imported."""

from __future__ import annotations

import sys

import pytest

from driver.__main__ import main
from mapreduce.system.supported import why_unsupported


@pytest.mark.parametrize(("platform", "word"), [("win32", "wsl --install"), ("cygwin", "Linux")])
def test_windows_is_sent_to_its_linux(platform: str, word: str) -> None:
    """The reason says what to use."""
    assert word in why_unsupported(platform)


@pytest.mark.parametrize("platform", ["linux", "darwin"])
def test_linux_and_macos_are_supported(platform: str) -> None:
    """Both run the package."""
    assert "" == why_unsupported(platform)


@pytest.fixture
def windows(monkeypatch: pytest.MonkeyPatch) -> None:
    """A fresh Windows: the package is not imported yet."""
    monkeypatch.setattr(sys, "platform", "win32")
    for name in [*sys.modules]:
        if name == "mapreduce" or name.startswith("mapreduce."):
            monkeypatch.delitem(sys.modules, name)


@pytest.mark.usefixtures("windows")
def test_an_import_says_it_at_once() -> None:
    """`import mapreduce` raises ImportError with the reason, and nothing else of it is loaded."""
    with pytest.raises(ImportError, match="Windows Subsystem for Linux"):
        __import__("mapreduce")
    assert "mapreduce.aggregate" not in sys.modules


@pytest.mark.usefixtures("windows")
def test_the_command_says_it_and_ends(capsys: pytest.CaptureFixture[str]) -> None:
    """The command prints one line, and exits with 2."""
    with pytest.raises(SystemExit) as ended:
        main()
    said = capsys.readouterr().err
    assert (2, 1) == (ended.value.code, said.count("\n"))
    assert said.startswith("error: ")
