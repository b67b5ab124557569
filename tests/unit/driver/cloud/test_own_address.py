"""This machine's address, and the command that admits it."""

from __future__ import annotations

import io
from collections.abc import Sequence

import pytest

from driver.cloud.own_address import admission_remedy, own_address


@pytest.mark.parametrize(
    ("address", "allowed", "remedy"),
    [
        ("203.0.113.7", ["203.0.113.7/32"], "is in allowed_cidrs; does a firewall"),
        ("203.0.113.8", ["10.0.0.0/8", "203.0.113.0/24"], "is in allowed_cidrs; does a firewall"),
        (
            "198.51.100.9",
            ["203.0.113.7/32"],
            "not in allowed_cidrs (203.0.113.7/32): ./deploy.sh --allow 198.51.100.9/32",
        ),
        (
            "198.51.100.9",
            ["10.0.0.0/8", "203.0.113.7/32"],
            ": ./deploy.sh --allow 10.0.0.0/8 --allow 198.51.100.9/32",
        ),
        ("198.51.100.9", [], "(empty): ./deploy.sh --allow 198.51.100.9/32"),
        (None, ["203.0.113.7/32"], "(203.0.113.7/32)? to set it: ./deploy.sh --allow $(curl"),
    ],
)
def test_the_remedy_is_a_command_for_this_machine(
    address: str | None, allowed: Sequence[str], remedy: str
) -> None:
    """An address that is not admitted has the command that admits it: it replaces single addresses
    and keeps ranges.
    """
    assert remedy in admission_remedy(address, allowed)


@pytest.mark.parametrize(
    ("answer", "expected"),
    [(b"192.0.2.5\n", "192.0.2.5"), (b"<html>sign in", None), (b"\xff", None), (b"::1", None)],
)
def test_only_an_address_is_an_address(
    monkeypatch: pytest.MonkeyPatch, answer: bytes, expected: str | None
) -> None:
    """An answer that is no IPv4 address, as of a portal, means that the address is unknown."""
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    monkeypatch.setattr("urllib.request.urlopen", lambda *_, **__: io.BytesIO(answer))
    own_address.cache_clear()
    assert own_address() == expected
    own_address.cache_clear()
