"""The credentials with which this machine, and services on it, read S3."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from driver.targets.s3_access import (
    FOR_SERVICES,
    check_services_keys,
    services_find_keys,
    user_bucket,
)
from mapreduce.errors import UsageError


@pytest.fixture(autouse=True)
def without_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    """No credentials in the environment."""
    for name in (*FOR_SERVICES, "AWS_SKIP_SIGNATURE"):
        monkeypatch.delenv(name, raising=False)


def _signed_in(monkeypatch: pytest.MonkeyPatch, source: str) -> None:
    aws = SimpleNamespace(
        credentials_source=lambda: source,
        credential_provider=lambda: "provider",
        region="eu-west-1",
        copy_large="copies",
    )
    monkeypatch.setattr("driver.cloud.aws.Aws", lambda: aws)


def test_services_do_not_read_profiles(monkeypatch: pytest.MonkeyPatch) -> None:
    """A profile's keys are refused with the command that exports them; a machine's role is not."""
    _signed_in(monkeypatch, "shared-credentials-file")
    check_services_keys(["file:///x"])
    with pytest.raises(UsageError, match="aws configure export-credentials --format env"):
        check_services_keys(["file:///x", "s3://b/x"])
    _signed_in(monkeypatch, "iam-role")
    check_services_keys(["s3://b/x"])


@pytest.mark.parametrize("name", FOR_SERVICES)
def test_services_find_keys_in_the_environment(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each variable from which S3's client takes credentials is enough."""
    assert services_find_keys({name: "x"})
    assert not services_find_keys({name: ""})
    monkeypatch.setenv(name, "x")
    check_services_keys(["s3://b/x"])


def test_public_data_need_no_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    """Unsigned requests ask for no credentials."""
    opened: list[tuple[str, dict[str, object]]] = []
    monkeypatch.setattr(
        "mapreduce.storage.s3.open_s3", lambda bucket, **more: opened.append((bucket, more))
    )
    monkeypatch.setenv("AWS_SKIP_SIGNATURE", "true")
    user_bucket()("public")
    check_services_keys(["s3://public/x"])
    monkeypatch.setenv("AWS_SKIP_SIGNATURE", "false")
    _signed_in(monkeypatch, "sso")
    user_bucket()("mine")
    signed = {"credentials": "provider", "region": "eu-west-1", "copy_large": "copies"}
    assert [("public", {}), ("mine", signed)] == opened
