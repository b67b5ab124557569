"""Tensors of requests: taken exactly, or refused with the reason."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from examples.serving.model.errors import BadRequest
from examples.serving.model.tensors import DATATYPES, TensorSpec, decode, encode

PIXELS = TensorSpec("pixels", "FP32", (-1, 2))


def test_values_are_taken_in_row_major_order() -> None:
    """Flat values fill the rows one after the other."""
    array = decode(PIXELS, "FP32", [2, 2], [1, 2.5, 3, 4])
    assert [[1, 2.5], [3, 4]] == array.tolist()
    assert np.float32 == array.dtype


def test_nested_values_are_the_same() -> None:
    """Values may be nested as the shape is."""
    assert [[1, 2], [3, 4]] == decode(PIXELS, "FP32", [2, 2], [[1, 2], [3, 4]]).tolist()


@pytest.mark.parametrize(
    ("datatype", "shape", "data", "message"),
    [
        ("FP64", [1, 2], [1, 2], "datatype 'FP64'; the model takes FP32"),
        ("FP32", [2], [1, 2], "shape [2]; the model takes [-1, 2]"),
        ("FP32", [1, 3], [1, 2, 3], "shape [1, 3]; the model takes [-1, 2]"),
        ("FP32", [0, 2], [], "where -1 is any length from 1"),
        ("FP32", [-1, 2], [1, 2], "shape [-1, 2]"),
        ("FP32", [1, 2], [1], "1 values; its shape [1, 2] has 2"),
        ("FP32", [1, 2], [1, 2, 3], "3 values"),
        ("FP32", [1 << 62, 2], [1], "1 values"),
        ("FP32", [1, 2], ["1", "2"], "value of type str; FP32 takes numbers"),
        ("FP32", [1, 2], [True, 1], "value of type bool"),
        ("FP32", [1, 2], [None, 1], "value of type null"),
        ("FP32", [1, 2], [{}, 1], "value of type dict"),
        ("FP32", [1, 2], [math.nan, 1], "a value that FP32 cannot hold"),
        ("FP32", [1, 2], [math.inf, 1], "a value that FP32 cannot hold"),
        ("FP32", [1, 2], [1e39, 1], "a value that FP32 cannot hold"),
        ("FP32", [1, 2], [10**400, 1], "a value that FP32 cannot hold"),
        ("FP32", [2, 2], [[1, 2], [3]], "nested otherwise than its shape [2, 2]"),
        ("FP32", [2, 2], [[1, 2], 3], "nested otherwise"),
        ("FP32", [2, 2], [[[1, 2], [3, 4]]], "nested otherwise"),
        ("FP32", [1, 2], [[[1], [2]]], "value of type list"),
    ],
)
def test_what_the_model_cannot_take(
    datatype: str, shape: list[int], data: list[Any], message: str
) -> None:
    """Each refusal names the input, what it has, and what the model takes."""
    with pytest.raises(BadRequest) as caught:
        decode(PIXELS, datatype, shape, data)
    assert "input 'pixels'" in str(caught.value)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("datatype", "value"),
    [("UINT8", -1), ("UINT8", 256), ("INT8", 128), ("INT64", 1 << 63), ("FP16", 70000.0)],
)
def test_a_number_is_never_wrapped(datatype: str, value: float) -> None:
    """A number outside its datatype's range is refused."""
    with pytest.raises(BadRequest, match=f"a value that {datatype} cannot hold"):
        decode(TensorSpec("x", datatype, (1,)), datatype, [1], [value])


@pytest.mark.parametrize(
    ("datatype", "value", "message"),
    [
        ("INT32", 1.0, "float; INT32 takes whole numbers"),
        ("BOOL", 1, "int; BOOL takes true or false"),
        ("BYTES", 1, "int; BYTES takes text"),
    ],
)
def test_types_are_not_converted(datatype: str, value: object, message: str) -> None:
    """A float is no whole number, a number no truth value, and no text."""
    with pytest.raises(BadRequest, match=message):
        decode(TensorSpec("x", datatype, (1,)), datatype, [1], [value])


def test_text_and_truth_values() -> None:
    """BYTES carries text, and BOOL true and false."""
    text = decode(TensorSpec("x", "BYTES", (-1,)), "BYTES", [2], ["a", "ü"])
    assert ["a", "ü"] == text.tolist()
    truth = decode(TensorSpec("x", "BOOL", (2,)), "BOOL", [2], [True, False])
    assert [True, False] == truth.tolist()


numeric = sorted(set(DATATYPES) - {"BYTES"})


@given(st.data(), st.sampled_from(numeric))
def test_an_array_comes_back_the_same(data: st.DataObject, datatype: str) -> None:
    """An array that travels as JSON comes back with every bit, flat or nested."""
    array = data.draw(
        arrays.arrays(
            np.dtype(DATATYPES[datatype]),
            arrays.array_shapes(max_dims=3, max_side=4),
            elements=None
            if not datatype.startswith("FP")
            else {"allow_nan": False, "allow_infinity": False},
        )
    )
    spec = TensorSpec("x", datatype, (-1,) * array.ndim)
    sent = json.loads(json.dumps(encode(spec, array)))
    back = decode(spec, sent["datatype"], sent["shape"], sent["data"])
    assert array.tobytes() == back.tobytes()
    assert array.tobytes() == decode(spec, datatype, sent["shape"], array.tolist()).tobytes()


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_an_answer_that_json_cannot_carry(value: float) -> None:
    """NaN and infinity are no JSON: the answer says so, and is never null."""
    with pytest.raises(BadRequest, match=r"not finite \(output 'pixels'\)"):
        encode(PIXELS, np.array([[value, 1]], np.float32))
