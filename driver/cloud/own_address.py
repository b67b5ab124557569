"""This machine's public address, and whether the stack admits it."""

from __future__ import annotations

import os
import urllib.request
from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network

from driver.program.command_name import COMMAND

OWN_ADDRESS_URL = "https://checkip.amazonaws.com"
FIX = f"{COMMAND} doctor --fix"


def own_address() -> str | None:
    """Return this machine's public IPv4 address, as AWS sees it; None when it is unknown.

    It is asked each time: a laptop changes its network while a run goes on.
    """
    if os.environ.get("AWS_ENDPOINT_URL"):
        return None  # AWS is an emulator: a public address means nothing to it
    try:
        with urllib.request.urlopen(OWN_ADDRESS_URL, timeout=5) as answer:
            return str(IPv4Address(answer.read(64).decode("ascii").strip()))
    except (OSError, ValueError):
        return None


def is_admitted(address: str, allowed: Sequence[str]) -> bool:
    """Return whether one of the ranges holds an address."""
    return any(IPv4Address(address) in IPv4Network(cidr) for cidr in allowed)


def admitting(address: str, allowed: Sequence[str]) -> tuple[str, ...]:
    """Return the ranges that admit an address too: an address that has changed is replaced.

    Ranges stay, and none is added: only the one address, as a /32.
    """
    if is_admitted(address, allowed):
        return tuple(allowed)
    ranges = tuple(cidr for cidr in allowed if IPv4Network(cidr).prefixlen < 32)
    return (*ranges, f"{address}/32")


def admission_remedy(address: str | None, allowed: Sequence[str]) -> str:
    """Return what to do when tasks do not answer: a command if the address is not admitted.

    Args:
        address: this machine's; None when it is unknown.
        allowed: the ranges that may call the services.
    """
    if address is None:
        return (
            f"is your address in allowed_cidrs ({_listed(allowed)})? to set it: "
            f"{COMMAND} stack allow $(curl -s {OWN_ADDRESS_URL})/32"
        )
    if is_admitted(address, allowed):
        return f"your address, {address}, is in allowed_cidrs; does a firewall block port 8080?"
    return f"your address, {address}, is not in allowed_cidrs ({_listed(allowed)}); run: {FIX}"


def why_unreached(count: int, role: str, address: str | None, allowed: Sequence[str]) -> str:
    """Return why no task answers this machine, if its address is the cause; else "".

    Args:
        count: how many tasks run.
        role: their role.
        address: this machine's; None when it is unknown.
        allowed: the ranges that may call the services.
    """
    if address is None or is_admitted(address, allowed):
        return ""
    tasks = f"{count} {role}s run and none answers" if count > 1 else f"the {role} does not answer"
    return (
        f"{tasks} from this address, {address}; the stack admits {_listed(allowed)}; run: {FIX}, "
        "then the same command again"
    )


def why_closed(address_kind: str, allowed: Sequence[str]) -> str:
    """Return why no machine outside the VPC reaches the services, if it is certain; else "".

    Args:
        address_kind: which address of a task this machine calls, public or private.
        allowed: the ranges that may call the services.
    """
    if address_kind != "public" or allowed:
        return ""
    return (
        "the stack admits no address outside the VPC, so a run has no way to its services from "
        f"here; start its driver in AWS: {COMMAND} submit INPUT, or admit this address: "
        f"{COMMAND} stack allow $(curl -s {OWN_ADDRESS_URL})/32"
    )


def _listed(allowed: Sequence[str]) -> str:
    return ", ".join(allowed) or "no address outside the VPC"
