"""The small model: what it learns, and that its ONNX file computes the same."""

from __future__ import annotations

import numpy as np
import pytest

from examples.serving.model.session import load_model
from examples.serving.sample import as_onnx, read_digits, softmax, train, train_digits


def test_rows_are_trained_on_or_held_out() -> None:
    """1,437 rows train, and 360 others judge; a pixel is 0 to 16."""
    rows, held_out = read_digits()
    assert (1437, 64) == rows.pixels.shape
    assert (360,) == held_out.labels.shape
    assert 0 == rows.pixels.min() < rows.pixels.max() == 16
    assert set(range(10)) == set(held_out.labels.tolist())


def test_the_file_computes_what_was_trained() -> None:
    """The runtime gives numpy's classes and, within 1e-5, its probabilities, for all 360 rows."""
    rows, held_out = read_digits()
    weights, bias = train(rows, steps=50)
    expected = softmax(held_out.pixels.astype(np.float64) @ weights + bias)
    actual = load_model(as_onnx([(weights, bias)])).run({"pixels": held_out.pixels})
    assert np.abs(expected - actual["probabilities"]).max() <= 1e-5
    assert (expected.argmax(1) == actual["probabilities"].argmax(1)).all()


def test_several_layers_have_relu_between() -> None:
    """A network of two layers computes softmax(relu(x a + b) c + d)."""
    random = np.random.default_rng(7)
    a, b = random.normal(size=(6, 4)), random.normal(size=4)
    c, d = random.normal(size=(4, 3)), random.normal(size=3)
    x = random.normal(size=(5, 6)).astype(np.float32)
    expected = softmax(np.maximum(x @ a + b, 0) @ c + d)
    actual = load_model(as_onnx([(a, b), (c, d)])).run({"pixels": x})["probabilities"]
    np.testing.assert_allclose(actual, expected, atol=1e-5)


def test_training_is_worth_it() -> None:
    """The sample answers nine of ten held-out digits, and is the same bytes each time."""
    model, accuracy = train_digits()
    assert accuracy > 0.9
    assert model == train_digits()[0]


@pytest.mark.parametrize("scores", [[[1000.0, 0.0]], [[-1000.0, -1000.0]]])
def test_softmax_of_large_scores(scores: list[list[float]]) -> None:
    """Large scores do not overflow; probabilities add up to 1."""
    assert 1 == softmax(np.array(scores)).sum()
