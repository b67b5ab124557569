"""The requests to pip, and our errors for its own."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from driver.packages import pip
from driver.packages.platforms import Platform, here, of_images
from mapreduce.errors import JobLoadError
from tests.wheels import make_wheel

Run = Callable[..., subprocess.CompletedProcess[str]]


def _pip(monkeypatch: pytest.MonkeyPatch, run: Run) -> list[list[str]]:
    """Replace the process of pip; return the commands that it would have run."""
    commands: list[list[str]] = []

    def called(command: list[str], **options: Any) -> subprocess.CompletedProcess[str]:
        commands.append(command)
        return run(command, **options)

    monkeypatch.setattr(subprocess, "run", called)
    return commands


def _done(stderr: str = "", code: int = 0) -> subprocess.CompletedProcess[str]:
    return subprocess.CompletedProcess([], code, "", stderr)


def _folder_of(command: list[str]) -> Path:
    return Path(command[command.index("--dest") + 1])


def test_pip_is_asked_for_wheels_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The command names no index, builds nothing, and ends its options before the requirements."""
    commands = _pip(monkeypatch, lambda _command, **_: _done())
    file = tmp_path / "more.txt"
    pip.downloaded(["a>=1"], file, of_images("ARM64"), ["b==2"], tmp_path)
    (command,) = commands
    assert ["-P", "-m", "pip", "download", "--only-binary=:all:"] == command[1:6]
    assert "manylinux2014_aarch64" in command and "3.11" in command
    assert str(file) == command[command.index("--requirement") + 1]
    assert ["--", "a>=1"] == command[-2:]
    assert not [each for each in command if "index" in each]


@pytest.mark.parametrize(
    ("said", "message"),
    [
        (
            "ERROR: Could not find a version that satisfies the requirement odd==1 (from versions: "
            "none)\nERROR: No matching distribution found for odd==1\n",
            "no wheel of odd==1 for cp311-linux-arm64: check the name. Only wheels are used",
        ),
        (
            "ERROR: No matching distribution found for pydantic==1.0 (from x)\n",
            "the job requires pydantic==1.0, and the services bring pydantic==2.1",
        ),
        (
            "ERROR: Cannot install\n\nThe conflict is caused by:\n"
            "    The user requested pydantic<2\n    The user requested (constraint) pydantic==2.1\n"
            "ERROR: ResolutionImpossible: for help\n",
            "the services bring pydantic==2.1, which cannot be replaced",
        ),
        ("WARNING: x\nERROR: Invalid requirement: 'a b'\n", "pip could not resolve"),
    ],
)
def test_errors_of_pip_say_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: str, message: str
) -> None:
    """No wheel, a library of ours, a conflict and a wrong requirement have each its message."""
    _pip(monkeypatch, lambda _command, **_: _done(said, 1))
    with pytest.raises(JobLoadError) as raised:
        pip.downloaded(["a"], None, of_images("ARM64"), ["pydantic==2.1"], tmp_path)
    assert message in str(raised.value)


def test_an_interpreter_without_pip_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Environments of uv and pipx have no pip; the message has a command for each."""
    monkeypatch.setattr(pip, "find_spec", lambda _: None)
    with pytest.raises(JobLoadError, match="uv pip install pip.*pipx inject"):
        pip.downloaded(["a"], None, here(), [], tmp_path)


def test_markers_are_read_for_the_other_platform(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What pip leaves out because of this interpreter is requested in the next round."""
    target = Platform(
        "cp311-plan9-arm64",
        ("--platform", "plan9"),
        {"ours": "1"},
        {"sys_platform": "plan9", "extra": ""},
    )
    requires = [
        "b>=2; sys_platform == 'plan9'",
        "c; sys_platform == 'win32'",
        "ours; sys_platform == 'plan9'",
        "d; extra == 'more'",
    ]

    def run(command: list[str], **_: Any) -> subprocess.CompletedProcess[str]:
        folder = _folder_of(command)
        make_wheel(folder, "a", requires=requires)
        for text in command[command.index("--") + 1 :]:
            if text != "a[more]":
                make_wheel(folder, text.partition(">")[0])
        return _done()

    commands = _pip(monkeypatch, run)
    found = pip.downloaded(["a[more]"], None, target, [], tmp_path)
    assert ["a", "b", "d"] == [path.name.partition("-")[0] for path in found]
    assert {"b>=2", "d"} == set(commands[-1][commands[-1].index("--") + 2 :])


def test_metadata_of_a_wheel(tmp_path: Path) -> None:
    """Name, version and requirements are read from the wheel; another file is refused."""
    path = make_wheel(tmp_path, "a", "2.5", requires=["b>1", "c"])
    assert ("a", "2.5", ["b>1", "c"]) == pip.metadata_of(path)
    path.write_bytes(b"none")
    with pytest.raises(JobLoadError, match="not a valid wheel"):
        pip.metadata_of(path)
