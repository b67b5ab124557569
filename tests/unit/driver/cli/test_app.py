"""The exit code and message of a command's error."""

from __future__ import annotations

from typing import NoReturn

import pytest

from driver.cli import app as module
from driver.cli.app import main
from mapreduce.errors import (
    DataError,
    FleetError,
    MapReduceError,
    NotWritten,
    StorageError,
    UsageError,
    UserCodeError,
)
from tests.unit.driver.cli.conftest import Command


def _raising(monkeypatch: pytest.MonkeyPatch, raised: BaseException) -> None:
    def broken(_: list[str]) -> NoReturn:
        raise raised

    monkeypatch.setattr(module, "app", broken)


@pytest.mark.parametrize(
    ("raised", "code"),
    [
        (UsageError("wrong"), 2),
        (FleetError("gone"), 3),
        (UserCodeError("raised"), 1),
        (DataError("damaged"), 1),
        (StorageError("down"), 1),
        (NotWritten("full"), 1),
        (KeyboardInterrupt(), 130),
    ],
)
def test_each_error_has_its_exit_code(
    command: Command, monkeypatch: pytest.MonkeyPatch, raised: BaseException, code: int
) -> None:
    """Each error has its exit code, and an error of ours is printed on standard error."""
    _raising(monkeypatch, raised)
    said = command()
    assert code == said.code
    assert not isinstance(raised, MapReduceError) or f"error: {raised}" in said.err
    assert "" == said.out


def test_an_error_of_a_job_shows_frames_place_and_record(
    command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An error of a job is printed with frames, place and record before the message."""
    raised = UserCodeError("it broke", traceback="File x\n", place="a at byte 3", record="'r'")
    _raising(monkeypatch, raised)
    lines = command().err.splitlines()
    assert ["File x", "in the record at a at byte 3", "record: 'r'", "error: it broke"] == lines[1:]


def test_main_ends_the_process_with_the_code(
    home: object, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """`main` makes the streams safe, and exits with the command's code."""
    made: list[int] = []
    monkeypatch.setattr(module, "make_safe", lambda: made.append(1))
    with pytest.raises(SystemExit) as ended:
        main(["clean"])
    assert ([1], 2) == (made, ended.value.code)
    assert "--all-runs" in capsys.readouterr().err
