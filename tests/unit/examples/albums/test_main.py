"""The commands of the album service."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Any

import pytest

from examples.albums import addresses, laptop, load
from examples.albums.__main__ import main
from examples.albums.addresses import Deployed
from examples.albums.load import Tally
from mapreduce.errors import FleetError

STACK = Deployed.model_validate(
    {"region": "r", "cluster": "c", "services": {}, "load_balancer_url": None}
)


@pytest.fixture
def found(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A deployed stack whose addresses a test can change."""
    urls = ["http://a:8080", "http://b:8080"]
    monkeypatch.setattr(addresses, "deployed", lambda _: STACK)
    monkeypatch.setattr(addresses, "look_up", lambda _: lambda: urls)
    return urls


def test_urls_prints_a_line_for_each_task(
    found: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """Each line can be given to curl."""
    assert main(["urls"]) == 0
    assert capsys.readouterr().out == "http://a:8080/albums\nhttp://b:8080/albums\n"
    found.clear()
    assert main(["urls"]) == 1
    assert "terraform -chdir=examples/albums/terraform apply" in capsys.readouterr().err


@pytest.mark.parametrize(("total", "code"), [(Tally(answered=9), 0), (Tally(9, 1, 1, 0), 1)])
def test_load_says_what_was_lost(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], total: Tally, code: int
) -> None:
    """The exit code says whether a request was lost."""
    given: dict[str, Any] = {}

    def loaded(look: Any, keep_on: Any, *, clients: int, pause_s: float) -> Tally:
        assert pause_s == 0
        given.update(urls=look(), clients=clients, more=[keep_on(2), keep_on(3)])
        return total

    monkeypatch.setattr(load, "load", loaded)
    assert (
        main(["load", "--urls", "http://a:1/albums", "--requests", "3", "--clients", "5"]) == code
    )
    assert given == {"urls": ["http://a:1"], "clients": 5, "more": [True, False]}
    assert str(total) in capsys.readouterr().out


def test_load_finds_the_stack_by_itself(monkeypatch: pytest.MonkeyPatch, found: list[str]) -> None:
    """Without addresses, those of the deployed stack are used, and followed."""
    seen: list[Any] = []

    def loaded(look: Any, *_: object, **__: object) -> Tally:
        seen.append(look())
        return Tally()

    monkeypatch.setattr(load, "load", loaded)
    assert main(["load"]) == 0
    assert seen == [found]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["load", "--urls", "a:1"], "write http://HOST:PORT"),
        (["load", "--urls", "http://a:1", "--clients", "0"], "--clients 1 to 1000"),
        (["load", "--urls", "http://a:1", "--clients", "1001"], "--clients 1 to 1000"),
        (["load", "--urls", "http://a:1", "--requests", "0"], "at least 1"),
        (["load", "--urls", "http://a:1", "--pause", "-1"], "--pause not below 0"),
        (["load", "--urls", "http://a:1", "--pause", "nan"], "--pause not below 0"),
        (["--tasks", "0"], "run 1 to 50 tasks"),
        (["--port", "65536"], "choose 1 to 65535"),
        (["--port", "65534", "--tasks", "3"], "choose 1 to 65533"),
        (["--port", "-1"], "or 0 for any free ones"),
        (["--store", "/dev/null/x"], "cannot be used as a store"),
    ],
)
def test_a_wrong_option_is_one_line(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """A wrong option is an error with its next step, and no traceback."""
    assert main(arguments) == 2
    line = capsys.readouterr().err
    assert line.startswith("error: ")
    assert said in line
    assert line.count("\n") == 1


def test_a_wrong_variable_is_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """On a laptop too, a setting that cannot be read is named, and no task starts."""
    monkeypatch.setenv("ALBUMS_DRAIN_S", "x")
    with pytest.raises(SystemExit, match="2"):
        main(["--port", "0"])
    assert capsys.readouterr().err.startswith("ALBUMS_DRAIN_S: Input should be a valid number")


def test_a_failure_of_aws_has_its_exit_code(
    monkeypatch: pytest.MonkeyPatch, found: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """An error of the tree ends the command with the error's exit code."""

    def refuse(_: Deployed) -> Any:
        raise FleetError("AWS refuses")

    assert found
    monkeypatch.setattr(addresses, "look_up", refuse)
    assert main(["urls"]) == FleetError.exit_code
    assert capsys.readouterr().err == "error: AWS refuses\n"


def test_a_taken_port_names_the_option(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The message of a port in use says how to choose another, and nothing is left."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert main(["--port", str(port), "--store", str(tmp_path)]) == 2
    assert "--port 0 for any free ones" in capsys.readouterr().err


def test_ctrl_c_is_no_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C before the tasks run ends the command as a shell expects."""

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(laptop, "run_tasks", interrupted)
    assert main([]) == 130
