"""A container's credentials, fetched once for many tasks.

Each task has its own process, and the address of the credentials limits the rate of requests.
"""

from __future__ import annotations

import json
import os
import urllib.request
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

ADDRESS = "http://169.254.170.2"
VARIABLE = "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"
"""ECS sets it in a task that has a role."""
OWN_KEYS = "AWS_ACCESS_KEY_ID"
RENEW_BEFORE = timedelta(minutes=10)
TIMEOUT_S = 5.0


class ContainerCredentials:
    """The credentials of a task role, renewed before they expire.

    Args:
        fetch: requests them from the container's address.
        now: returns the time.
    """

    def __init__(
        self,
        fetch: Callable[[], dict[str, Any]] | None = None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._fetch = fetch or _fetch
        self._now = now
        self._known: dict[str, Any] | None = None

    def current(self) -> dict[str, Any] | None:
        """Return credentials for a task; None if the store's client finds its own, or must try
        itself.
        """
        if VARIABLE not in os.environ or OWN_KEYS in os.environ:
            return None
        if self._known is None or _ends(self._known) - self._now() < RENEW_BEFORE:
            try:
                self._known = self._fetch()
            except (OSError, ValueError, KeyError):
                # the task's client then asks by itself, and reports the error if that fails too
                self._known = None
        return self._known


def provider_of(known: dict[str, Any] | None) -> Callable[[], Any] | None:
    """Return the credential provider for the store's client: the known ones, and new ones after
    expiry.
    """
    if known is None:
        return None
    held = ContainerCredentials()
    held._known = known

    def provide() -> dict[str, Any]:
        found = held.current() or _fetch()
        return found | {"expires_at": _ends(found)}

    return provide


def _ends(known: dict[str, Any]) -> datetime:
    return datetime.fromisoformat(known["expires_at"])


def _fetch() -> dict[str, Any]:
    with urllib.request.urlopen(ADDRESS + os.environ[VARIABLE], timeout=TIMEOUT_S) as answer:
        found = json.load(answer)
    return {
        "access_key_id": found["AccessKeyId"],
        "secret_access_key": found["SecretAccessKey"],
        "token": found["Token"],
        "expires_at": found["Expiration"],
    }
