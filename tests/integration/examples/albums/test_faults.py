"""Each fault of the album service once, against real processes and an S3 server."""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest

from tests.contract.emulator import MINISTACK, MOTO, running_emulator
from tests.faults.systems.albums.kinds import BUCKET, FAULTS, S3_FAULTS, World, storm_on_s3
from tests.faults.systems.albums.tasks import running

pytestmark = pytest.mark.timeout(240)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Three tasks over a folder."""
    folder = tmp_path_factory.mktemp("albums")
    with running(folder / "shared", 3, linger_s=1) as tasks:
        yield World(folder, tasks, None, random.Random(0))


@pytest.mark.parametrize("name", FAULTS)
def test_no_answer_is_wrong(world: World, name: str) -> None:
    """A round of the fault has no wrong answer."""
    FAULTS[name](world)


@pytest.mark.s3
@pytest.mark.parametrize("name", S3_FAULTS)
def test_no_answer_is_wrong_on_s3(world: World, name: str) -> None:
    """A round of the fault on S3 has no wrong answer."""
    if MINISTACK.missing:
        pytest.skip(MINISTACK.missing)
    with running_emulator(BUCKET) as s3:
        S3_FAULTS[name](World(world.folder / "s3", world.tasks, s3, world.chance, world.number))


@pytest.mark.s3
def test_one_of_fifty_succeeds_on_a_second_s3_server(world: World) -> None:
    """Another implementation of S3 also lets one of fifty creations succeed."""
    if MOTO.missing:
        pytest.skip(MOTO.missing)
    with running_emulator(BUCKET, server=MOTO) as s3:
        storm_on_s3(World(world.folder / "moto", world.tasks, s3, world.chance, world.number))
