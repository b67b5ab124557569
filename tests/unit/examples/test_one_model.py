"""The parameter server's file in the serving example: the same digits, the same pixels."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from examples.parameter_server import data
from examples.parameter_server.data import micro_batch_rows
from examples.parameter_server.export import write_model
from examples.parameter_server.models import Network, model_named
from examples.serving import sample
from examples.serving.model.session import load_model
from examples.serving.model_store import read_model
from mapreduce.storage import open_storage


@pytest.mark.parametrize(("name", "least"), [("softmax", 0.95), ("mlp", 0.97)])
def test_an_exported_model_is_served(name: str, least: float, tmp_path: Path) -> None:
    """Serving reads what training wrote, and answers its own held-out digits as well as training
    says.
    """
    network, storage = model_named(name), open_storage()
    assert isinstance(network, Network)
    theta = network.init(1)
    for clock in range(400):
        rows = micro_batch_rows(1, clock, 0, 256, network.training_rows)
        theta = theta - 0.5 * network.gradient(theta, rows)[1]
    write_model(storage, tmp_path.as_uri(), "digits", "1", network, theta)
    manifest, file = read_model(storage, tmp_path.as_uri(), "digits", "1")
    _, held_out = sample.read_digits()
    model = load_model(file)
    found = model.run({"pixels": held_out.pixels})
    accuracy = float((found["probabilities"].argmax(axis=1) == held_out.labels).mean())
    assert accuracy >= least
    assert manifest.accuracy == pytest.approx(accuracy)
    assert model.has_rows


def test_both_examples_read_the_same_digits() -> None:
    """The same rows are held out, and a pixel has the same scale, so that a version of one may
    follow a version of the other.
    """
    for ours, theirs in zip(sample.read_digits(), data.load(), strict=True):
        np.testing.assert_array_equal(ours.pixels, theirs.pixels)
        np.testing.assert_array_equal(ours.labels, theirs.labels)
    model, accuracy = sample.train_digits()
    _, held_out = data.load()
    found = load_model(model).run({"pixels": held_out.pixels.astype(np.float32)})["probabilities"]
    assert float((found.argmax(axis=1) == held_out.labels).mean()) == pytest.approx(accuracy)
    assert accuracy >= 0.95
