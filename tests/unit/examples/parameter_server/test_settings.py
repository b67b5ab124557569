"""Settings from the environment."""

from __future__ import annotations

import pytest

from examples.parameter_server.settings import ServerSettings, Settings, addresses
from services.shell.settings import settings_or_exit

KEY = "k" * 32


def test_the_variables_of_the_source(monkeypatch: pytest.MonkeyPatch) -> None:
    """SERVER_PORT, TOTAL_WORKERS_EXPECTED and PARAMETER_SERVER_ADDRESS, without a prefix."""
    monkeypatch.setenv("PS_SIGNING_KEY", KEY)
    monkeypatch.setenv("PS_STORE", "s3://bucket")
    monkeypatch.setenv("SERVER_PORT", "9000")
    monkeypatch.setenv("TOTAL_WORKERS_EXPECTED", "16")
    monkeypatch.setenv("PARAMETER_SERVER_ADDRESS", "a.local:8000, b.local:8001")
    found = settings_or_exit(ServerSettings)
    assert (9000, 16) == (found.server_port, found.total_workers_expected)
    assert ("a.local:8000", "b.local:8001") == found.servers


def test_a_wrong_variable_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A line for each, with the variable as it is set, and exit 2."""
    monkeypatch.setenv("PS_SIGNING_KEY", "short")
    monkeypatch.setenv("PARAMETER_SERVER_ADDRESS", "nowhere")
    with pytest.raises(SystemExit) as stopped:
        settings_or_exit(Settings)
    assert 2 == stopped.value.code
    told = capsys.readouterr().err.splitlines()
    assert sorted(line.split(":")[0] for line in told) == [
        "PARAMETER_SERVER_ADDRESS",
        "PS_SIGNING_KEY",
    ]


@pytest.mark.parametrize(
    "text", ["", "host", "host:", ":80", "host:0", "host:65536", "a:1,", "a:x"]
)
def test_what_is_no_address_is_refused(text: str) -> None:
    """An address has a host and a port."""
    with pytest.raises(ValueError, match="is no address"):
        addresses(text)


def test_a_server_is_one_of_those_that_are_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A number without an address is a wrong variable."""
    monkeypatch.setenv("PS_SIGNING_KEY", KEY)
    monkeypatch.setenv("PS_STORE", "s3://bucket")
    monkeypatch.setenv("PARAMETER_SERVER_ADDRESS", "a:1,b:1")
    monkeypatch.setenv("PS_SHARD", "2")
    with pytest.raises(SystemExit):
        settings_or_exit(ServerSettings)
    assert "PS_SHARD: " in capsys.readouterr().err
    monkeypatch.setenv("PS_SHARD", "1")
    assert 1 == settings_or_exit(ServerSettings).shard
