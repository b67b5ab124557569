"""A container's credentials are fetched once, and renewed before they expire."""

from __future__ import annotations

import io
import json
import urllib.request
from datetime import UTC, datetime, timedelta
from typing import Any, NoReturn

import pytest

from services.stage.task.credentials import (
    ADDRESS,
    OWN_KEYS,
    RENEW_BEFORE,
    VARIABLE,
    ContainerCredentials,
    provider_of,
)

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def _known(ends: datetime, key: str = "a") -> dict[str, Any]:
    return {"access_key_id": key, "expires_at": ends.isoformat()}


def _unwanted() -> NoReturn:
    raise AssertionError


@pytest.fixture
def container(monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment of a task with a role."""
    monkeypatch.setenv(VARIABLE, "/v2/credentials/1")
    monkeypatch.delenv(OWN_KEYS, raising=False)


@pytest.mark.usefixtures("container")
def test_they_are_fetched_once_for_many_tasks() -> None:
    """Credentials are fetched once for many tasks, until shortly before they expire."""
    fetched: list[dict[str, Any]] = []
    clock = [NOW]

    def fetch() -> dict[str, Any]:
        fetched.append(_known(clock[0] + timedelta(hours=1), str(len(fetched))))
        return fetched[-1]

    held = ContainerCredentials(fetch, lambda: clock[0])
    first = held.current()
    clock[0] += timedelta(hours=1) - RENEW_BEFORE
    assert first is held.current()
    clock[0] += timedelta(seconds=1)
    assert [0, 1] == [int(each["access_key_id"]) for each in (first, held.current()) if each]


@pytest.mark.usefixtures("container")
@pytest.mark.parametrize("raised", [OSError("no route"), ValueError("no JSON"), KeyError("Token")])
def test_a_failed_fetch_gives_no_credentials(raised: Exception) -> None:
    """If the fetch fails there are no credentials, and the next task tries again."""
    failing = [True]

    def fetch() -> dict[str, Any]:
        if failing[0]:
            raise raised
        return _known(NOW + timedelta(hours=1))

    held = ContainerCredentials(fetch, lambda: NOW)
    assert held.current() is None
    failing[0] = False
    assert held.current() is not None


@pytest.mark.usefixtures("container")
@pytest.mark.parametrize("elsewhere", [True, False])
def test_where_there_is_no_role_nothing_is_fetched(
    monkeypatch: pytest.MonkeyPatch, *, elsewhere: bool
) -> None:
    """Without a role, or with keys in the environment, nothing is fetched."""
    if elsewhere:
        monkeypatch.delenv(VARIABLE)
    else:
        monkeypatch.setenv(OWN_KEYS, "key")
    assert ContainerCredentials(_unwanted).current() is None


@pytest.mark.usefixtures("container")
def test_a_task_gets_known_ones_and_new_ones_after_their_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A task gets the known credentials, and after their expiry new ones from the container's
    address.
    """
    asked: list[str] = []
    answer = {
        "AccessKeyId": "new",
        "SecretAccessKey": "s",
        "Token": "t",
        "Expiration": "2999-01-01T00:00:00Z",
    }

    def urlopen(url: str, timeout: float) -> io.BytesIO:
        asked.append(url)
        return io.BytesIO(json.dumps(answer).encode())

    monkeypatch.setattr(urllib.request, "urlopen", urlopen)
    fresh = provider_of(_known(datetime(2998, 1, 1, tzinfo=UTC)))
    ended = provider_of(_known(datetime(2020, 1, 1, tzinfo=UTC)))
    assert fresh is not None
    assert ended is not None
    assert "a" == fresh()["access_key_id"]
    assert [] == asked
    given = ended()
    assert {"access_key_id": "new", "secret_access_key": "s", "token": "t"} == {
        name: given[name] for name in ("access_key_id", "secret_access_key", "token")
    }
    assert datetime(2999, 1, 1, tzinfo=UTC) == given["expires_at"]
    assert [f"{ADDRESS}/v2/credentials/1"] == asked
    assert provider_of(None) is None
