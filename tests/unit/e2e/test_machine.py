"""The decisions of `make e2e` about its machine."""

from __future__ import annotations

import socket
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.e2e import __main__ as e2e
from tests.e2e.machine import bridge_address, bridge_choice

INTERFACES = {
    "lo": [SimpleNamespace(family=socket.AF_INET, address="127.0.0.1")],
    "docker0": [
        SimpleNamespace(family=socket.AF_PACKET, address="02:42:00:00:00:01"),
        SimpleNamespace(family=socket.AF_INET6, address="fe80::1%docker0"),
        SimpleNamespace(family=socket.AF_INET, address="172.17.0.1"),
    ],
    "br-own": [SimpleNamespace(family=socket.AF_INET, address="10.9.0.1")],
}


def _network(*configs: dict[str, str], bridge: str | None = None) -> dict[str, Any]:
    options = {"com.docker.network.bridge.name": bridge} if bridge else {}
    return {"IPAM": {"Config": list(configs)}, "Options": options}


@pytest.mark.parametrize(
    ("network", "expected"),
    [
        pytest.param(
            _network({"Subnet": "172.18.0.0/16", "Gateway": "172.18.0.1"}),
            "172.18.0.1",
            id="as Docker says",
        ),
        pytest.param(
            _network({"Subnet": "172.17.0.0/16"}), "172.17.0.1", id="first start: no gateway"
        ),
        pytest.param(_network({"Gateway": ""}), "172.17.0.1", id="an empty gateway"),
        pytest.param(_network(bridge="br-own"), "10.9.0.1", id="an interface with another name"),
        pytest.param(
            _network({"Gateway": "fd00::1"}, {"Gateway": "172.19.0.1"}),
            "172.19.0.1",
            id="IPv6 first",
        ),
        pytest.param({"IPAM": {"Config": None}, "Options": None}, "172.17.0.1", id="nothing said"),
        pytest.param(_network(bridge="br-gone"), None, id="no such interface"),
    ],
)
def test_the_bridges_address(network: dict[str, Any], expected: str | None) -> None:
    """The bridge's address is Docker's, or, at the first start of a data root, the interface's."""
    assert expected == bridge_address(network, INTERFACES)


def _interface(address: str, netmask: str = "255.255.0.0") -> list[SimpleNamespace]:
    six = SimpleNamespace(family=socket.AF_INET6, address="fe80::1", netmask="ffff::")
    return [six, SimpleNamespace(family=socket.AF_INET, address=address, netmask=netmask)]


@pytest.mark.parametrize(
    ("interfaces", "expected"),
    [
        pytest.param({}, "172.17.0.1/16", id="Docker's first network"),
        pytest.param({"docker0": _interface("10.9.0.1")}, "10.9.0.1/16", id="one left behind"),
        pytest.param({"eth0": _interface("172.17.3.4")}, "172.18.0.1/16", id="in use"),
        pytest.param(
            {"eth0": _interface("172.16.0.9", "255.240.0.0")}, None, id="all of them in use"
        ),
    ],
)
def test_the_choice_of_a_bridge(interfaces: dict[str, Any], expected: str | None) -> None:
    """An engine that is started here gets the bridge that is there, else a network without use."""
    found = bridge_choice(interfaces)
    assert expected == (found and str(found))


def test_a_machine_that_cannot_run_it_fails(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """A machine without the requirements gives exit code 1, and a message."""
    monkeypatch.setattr(e2e, "EMULATOR", tmp_path / "missing")
    monkeypatch.setattr(e2e, "SIGNALS", ())
    assert e2e.main([]) == 1
    assert "NOTHING WAS TESTED" in (said := capsys.readouterr().out)
    assert "make .venv/emulator" in said
