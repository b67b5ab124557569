"""No stack, invented credentials, and AWS clients with one answer."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest


@pytest.fixture(autouse=True)
def nothing_deployed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No stack, and invented credentials."""
    monkeypatch.setenv("MAPREDUCE_TERRAFORM", str(tmp_path))
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    for name in ("AWS_PROFILE", "AWS_REGION", "AWS_DEFAULT_REGION"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setattr("driver.cloud.own_address.own_address", lambda: "198.51.100.9")


class Answers:
    """An AWS client that gives the same answer to every call."""

    def __init__(self, answer: Any) -> None:
        self._answer = answer

    def __getattr__(self, name: str) -> Any:
        def call(**_: Any) -> Any:
            if isinstance(self._answer, Exception):
                raise self._answer
            return self._answer

        return call


IDENTITY = Answers({"Account": "1", "Arn": "arn:aws:iam::1:user/me"})


def aws_with(**clients: Any) -> Any:
    """Return an AWS session with these clients."""
    return SimpleNamespace(region="eu-central-1", **clients)
