"""The command line."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from examples.parameter_server import __main__, commands
from examples.parameter_server.core.spec import RunSpec, RunStatus


def _spec(*arguments: str) -> RunSpec:
    return commands._spec(commands._parser().parse_args(["train", *arguments]))


def test_the_defaults_are_those_of_a_run() -> None:
    """An option that is not given changes nothing."""
    assert RunSpec() == _spec()


def test_each_option_reaches_the_run() -> None:
    """Names with hyphens, and staleness as a number or none."""
    assert RunSpec(
        model="softmax", clocks=7, micro_batches=3, staleness=None, compression="topk:0.1"
    ) == _spec(
        *("--model", "softmax", "--clocks", "7", "--micro-batches", "3"),
        *("--staleness", "none", "--compression", "topk:0.1"),
    )
    assert not _spec("--no-backups").backups


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["train", "--staleness", "-1"], "write 0 (BSP)"),
        (["train", "--workers", "0"], "from 1 on"),
        (["train", "--clocks", "0"], "--clocks: "),
        (["train", "--model", "resnet"], "there is no model"),
        (["train", "--target", "aws"], "run ./deploy.sh --system parameter_server"),
        (["status", "--target", "aws"], "run ./deploy.sh --system parameter_server"),
        (["status"], "--store FOLDER"),
        (["train", "--store", "s3://bucket"], "is no folder"),
        (["train", "--address", "host:1"], "add --target aws"),
        (["train", "--target", "aws", "--workers", "2"], "--workers is of a laptop's runs"),
        (["train", "--target", "aws", "--store", "x"], "--store is of a laptop's runs"),
        (["train", "--target", "aws", "--log", "x"], "--log is of a laptop's runs"),
        (["train", "--store", "/etc/passwd"], "--store /etc/passwd cannot be used"),
        (["train", "--log", "/nope/x"], "--log /nope/x cannot be written"),
        (["train", "--staleness", "asp"], "none (ASP)"),
    ],
)
def test_a_wrong_command_exits_2_and_says_why(
    arguments: list[str],
    words: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Before any process is started."""
    monkeypatch.delenv("PS_SIGNING_KEY", raising=False)
    monkeypatch.setattr("examples.deployed._STATES", ())  # also where a stack is deployed
    try:
        code = commands.main(arguments)
    except SystemExit as stopped:
        code = int(stopped.code or 0)
    assert 2 == code
    assert words in capsys.readouterr().err


def test_the_status_of_a_folder_without_a_run_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """There is no server to ask."""
    assert 2 == commands.main(["status", "--store", str(tmp_path)])
    assert "is under way" in capsys.readouterr().err


def test_a_failed_run_exits_1(capsys: pytest.CaptureFixture[str]) -> None:
    """The reason is the last line; the document is there all the same."""
    status = RunStatus(state="failed", run="run-1", problem="diverged")
    assert 1 == commands._told(status, whole=False)
    told = capsys.readouterr()
    assert "failed: diverged\n" == told.err
    assert '"state": "failed"' in told.out


def test_progress_tells_changes_alone(capsys: pytest.CaptureFixture[str]) -> None:
    """Ten lines or so a run, and one at each change of its state."""
    tell = commands._Progress()
    spec = RunSpec(clocks=100)
    for version in range(101):
        tell(RunStatus(state="training", run="r", spec=spec, version=version))
    tell(RunStatus(state="training", run="r", spec=spec, version=100, problem="no worker"))
    lines = capsys.readouterr().err.splitlines()
    assert 12 == len(lines)
    assert lines[-1].endswith("[no worker]")


def test_a_short_key_is_refused_before_a_call(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The message says how to make one."""
    monkeypatch.setenv("PS_SIGNING_KEY", "short")
    assert 2 == commands.main(["status", "--target", "aws", "--address", "127.0.0.1:9"])
    assert "openssl rand" in capsys.readouterr().err


def test_a_package_that_is_missing_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """`make run` alone does not install the examples' packages."""
    monkeypatch.setitem(sys.modules, "examples.parameter_server.commands", None)
    monkeypatch.setattr(__main__, "pin", lambda: None)
    assert 2 == __main__._run()
    assert "run: make .venv/examples" in capsys.readouterr().err
