"""This machine's public address, and whether the stack admits it."""

from __future__ import annotations

import os
import urllib.request
from collections.abc import Sequence
from functools import cache
from ipaddress import IPv4Address, IPv4Network

OWN_ADDRESS_URL = "https://checkip.amazonaws.com"


@cache
def own_address() -> str | None:
    """Return this machine's public IPv4 address, as AWS sees it; None when it is unknown.

    It is asked once in a process.
    """
    if os.environ.get("AWS_ENDPOINT_URL"):
        return None  # AWS is an emulator: a public address means nothing to it
    try:
        with urllib.request.urlopen(OWN_ADDRESS_URL, timeout=5) as answer:
            return str(IPv4Address(answer.read(64).decode("ascii").strip()))
    except (OSError, ValueError):
        return None


def admission_remedy(address: str | None, allowed: Sequence[str]) -> str:
    """Return what to do when tasks do not answer: a command if the address is not admitted.

    Args:
        address: this machine's; None when it is unknown.
        allowed: the ranges that may call the services.
    """
    if address is None:
        return (
            f"is your address in allowed_cidrs ({', '.join(allowed) or 'empty'})? to set it: "
            f"./deploy.sh --allow $(curl -s {OWN_ADDRESS_URL})/32"
        )
    networks = [IPv4Network(cidr) for cidr in allowed]
    if any(IPv4Address(address) in network for network in networks):
        return f"your address, {address}, is in allowed_cidrs; does a firewall block port 8080?"
    seen = ", ".join(map(str, networks)) or "empty"
    # an address that has changed is replaced, ranges stay
    kept = [f"--allow {network}" for network in networks if network.prefixlen < 32]
    command = " ".join(["./deploy.sh", *kept, f"--allow {address}/32"])
    return f"your address, {address}, is not in allowed_cidrs ({seen}): {command}"
