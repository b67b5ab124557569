"""The measurement of batches: its model, its requests, and what it does with a failure."""

from __future__ import annotations

import json

import numpy as np
import pytest

from examples.serving.bench import batching
from examples.serving.load import Sample
from examples.serving.model.session import load_model
from mapreduce.wire.tokens import opened


def test_the_wide_model_takes_the_digits() -> None:
    """It has the tensors of the small model, and gives probabilities."""
    model = load_model(batching.wide_model(width=8))
    assert (("pixels", (-1, 64)),) == tuple((each.name, each.shape) for each in model.inputs)
    found = model.run({"pixels": np.ones((2, 64), np.float32)})["probabilities"]
    np.testing.assert_allclose(found.sum(axis=1), 1, atol=1e-5)


def test_a_request_is_signed_for_its_own_body(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each request has one image, and a token that the server accepts for it alone."""
    monkeypatch.setattr("time.time", lambda: 1000.0)
    make = batching._requests("k" * 32)
    first, second = make(0), make(1)
    assert first.body != second.body
    assert [1, 64] == json.loads(first.body)["inputs"][0]["shape"]
    token = first.headers[0][1].decode().removeprefix("Bearer ")
    opened("k" * 32, first.target.decode(), token, 1000.0).check_body(first.body)


def test_a_failed_request_ends_the_measurement() -> None:
    """A rate of refusals is no rate."""
    good, bad = Sample(0, 0.5, 200, "a", b""), Sample(0, 0.1, 503, "a", b"")
    assert [0.5] == batching._seconds([good])
    with pytest.raises(RuntimeError, match="1 requests failed, the first with 503"):
        batching._seconds([good, bad])
