"""A small model to try the service with: softmax regression on the digits, trained in a second.

It needs the package `onnx`, which is on a laptop and in no image.
"""

from __future__ import annotations

import csv
import gzip
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from examples.serving.model_store import Manifest, write_model
from mapreduce.storage import Storage

DIGITS = Path(__file__).parent.parent / "data" / "digits.csv.gz"
HELD_OUT_EVERY, FIRST_HELD_OUT = 5, 1
"""Every fifth row, from the second on, is held out, as examples/data says."""
LARGEST_PIXEL = 16.0
INPUTS = [{"name": "pixels", "datatype": "FP32", "shape": [-1, 64]}]
OUTPUTS = [{"name": "probabilities", "datatype": "FP32", "shape": [-1, 10]}]
Array: TypeAlias = np.ndarray[Any, np.dtype[Any]]


@dataclass(frozen=True, slots=True)
class Digits:
    """Images of 64 pixels, each 0 to 16, and the digits that they show."""

    pixels: Array
    labels: Array


def read_digits() -> tuple[Digits, Digits]:
    """Return the rows for training and the rows held out."""
    with gzip.open(DIGITS, "rt", encoding="ascii") as file:
        rows = np.array([[float(cell) for cell in row] for row in csv.reader(file)])
    pixels, labels = rows[:, :-1].astype(np.float32), rows[:, -1].astype(np.int64)
    held_out = np.arange(len(rows)) % HELD_OUT_EVERY == FIRST_HELD_OUT
    return Digits(pixels[~held_out], labels[~held_out]), Digits(pixels[held_out], labels[held_out])


def train(digits: Digits, steps: int = 300, rate: float = 8.0) -> tuple[Array, Array]:
    """Return weights and bias of softmax regression, by gradient descent over all rows.

    The weights are for pixels as they come: the division that training needs is in them.
    """
    pixels = digits.pixels.astype(np.float64) / LARGEST_PIXEL
    wanted = np.eye(10)[digits.labels]
    weights, bias = np.zeros((64, 10)), np.zeros(10)
    for _ in range(steps):
        error = (softmax(pixels @ weights + bias) - wanted) / len(pixels)
        weights -= rate * pixels.T @ error
        bias -= rate * error.sum(axis=0)
    return weights / LARGEST_PIXEL, bias


def softmax(scores: Array) -> Array:
    """Return each row's probabilities."""
    powers = np.exp(scores - scores.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True))


def as_onnx(layers: list[tuple[Array, Array]]) -> bytes:
    """Return a network of dense layers, with ReLU between and softmax at the end, as ONNX.

    Args:
        layers: weights (inputs x outputs) and bias of each layer.
    """
    from onnx import TensorProto, helper, numpy_helper  # not in the images

    nodes, constants, last = [], [], "pixels"
    for number, (weights, bias) in enumerate(layers):
        is_last = number == len(layers) - 1
        constants += [
            numpy_helper.from_array(weights.astype(np.float32), f"weights{number}"),
            numpy_helper.from_array(bias.astype(np.float32), f"bias{number}"),
        ]
        nodes.append(
            helper.make_node(
                "Gemm", [last, f"weights{number}", f"bias{number}"], [f"dense{number}"]
            )
        )
        last = "probabilities" if is_last else f"relu{number}"
        if is_last:
            nodes.append(helper.make_node("Softmax", [f"dense{number}"], [last], axis=1))
        else:
            nodes.append(helper.make_node("Relu", [f"dense{number}"], [last]))
    width, classes = layers[0][0].shape[0], layers[-1][0].shape[1]
    graph = helper.make_graph(
        nodes,
        "digits",
        [helper.make_tensor_value_info("pixels", TensorProto.FLOAT, ["rows", width])],
        [helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["rows", classes])],
        constants,
    )
    model = helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8, producer_name="serving"
    )
    return bytes(model.SerializeToString())


def train_digits(steps: int = 300) -> tuple[bytes, float]:
    """Return a trained model as ONNX, and its accuracy on the held-out rows."""
    rows, held_out = read_digits()
    weights, bias = train(rows, steps)
    found = (held_out.pixels @ weights + bias).argmax(axis=1)
    return as_onnx([(weights, bias)]), float((found == held_out.labels).mean())


def put(
    storage: Storage,
    store: str,
    name: str,
    version: str,
    model: bytes | None = None,
    accuracy: float | None = None,
) -> Manifest:
    """Put a model into the store, the small one if none is given; return its manifest.

    Raises:
        UsageError: a wrong name, or the version exists with other bytes.
        StorageError: the store failed.
    """
    if model is not None:
        return write_model(storage, store, name, version, model, accuracy=accuracy)
    model, accuracy = train_digits()
    return write_model(
        storage, store, name, version, model, inputs=INPUTS, outputs=OUTPUTS, accuracy=accuracy
    )
