"""The models: gradients by finite differences, the start, and what they learn."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from examples.parameter_server.data import Digits, micro_batch_rows
from examples.parameter_server.models import (
    MODELS,
    Layer,
    Network,
    Vector,
    Waiting,
    dense_layers,
    model_named,
)
from mapreduce.errors import UsageError


def _small(hidden: tuple[int, ...], seed: int) -> Network:
    source = np.random.RandomState(seed)
    digits = Digits(source.randint(0, 17, (12, 6)).astype(float), source.randint(0, 3, 12))
    return Network((6, *hidden, 3), digits, digits)


@given(seed=st.integers(0, 1000), hidden=st.sampled_from([(), (5,), (5, 4)]))
@settings(deadline=None, max_examples=25)
def test_gradients_are_those_of_finite_differences(seed: int, hidden: tuple[int, ...]) -> None:
    """Along random directions the loss changes as the gradient says."""
    model = _small(hidden, seed)
    source = np.random.RandomState(seed + 1)
    theta = model.init(seed) + 0.1 * source.standard_normal(model.parameters)
    rows = np.array([1, 5, 7, 5])
    _, gradient = model.gradient(theta, rows)
    direction = source.standard_normal(model.parameters)
    step = 1e-6
    higher = model.gradient(theta + step * direction, rows)[0]
    lower = model.gradient(theta - step * direction, rows)[0]
    assert (higher - lower) / (2 * step) == pytest.approx(gradient @ direction, rel=1e-4, abs=1e-7)


def test_every_number_of_a_gradient_is_right() -> None:
    """Of the network of the digits, some numbers of each layer by finite differences."""
    model = model_named("mlp")
    theta, rows = model.init(3), np.arange(10)
    _, gradient = model.gradient(theta, rows)
    start = 0
    for layer in model.layers:
        for place in np.random.RandomState(start).randint(start, start + layer.size, 12):
            step = np.zeros(model.parameters)
            step[place] = 1e-6
            slope = (
                model.gradient(theta + step, rows)[0] - model.gradient(theta - step, rows)[0]
            ) / 2e-6
            assert slope == pytest.approx(gradient[place], rel=1e-3, abs=1e-7), (layer, place)
        start += layer.size


@pytest.mark.parametrize(("name", "size"), [("softmax", 650), ("mlp", 2410), ("waiting", 2410)])
def test_the_layers_fill_the_vector(name: str, size: int) -> None:
    """A model's layers have as many numbers as its vector."""
    model = model_named(name)
    assert size == model.parameters == sum(layer.size for layer in model.layers)
    assert (size,) == model.init(0).shape == model.gradient(model.init(0), np.array([0]))[1].shape


def test_layers_are_views_in_order() -> None:
    """Weights, bias, weights, bias: numbered through in the order of the vector."""
    model = _small((5,), 0)
    first, second = dense_layers(model.layers, np.arange(float(model.parameters)))
    assert (0.0, 29.0, 30.0, 34.0) == (first[0][0, 0], first[0][-1, -1], first[1][0], first[1][-1])
    assert (35.0, 49.0, 52.0) == (second[0][0, 0], second[0][-1, -1], second[1][-1])
    assert Layer("weights_1", (6, 5)) == model.layers[0]


def test_the_start_has_the_same_bits_everywhere() -> None:
    """The first vector of a seed is pinned: another one would be another training."""
    theta = model_named("mlp").init(1)
    assert (
        "8dc85e9889f9d04a4af6803e2ba045eb053ea6bafc1576e3bfcc8735487a1dfa"
        == hashlib.sha256(theta.astype("<f8").tobytes()).hexdigest()
    )


def _loop(model: Network, clocks: int) -> Vector:
    """Train with the defaults of a run, in one process and the plain way."""
    theta, velocity = model.init(1), np.zeros(model.parameters)
    for clock in range(clocks):
        parts = [
            model.gradient(theta, micro_batch_rows(1, clock, each, 128, model.training_rows))[1]
            for each in range(2)
        ]
        velocity = 0.5 * velocity + (parts[0] + parts[1]) / 2
        theta = theta - 0.2 * velocity
    return theta


def test_a_network_learns_the_digits() -> None:
    """After 300 clocks the network is right on 97 % of the held-out rows, and softmax on 94 %."""
    for name, least in (("mlp", 0.97), ("softmax", 0.94)):
        model = model_named(name)
        assert isinstance(model, Network)
        before, after = model.evaluate(model.init(1)), model.evaluate(_loop(model, 300))
        assert after["accuracy"] >= least, name
        assert before["accuracy"] < 0.4
        assert after["loss"] < before["loss"]


def test_large_scores_do_not_overflow() -> None:
    """Parameters a thousand times too large give a finite loss and gradient."""
    model = _small((), 0)
    loss, gradient = model.gradient(model.init(0) * 1e4, np.arange(12))
    assert np.isfinite(loss)
    assert np.isfinite(gradient).all()


def test_the_waiting_model_sleeps_by_the_rows() -> None:
    """One micro-batch in ten takes ten times longer, the same ones each time."""
    slept: list[float] = []
    model = Waiting(step_s=0.02, sleep=slept.append)
    batches = [micro_batch_rows(0, clock, 0, 32, model.training_rows) for clock in range(500)]
    theta = model.init(0)
    for rows in batches:
        theta = theta - 0.5 * model.gradient(theta, rows)[1]
    assert {0.02, 0.2} == set(slept)
    assert 30 <= slept.count(0.2) <= 70
    assert slept == [model.wait_s(rows) for rows in batches]
    assert model.evaluate(theta)["loss"] == pytest.approx(0.0)


def test_an_unknown_model_is_refused_with_the_known_ones() -> None:
    """The message lists the names."""
    with pytest.raises(UsageError, match=", ".join(MODELS)):
        model_named("resnet")


def test_the_length_of_a_waiting_step_can_be_named() -> None:
    """waiting:0.2 sleeps for 0.2 s; what is no number of seconds is refused."""
    assert Waiting(0.2) == model_named("waiting:0.2")
    for name in ("waiting:", "waiting:-1", "waiting:nan", "waiting:61", "mlp:2"):
        with pytest.raises(UsageError, match="waiting:SECONDS"):
            model_named(name)
