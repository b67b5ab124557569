"""What real servers and workers learn: each kind of consistency, each compression, and the file."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnxruntime
import pytest

from examples.parameter_server.core.spec import RunSpec, RunStatus
from examples.parameter_server.data import load
from examples.parameter_server.export import main, trained
from examples.parameter_server.fleet import LocalFleet
from examples.parameter_server.models import Network, model_named
from mapreduce.storage import open_storage

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
WORKERS, SERVERS = 4, 2


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalFleet]:
    """Four workers and two servers, for all tests of this file."""
    with LocalFleet(WORKERS, SERVERS, tmp_path_factory.mktemp("store")) as fleet:
        yield fleet


def _trained(fleet: LocalFleet, spec: RunSpec) -> RunStatus:
    status = fleet.client.train(spec)
    assert (status.state, status.problem) == ("done", "")
    assert status.counts.leased == status.counts.applied + sum(status.counts.refused.values())
    return status


@pytest.mark.parametrize("staleness", [0, 3, 10, None], ids=["BSP", "SSP 3", "SSP 10", "ASP"])
def test_each_kind_of_consistency_learns_the_digits(
    fleet: LocalFleet, staleness: int | None
) -> None:
    """After 300 clocks the model is right on at least 97 % of the held-out digits."""
    status = _trained(fleet, RunSpec(staleness=staleness, servers=SERVERS))
    assert status.evaluation["accuracy"] >= 0.97


@pytest.mark.parametrize("compression", ["float16", "topk:0.1"])
def test_compressed_pushes_learn_the_digits(fleet: LocalFleet, compression: str) -> None:
    """What a push leaves out comes with the next ones, so that as much is learned."""
    status = _trained(fleet, RunSpec(compression=compression, servers=SERVERS))
    assert status.evaluation["accuracy"] >= 0.97


def test_the_exported_file_answers_as_the_trained_model(
    fleet: LocalFleet, capsys: pytest.CaptureFixture[str]
) -> None:
    """For the held-out digits: the same class, and no probability more than 1e-5 off."""
    status = _trained(fleet, RunSpec(clocks=60, servers=SERVERS))
    assert 0 == main(["--store", fleet.store, "--run", status.run])
    told = json.loads(capsys.readouterr().out)
    folder = Path(told["url"].removeprefix("file://")).parent
    outcome, theta = trained(open_storage(), fleet.store, status.run)
    network = model_named(outcome.spec.model)
    assert isinstance(network, Network)
    session = onnxruntime.InferenceSession((folder / f"{told['sha256']}.onnx").read_bytes())
    pixels = load()[1].pixels
    found = session.run(["probabilities"], {"pixels": pixels.astype(np.float32)})[0]
    expected = np.exp(network.log_probabilities(theta, pixels))
    assert np.abs(found - expected).max() <= 1e-5
    assert found.argmax(axis=1).tolist() == expected.argmax(axis=1).tolist()
