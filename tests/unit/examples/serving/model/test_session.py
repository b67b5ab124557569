"""Models in the runtime: their tensors in the protocol's words, and their failures as refusals."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from onnx import TensorProto, helper

from examples.serving.model.errors import BadRequest
from examples.serving.model.session import Model, load_model
from examples.serving.model.tensors import TensorSpec
from examples.serving.model_store import ModelRefused


def _model(
    node: str, inputs: dict[str, tuple[int, list[Any]]], output: tuple[int, list[Any]], **more: Any
) -> Model:
    """Return a model of one operator."""
    graph = helper.make_graph(
        [helper.make_node(node, list(inputs), ["out"], **more)],
        "one",
        [
            helper.make_tensor_value_info(name, kind, shape)
            for name, (kind, shape) in inputs.items()
        ],
        [helper.make_tensor_value_info("out", *output)],
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    return load_model(made.SerializeToString())


def test_the_tensors_are_named_as_in_the_protocol() -> None:
    """A named dimension is one of any length, and a number stays."""
    model = _model(
        "Cast",
        {"x": (TensorProto.STRING, ["rows", 3])},
        (TensorProto.INT64, ["rows", 3]),
        to=TensorProto.INT64,
    )
    assert (TensorSpec("x", "BYTES", (-1, 3)),) == model.inputs
    assert (TensorSpec("out", "INT64", (-1, 3)),) == model.outputs
    assert model.has_rows
    found = model.run({"x": np.array([["1", "2", "3"]], object)})
    assert [[1, 2, 3]] == found["out"].tolist()


@pytest.mark.parametrize(("shape", "has_rows"), [(["n"], True), ([4], False), ([], False)])
def test_requests_share_a_run_only_if_the_first_dimension_counts_rows(
    shape: list[Any], has_rows: bool
) -> None:
    """A fixed first dimension, or none, counts no rows."""
    model = _model("Neg", {"x": (TensorProto.FLOAT, shape)}, (TensorProto.FLOAT, shape))
    assert has_rows == model.has_rows


@pytest.mark.parametrize("shape", [["n", 3], ["n", "m"]])
@pytest.mark.parametrize(("axis", "has_rows"), [(0, False), (1, True)])
def test_rows_that_change_each_other_share_no_run(
    shape: list[Any], axis: int, has_rows: bool
) -> None:
    """A softmax over the first dimension would mix the requests of different callers."""
    model = _model(
        "Softmax", {"x": (TensorProto.FLOAT, shape)}, (TensorProto.FLOAT, shape), axis=axis
    )
    assert has_rows == model.has_rows


@pytest.mark.parametrize(
    ("kind", "node", "more"),
    [
        (TensorProto.INT64, "ReduceSum", {"keepdims": 1}),
        (TensorProto.FLOAT, "ReduceMax", {"keepdims": 1}),
        (TensorProto.FLOAT, "Transpose", {"perm": [1, 0]}),
    ],
)
def test_answers_of_another_number_of_rows_share_no_run(
    kind: int, node: str, more: dict[str, Any]
) -> None:
    """What adds rows up, or turns them round, has no rows, whatever its shapes are called."""
    shape = ["n", "m"]
    assert not _model(node, {"x": (kind, shape)}, (kind, shape), **more).has_rows


def test_values_on_which_the_model_fails() -> None:
    """A failure of the model is a refusal of the request, in one line."""
    model = _model(
        "Gather",
        {"x": (TensorProto.FLOAT, [3]), "i": (TensorProto.INT64, ["n"])},
        (TensorProto.FLOAT, ["n"]),
    )
    x = np.array([1, 2, 3], np.float32)
    assert [3] == model.run({"x": x, "i": np.array([2])})["out"].tolist()
    with pytest.raises(BadRequest, match=r"the model failed on this request: .*bounds") as caught:
        model.run({"x": x, "i": np.array([7])})
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("data", [b"", b"x", b"\x08\x01" * 50, bytes(1000)])
def test_bytes_that_are_no_model(data: bytes) -> None:
    """Bytes that are no ONNX file are refused when they are loaded."""
    with pytest.raises(ModelRefused, match="the file is no model that can be loaded: "):
        load_model(data)


def test_a_model_with_tensors_that_the_protocol_does_not_have() -> None:
    """A tensor of another kind is refused by its name."""
    with pytest.raises(ModelRefused, match=r"tensor 'x' is a tensor\(bfloat16\)"):
        _model(
            "Cast",
            {"x": (TensorProto.BFLOAT16, ["n"])},
            (TensorProto.FLOAT, ["n"]),
            to=TensorProto.FLOAT,
        )
