"""AWS with invented credentials and without a network."""

from __future__ import annotations

from pathlib import Path

import pytest

from driver.cloud.aws import Aws
from driver.cloud.stack import Stack
from tests.unit.driver.samples import STACK_VALUES


@pytest.fixture
def offline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Credentials in the environment, no profile, no instance metadata."""
    for name in ("AWS_PROFILE", "AWS_REGION", "AWS_DEFAULT_REGION", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, str(tmp_path / "none"))
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")


@pytest.fixture
def stack() -> Stack:
    """A stack like Terraform's outputs."""
    return Stack.model_validate(STACK_VALUES)


@pytest.fixture
def aws(offline: None) -> Aws:
    """AWS in one region."""
    return Aws("eu-central-1")
