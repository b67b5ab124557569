"""The models that can be trained, by name.

A model is a function of one flat vector of parameters, so that servers can share the vector out as
ranges and know nothing of layers. Models hold no state of a run.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

from examples.parameter_server.data import CLASSES, PIXELS, Digits, Rows, load
from mapreduce.errors import JobFailed, UsageError

Vector = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Layer:
    """A part of the vector of parameters: its name and the shape that it is read with."""

    name: str
    shape: tuple[int, ...]

    @property
    def size(self) -> int:
        """Return the number of parameters."""
        return int(np.prod(self.shape))


class Model(Protocol):
    """What servers, workers and export know of a model."""

    @property
    def parameters(self) -> int:
        """Return the length of the vector."""

    @property
    def layers(self) -> tuple[Layer, ...]:
        """Return the parts of the vector, in order."""

    @property
    def training_rows(self) -> int:
        """Return the number of rows that a micro-batch is taken from."""

    def init(self, seed: int) -> Vector:
        """Return the vector that training starts from."""

    def gradient(self, theta: Vector, rows: Rows) -> tuple[float, Vector]:
        """Return the mean loss over some rows of the training data, and its gradient."""

    def evaluate(self, theta: Vector) -> dict[str, float]:
        """Return figures of the held-out rows: accuracy and loss."""


SCALE: Final = 8.0
"""Half a pixel's range."""


@dataclass(frozen=True)
class Network:
    """Dense layers with ReLU between them, softmax and cross entropy at the end.

    With no hidden layer it is softmax regression. The input is taken less its mean over the
    training rows: without that, training with stale gradients diverges at a third of the learning
    rate.

    Attributes:
        sizes: width of the input, of each hidden layer, and number of classes.
    """

    sizes: tuple[int, ...]
    training: Digits
    held_out: Digits

    @cached_property
    def layers(self) -> tuple[Layer, ...]:
        """Return weights and bias of each layer, from the input on."""
        return tuple(
            layer
            for number, (inputs, outputs) in enumerate(pairwise(self.sizes), start=1)
            for layer in (
                Layer(f"weights_{number}", (inputs, outputs)),
                Layer(f"bias_{number}", (outputs,)),
            )
        )

    @cached_property
    def parameters(self) -> int:
        """Return the length of the vector."""
        return sum(layer.size for layer in self.layers)

    @property
    def training_rows(self) -> int:
        """Return the number of rows that a micro-batch is taken from."""
        return len(self.training)

    @cached_property
    def mean(self) -> Vector:
        """Return the mean of each pixel over the training rows."""
        return np.asarray(self.training.pixels.mean(axis=0))

    def init(self, seed: int) -> Vector:
        """Return uniform weights within sqrt(6 / (inputs + outputs)) of 0, and no bias.

        The generator is numpy's frozen one, and a uniform number needs no logarithm: the vector
        has the same bits on every machine.
        """
        source = np.random.RandomState(seed)
        parts = [
            source.uniform(-1.0, 1.0, layer.size) * np.sqrt(6.0 / sum(layer.shape))
            if len(layer.shape) == 2
            else np.zeros(layer.size)
            for layer in self.layers
        ]
        return np.concatenate(parts)

    def gradient(self, theta: Vector, rows: Rows) -> tuple[float, Vector]:
        """Return the mean loss over some rows of the training data, and its gradient."""
        dense = list(dense_layers(self.layers, theta))
        labels = self.training.labels[rows]
        values, log_probabilities = self._forward(dense, self.training.pixels[rows])
        loss = _cross_entropy(log_probabilities, labels)

        slope = np.exp(log_probabilities)
        slope[np.arange(len(rows)), labels] -= 1.0
        slope /= len(rows)
        parts: list[Vector] = []
        for (weights, _), inputs in zip(reversed(dense), reversed(values), strict=True):
            parts += [slope.sum(axis=0), (inputs.T @ slope).ravel()]
            slope = (slope @ weights.T) * (inputs > 0.0)
        return loss, np.concatenate(parts[::-1])

    def evaluate(self, theta: Vector) -> dict[str, float]:
        """Return accuracy and mean loss over the held-out rows."""
        log_probabilities = self.log_probabilities(theta, self.held_out.pixels)
        right = log_probabilities.argmax(axis=1) == self.held_out.labels
        return {
            "accuracy": float(right.mean()),
            "loss": _cross_entropy(log_probabilities, self.held_out.labels),
        }

    def log_probabilities(self, theta: Vector, pixels: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the logarithm of each class's probability, one row an image."""
        return self._forward(list(dense_layers(self.layers, theta)), pixels)[1]

    def _forward(
        self, dense: list[tuple[Vector, Vector]], pixels: NDArray[np.float64]
    ) -> tuple[list[Vector], Vector]:
        """Return the input of each layer, and the logarithms of the probabilities."""
        values = [(pixels - self.mean) / SCALE]
        for weights, bias in dense[:-1]:
            values.append(np.maximum(values[-1] @ weights + bias, 0.0))
        weights, bias = dense[-1]
        scores = values[-1] @ weights + bias
        # less the largest, so that no exponential overflows
        scores = scores - scores.max(axis=1, keepdims=True)
        return values, scores - np.log(np.exp(scores).sum(axis=1, keepdims=True))


def dense_layers(layers: tuple[Layer, ...], theta: Vector) -> Iterator[tuple[Vector, Vector]]:
    """Yield weights and bias of each layer, as views of the vector."""
    parts, start = [], 0
    for layer in layers:
        parts.append(theta[start : start + layer.size].reshape(layer.shape))
        start += layer.size
    yield from zip(parts[::2], parts[1::2], strict=True)


def _cross_entropy(log_probabilities: Vector, labels: NDArray[np.int64]) -> float:
    return float(-log_probabilities[np.arange(len(labels)), labels].mean())


SLOW_SHARE: Final = 0.1
"""Share of the waiting model's micro-batches that are slow."""
SLOWDOWN: Final = 10.0
"""How many times longer a slow one takes."""
STEP_S: Final = 0.05


@dataclass(frozen=True)
class Waiting:
    """A model that sleeps as compute: measures coordination, with a worker for each sleep.

    One micro-batch in ten takes ten times longer. Which, follows from its rows: all modes and
    numbers of workers of a benchmark wait for the same stragglers.
    """

    step_s: float = STEP_S
    parameters: int = 2410  # as many as the network of the digits has
    training_rows: int = 1437
    sleep: Callable[[float], None] = field(default=time.sleep, repr=False)

    @property
    def layers(self) -> tuple[Layer, ...]:
        """Return one layer: the vector as it is."""
        return (Layer("vector", (self.parameters,)),)

    def init(self, seed: int) -> Vector:
        """Return zeros."""
        del seed
        return np.zeros(self.parameters)

    def gradient(self, theta: Vector, rows: Rows) -> tuple[float, Vector]:
        """Sleep, and return the gradient of half the squared distance from ones."""
        self.sleep(self.wait_s(rows))
        distance = theta - 1.0
        return float(distance @ distance) / 2, distance

    def wait_s(self, rows: Rows) -> float:
        """Return how long a micro-batch takes, in seconds."""
        slow = np.random.RandomState(rows.astype(np.uint32)).random_sample() < SLOW_SHARE
        return self.step_s * (SLOWDOWN if slow else 1.0)

    def evaluate(self, theta: Vector) -> dict[str, float]:
        """Return the loss; there is nothing to be right or wrong about."""
        return {"accuracy": 0.0, "loss": float((theta - 1.0) @ (theta - 1.0)) / 2}


def evaluated(model: Model, theta: Vector) -> dict[str, float]:
    """Return a model's figures of the held-out rows.

    Raises:
        JobFailed: one is not finite.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        found = model.evaluate(theta)
    if not np.isfinite([*found.values()]).all():
        raise JobFailed(
            "the model's figures of the held-out rows are not finite: it has diverged; lower "
            "--learning-rate"
        )
    return found


HIDDEN: Final = 32

MODELS: Final[Mapping[str, Callable[[], Model]]] = {
    "softmax": lambda: Network((PIXELS, CLASSES), *load()),
    "mlp": lambda: Network((PIXELS, HIDDEN, CLASSES), *load()),
    "waiting": Waiting,
}


def model_named(name: str) -> Model:
    """Return a model: of a name in `MODELS`, or waiting:SECONDS for steps of that length.

    Raises:
        UsageError: there is no model of that name.
    """
    kind, colon, seconds = name.partition(":")
    if colon and kind == "waiting":
        try:
            step_s = float(seconds)
        except ValueError:
            step_s = -1.0
        if 0.0 <= step_s <= 60.0:
            return Waiting(step_s)
    if name not in MODELS:
        raise UsageError(
            f"there is no model {name!r}; choose one of {', '.join(MODELS)}, or waiting:SECONDS "
            "with up to 60 seconds"
        )
    return MODELS[name]()
