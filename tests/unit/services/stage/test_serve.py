"""The start and stop of a service, without a process, server or port."""

from __future__ import annotations

import os
import socket
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import uvicorn

from mapreduce.errors import UsageError
from services.healthcheck import address
from services.mapper.app import create_app
from services.shell.serve import DrainingServer, State
from services.shell.settings import NO_KEY
from services.stage import serve as module
from services.stage.serve import main, own_folder
from services.stage.settings import Settings
from services.stage.signing_key import DESCRIPTOR
from services.stage.workers.fork_server import ForkServer
from services.stage.workers.pool import WorkerPool

KEY = "k" * 32


@pytest.fixture
def environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A service's settings, and its scratch folder."""
    for name in [name for name in os.environ if name.startswith("MAPREDUCE_")]:
        monkeypatch.delenv(name)
    scratch = tmp_path / "scratch"
    for name, value in {"STORE": "file:///store", "SCRATCH": str(scratch), "PORT": "0"}.items():
        monkeypatch.setenv(f"MAPREDUCE_{name}", value)
    return scratch


def _key_pipe(monkeypatch: pytest.MonkeyPatch, key: str = KEY) -> int:
    """Open a pipe that contains a key, and name it in the environment."""
    reading, writing = os.pipe()
    os.write(writing, key.encode())
    os.close(writing)
    monkeypatch.setenv(DESCRIPTOR, str(reading))
    return reading


# -- settings --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"PORT": "many"}, "MAPREDUCE_PORT: "),
        ({"STORE": "nowhere"}, "MAPREDUCE_STORE: "),
        ({"PORT": "many", "SLOTS": "-1"}, "MAPREDUCE_SLOTS: "),
    ],
)
def test_a_wrong_setting_is_a_line_and_exit_2(
    environment: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    changes: dict[str, str],
    said: str,
) -> None:
    """Each wrong setting gives one line with its variable, and exit code 2."""
    for name, value in changes.items():
        monkeypatch.setenv(f"MAPREDUCE_{name}", value)
    with pytest.raises(SystemExit) as ended:
        main(create_app, "mapper")
    lines = capsys.readouterr().err.splitlines()
    assert (2, len(changes)) == (ended.value.code, len(lines))
    assert said in "\n".join(lines)


@pytest.mark.usefixtures("environment")
def test_a_service_without_a_key_does_not_start(capsys: pytest.CaptureFixture[str]) -> None:
    """A missing key gives exit code 2 and the name of its variable."""
    with pytest.raises(SystemExit) as ended:
        main(create_app, "mapper")
    assert (2, True) == (ended.value.code, "MAPREDUCE_SIGNING_KEY: " in capsys.readouterr().err)


def test_a_scratch_folder_that_others_may_write_to_is_refused(
    environment: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A scratch folder that other users may write to is refused, because they could replace a job's
    code.
    """
    environment.mkdir()
    environment.chmod(0o777)
    file = _key_pipe(monkeypatch)
    with pytest.raises(SystemExit):
        main(create_app, "mapper")
    os.close(file)
    assert "MAPREDUCE_SCRATCH: " in capsys.readouterr().err


def test_a_folder_is_made_for_this_user_alone(tmp_path: Path) -> None:
    """A new folder is only for this user; an existing one is unchanged, and a link to another
    user's refused.
    """
    own_folder(tmp_path / "deep" / "own")
    assert 0o700 == (tmp_path / "deep" / "own").stat().st_mode & 0o777
    own_folder(tmp_path / "deep" / "own")
    (tmp_path / "deep" / "own").chmod(0o770)
    with pytest.raises(UsageError, match="other users may write"):
        own_folder(tmp_path / "deep" / "own")


def test_a_folder_of_another_user_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another user's folder is refused with any permissions."""
    monkeypatch.setattr(os, "geteuid", lambda: tmp_path.stat().st_uid + 1)
    with pytest.raises(UsageError, match="other users may write"):
        own_folder(tmp_path)


# -- from start to end -----------------------------------------------------------------------------


class _Server:
    """A fake server."""

    def __init__(self) -> None:
        self.config: uvicorn.Config | None = None
        self.ports: list[Any] = []

    def run(self, server: DrainingServer, sockets: list[socket.socket]) -> None:
        """Record the listeners, and close them."""
        self.config = server.config
        for each in sockets:
            self.ports.append(each.getsockname())
            each.close()


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> _Server:
    """A service without forks, hidden memory and server."""
    made = _Server()
    monkeypatch.setattr(
        DrainingServer, "run", lambda self, sockets: made.run(self, sockets), raising=False
    )
    for name in ("adopt_orphans", "hide_from_others", "warm_engine"):
        monkeypatch.setattr(module, name, lambda: None)
    monkeypatch.setattr(module, "configure_logs", lambda *_: None)
    monkeypatch.setattr(module, "end_all_strays", lambda *_: True)
    monkeypatch.setattr(ForkServer, "fork", lambda _: SimpleNamespace())
    return made


def test_a_service_listens_and_takes_its_key_from_the_pipe(
    environment: Path, monkeypatch: pytest.MonkeyPatch, server: _Server
) -> None:
    """The app gets the key, and the workers' settings do not; the health check has a separate
    listener.
    """
    given: list[Settings] = []
    apps: list[Settings] = []
    monkeypatch.setattr(module, "worker_main", given.append)
    _key_pipe(monkeypatch)

    def create(settings: Settings, pool: WorkerPool, state: State) -> Any:
        apps.append(settings)
        return create_app(settings, pool, state)

    main(create, "mapper")
    assert [NO_KEY] == [settings.signing_key for settings in given]
    assert [KEY] == [settings.signing_key.get_secret_value() for settings in apps]
    (host, port), health = server.ports
    assert "127.0.0.1" == host
    assert address(port).encode() == health
    assert DESCRIPTOR not in os.environ


@pytest.mark.usefixtures("environment", "server")
def test_a_key_that_is_too_short_is_refused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A short key is refused when it is read, after the fork."""
    _key_pipe(monkeypatch, "short")
    listening = socket.create_server(("127.0.0.1", 0))
    monkeypatch.setattr(socket, "create_server", lambda *_, **__: listening)
    with pytest.raises(SystemExit) as ended:
        main(create_app, "mapper")
    listening.close()
    said = capsys.readouterr().err
    assert (2, True) == (ended.value.code, "MAPREDUCE_SIGNING_KEY: " in said)
    assert "short" not in said


@pytest.mark.usefixtures("environment", "server")
def test_a_service_of_a_local_fleet_ends_with_its_lifeline(monkeypatch: pytest.MonkeyPatch) -> None:
    """A service ends at once when the other end of its lifeline closes."""
    ended: list[int] = []
    monkeypatch.setattr(os, "_exit", ended.append)
    monkeypatch.setattr(
        "threading.Thread",
        lambda target, args, daemon: SimpleNamespace(start=lambda: target(*args)),
    )
    reading, writing = os.pipe()
    os.close(writing)
    settings = Settings(store="file:///store", signing_key=KEY)
    listening = socket.create_server(("127.0.0.1", 0))
    module.serve(create_app, "mapper", settings, listening, lifeline=reading)
    os.close(reading)
    assert [1] == ended


def test_modules_are_loaded_before_a_fork(monkeypatch: pytest.MonkeyPatch) -> None:
    """The modules of a service are loaded, and the engine warmed once, before a fork."""
    warmed: list[int] = []
    monkeypatch.setattr(module, "warm_engine", lambda: warmed.append(1))
    monkeypatch.setattr(module, "import_module", warmed.append)
    module.preload(create_app)
    assert ["mapreduce.storage.local", 1] == warmed
