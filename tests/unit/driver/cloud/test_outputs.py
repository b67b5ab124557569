"""The outputs that every system has, and its price."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from driver.cloud import stack
from driver.cloud.outputs import SystemStack
from driver.cloud.stack import Stack, read_outputs, read_stack
from mapreduce.errors import FleetError
from tests.unit.driver.samples import ALBUMS_VALUES, STACK_VALUES


@pytest.fixture
def outputs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The outputs of a deployed stack of albums, which a test may change."""
    values = dict(ALBUMS_VALUES)
    (tmp_path / "terraform.tfstate").write_text("{}")
    monkeypatch.setattr(
        stack, "_json", lambda *_: {name: {"value": value} for name, value in values.items()}
    )
    return values


def test_a_stack_of_another_system_is_read(tmp_path: Path, outputs: dict[str, Any]) -> None:
    """A stack has the outputs of all systems, and may have more; a worker has no port."""
    found = read_outputs(tmp_path)
    assert isinstance(found, SystemStack)
    assert ("albums", 3, None) == (found.system, found.tasks(), found.services["worker"].port)
    assert (None, None) == (found.namespace, found.load_balancer_url)


def test_mapreduces_stack_is_read_as_such(tmp_path: Path, outputs: dict[str, Any]) -> None:
    """MapReduce's stack has its own outputs, and no other."""
    outputs.clear()
    outputs.update(STACK_VALUES)
    assert Stack.model_validate(STACK_VALUES) == read_outputs(tmp_path) == read_stack(tmp_path)
    outputs["colour"] = "red"
    with pytest.raises(FleetError, match=r"colour: .*; run \./deploy\.sh$"):
        read_outputs(tmp_path)


def test_a_command_of_mapreduce_refuses_another_system(
    tmp_path: Path, outputs: dict[str, Any]
) -> None:
    """What only MapReduce has says so, with the system, and no list of missing outputs."""
    with pytest.raises(FleetError, match="holds a stack of albums, .* is for MapReduce; unset"):
        read_stack(tmp_path)


def test_an_output_that_is_missing_is_named(tmp_path: Path, outputs: dict[str, Any]) -> None:
    """A root without an output of all systems is an error with its name and the command."""
    del outputs["cluster"]
    with pytest.raises(FleetError, match=r"cluster: .*run \./deploy\.sh --system albums"):
        read_outputs(tmp_path)


def test_nothing_deployed_is_none(tmp_path: Path) -> None:
    """Without a state there is no stack of any system."""
    assert read_outputs(tmp_path) is None


def test_the_price_by_hand() -> None:
    """Two tasks of 0.25 vCPU and 0.5 GiB, and half of one of 1 vCPU and 2 GiB on Spot; each has an
    address. A load balancer and a zone cost while nothing runs.
    """
    small, large = 0.25 * 0.04048 + 0.5 * 0.004445, 0.04048 + 2 * 0.004445
    found = SystemStack.model_validate(ALBUMS_VALUES | {"spot_shares": {"worker": 50}})
    assert found.hourly_cost() == pytest.approx(2 * small + large * 0.65 + 3 * 0.005)
    assert found.standing_cost() == 0
    balanced = ALBUMS_VALUES | {"load_balancer_url": "http://x", "service_discovery": "dns"}
    cost = SystemStack.model_validate(balanced).standing_cost()
    assert cost == pytest.approx(730 * (0.0225 + 0.01) + 0.5)
