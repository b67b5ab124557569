"""What a master's name says, and a master that does not answer."""

from __future__ import annotations

import socket

import pytest

from driver.spark.master import check_answers, is_local, map_slots
from mapreduce.errors import FleetError
from tests.contract.emulator import free_port


@pytest.mark.parametrize(
    ("master", "slots"),
    [("local", 1), ("local[3]", 3), ("local[2,4]", 2), ("spark://there:7077", 1), ("yarn", 1)],
)
def test_map_slots_of_a_master(master: str, slots: int) -> None:
    """The number of map slots follows from the master's name, if it tells it."""
    assert slots == map_slots(master)
    assert is_local(master) is master.startswith("local")


def test_one_of_several_masters_is_enough() -> None:
    """A standby master is not asked for; other kinds of masters are not asked at all."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        check_answers(f"spark://127.0.0.1:{free_port()},127.0.0.1:{server.getsockname()[1]}")
    check_answers("yarn")
    check_answers("k8s://https://127.0.0.1:1")


def test_no_master_answers() -> None:
    """Each address is named with its cause."""
    first, second = free_port(), free_port()
    with pytest.raises(FleetError) as caught:
        check_answers(f"spark://127.0.0.1:{first},127.0.0.1:{second}")
    for port in (first, second):
        assert f"127.0.0.1:{port}: Connection refused" in str(caught.value)


@pytest.mark.parametrize("master", ["spark://", "spark://one:port", "spark://one:99999"])
def test_an_address_that_is_none(master: str) -> None:
    """An address that cannot be one is refused, with the form to write."""
    with pytest.raises(FleetError, match="spark://HOST:PORT"):
        check_answers(master)
