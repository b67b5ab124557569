"""Messages of the inference protocol: what is understood, refused and answered."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from examples.serving.model.errors import BadRequest
from examples.serving.model.protocol import answer, model_metadata, parse_request
from examples.serving.model.tensors import TensorSpec

A, B = TensorSpec("a", "FP32", (-1, 1)), TensorSpec("b", "FP32", (-1, 1))
OUT, MORE = TensorSpec("out", "FP32", (-1, 1)), TensorSpec("more", "INT64", (-1,))


def _body(*inputs: dict[str, Any], **more: Any) -> bytes:
    return json.dumps({"inputs": list(inputs), **more}).encode()


def _tensor(name: str, rows: int = 1) -> dict[str, Any]:
    return {"name": name, "datatype": "FP32", "shape": [rows, 1], "data": [0.5] * rows}


def test_a_request_is_understood() -> None:
    """The inputs become arrays, and without named outputs all are wanted."""
    found = parse_request(_body(_tensor("a"), id="7", parameters={"x": 1}), [A], [OUT, MORE])
    assert "7" == found.request_id
    assert [[0.5]] == found.inputs["a"].tolist()
    assert (OUT, MORE) == found.outputs


def test_named_outputs_are_answered_in_their_order() -> None:
    """Outputs come once each, in the order of the request."""
    body = _body(_tensor("a"), outputs=[{"name": "more"}, {"name": "out"}, {"name": "more"}])
    assert (MORE, OUT) == parse_request(body, [A], [OUT, MORE]).outputs


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", "no inference request"),
        (b"\xff", "no inference request"),
        (b"[" * 100_000, "no inference request"),
        (b'{"inputs": [' + b"[" * 100_000, "no inference request"),
        (b"{}", "required field `inputs`"),
        (b'{"inputs": {}}', "Expected `array`"),
        (b'{"inputs": [{"name": "a"}]}', "required field"),
        (_body(_tensor("a"), id=7), "Expected `str`"),
        (_body(), "no input 'a'"),
        (_body(_tensor("a"), _tensor("a")), "twice"),
        (_body(_tensor("x" * 1000)), "no input '" + "x" * 100 + "'; it has 'a'"),
        (_body(_tensor("a"), outputs=[{"name": "y"}]), "no output 'y'; it has 'out', 'more'"),
        (
            b'{"inputs": [{"name": "a", "datatype": "FP32", "shape": [1, 1], "data": [NaN]}]}',
            "JSON",
        ),
    ],
)
def test_a_request_that_cannot_be_answered(body: bytes, message: str) -> None:
    """Each refusal says what is wrong, in a text of bounded length."""
    with pytest.raises(BadRequest) as caught:
        parse_request(body, [A], [OUT, MORE])
    assert message in str(caught.value)
    assert len(str(caught.value)) < 400


def test_inputs_have_the_same_rows() -> None:
    """Inputs whose first dimension counts rows agree on their number."""
    with pytest.raises(BadRequest, match="differ in their number of rows"):
        parse_request(_body(_tensor("a", 2), _tensor("b", 3)), [A, B], [OUT])
    assert 2 == len(parse_request(_body(_tensor("a", 2), _tensor("b", 2)), [A, B], [OUT]).inputs)


@given(st.binary(max_size=200))
def test_any_bytes_are_understood_or_refused(body: bytes) -> None:
    """No body raises anything else than a refusal."""
    try:
        parse_request(body, [A], [OUT])
    except BadRequest:
        return


def test_an_answer() -> None:
    """It names the model, the version and the request, and has the wanted outputs."""
    body = _body(_tensor("a"), id="7", outputs=[{"name": "out"}])
    inference = parse_request(body, [A], [OUT, MORE])
    results = {"out": np.array([[0.25]], np.float32), "more": np.array([3])}
    assert {
        "model_name": "digits",
        "model_version": "1",
        "id": "7",
        "outputs": [{"name": "out", "datatype": "FP32", "shape": [1, 1], "data": [0.25]}],
    } == json.loads(answer(inference, "digits", "1", results))


def test_a_request_without_an_id_is_answered_without_one() -> None:
    """The answer has an id only if the request had one."""
    inference = parse_request(_body(_tensor("a")), [A], [OUT])
    assert "id" not in json.loads(answer(inference, "m", "1", {"out": np.zeros((1, 1))}))


def test_metadata_name_every_tensor() -> None:
    """The metadata of a model are those of the protocol."""
    assert {
        "name": "digits",
        "versions": ["1"],
        "platform": "onnx_onnxv1",
        "inputs": [{"name": "a", "datatype": "FP32", "shape": [-1, 1]}],
        "outputs": [{"name": "more", "datatype": "INT64", "shape": [-1]}],
    } == model_metadata("digits", "1", [A], [MORE])
