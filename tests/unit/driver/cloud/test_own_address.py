"""This machine's address, and the command that admits it."""

from __future__ import annotations

import io
from collections.abc import Sequence

import pytest

from driver.cloud.own_address import (
    admission_remedy,
    admitting,
    own_address,
    why_closed,
    why_unreached,
)


@pytest.mark.parametrize(
    ("address", "allowed", "remedy"),
    [
        ("203.0.113.7", ["203.0.113.7/32"], "is in allowed_cidrs; does a firewall"),
        ("203.0.113.8", ["10.0.0.0/8", "203.0.113.0/24"], "is in allowed_cidrs; does a firewall"),
        (
            "198.51.100.9",
            ["10.0.0.0/8", "203.0.113.7/32"],
            "not in allowed_cidrs (10.0.0.0/8, 203.0.113.7/32); run: python -m driver doctor --fix",
        ),
        ("198.51.100.9", [], "(no address outside the VPC); run: python -m driver doctor --fix"),
        (None, ["203.0.113.7/32"], "(203.0.113.7/32)? to set it: python -m driver stack allow $("),
    ],
)
def test_the_remedy_is_a_command_for_this_machine(
    address: str | None, allowed: Sequence[str], remedy: str
) -> None:
    """An address that is not admitted has the command that admits it."""
    assert remedy in admission_remedy(address, allowed)


@pytest.mark.parametrize(
    ("allowed", "expected"),
    [
        (["203.0.113.7/32"], ("198.51.100.9/32",)),
        (["10.0.0.0/8", "203.0.113.7/32"], ("10.0.0.0/8", "198.51.100.9/32")),
        (["198.51.100.0/24", "203.0.113.7/32"], ("198.51.100.0/24", "203.0.113.7/32")),
        ([], ("198.51.100.9/32",)),
    ],
)
def test_an_address_replaces_single_addresses_and_widens_nothing(
    allowed: Sequence[str], expected: tuple[str, ...]
) -> None:
    """A changed address replaces single addresses, ranges stay, and nothing wider than it comes."""
    assert expected == admitting("198.51.100.9", allowed)


@pytest.mark.parametrize(
    ("count", "address", "expected"),
    [
        (5, None, ""),
        (5, "198.51.100.7", ""),
        (5, "203.0.113.9", "5 mappers run and none answers from this address, 203.0.113.9; the"),
        (1, "203.0.113.9", "the mapper does not answer from this address, 203.0.113.9; the stack"),
    ],
)
def test_only_a_foreign_address_is_a_certain_cause(
    count: int, address: str | None, expected: str
) -> None:
    """A known address that is not admitted is why no task answers; others are no certain cause."""
    why = why_unreached(count, "mapper", address, ["198.51.100.7/32"])
    assert why.startswith(expected)
    assert bool(expected) == ("admits 198.51.100.7/32; run: python -m driver doctor --fix" in why)


@pytest.mark.parametrize(
    ("kind", "allowed", "closed"),
    [
        ("public", (), True),
        ("public", ("203.0.113.7/32",), False),
        ("private", (), False),  # the VPC itself is admitted, and this machine may be in it
    ],
)
def test_a_closed_port_is_said_with_the_command_that_needs_none(
    kind: str, allowed: tuple[str, ...], *, closed: bool
) -> None:
    """Only a stack of public addresses without any range is certainly closed."""
    why = why_closed(kind, allowed)
    assert closed == bool(why)
    assert closed == ("python -m driver submit" in why and "stack allow" in why)


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
    assert own_address() == expected
