"""Arrays as messages."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from examples.parameter_server.compress import Payload
from examples.parameter_server.wire import ps_pb2 as ps
from examples.parameter_server.wire.tensors import fill, packed, payload_of, vector
from mapreduce.errors import UsageError


def test_a_tensor_is_dtype_shape_and_raw_bytes() -> None:
    """One and a half in float64, little-endian."""
    found = packed(np.array([1.5]))
    assert ("<f8", [1]) == (found.dtype, [*found.shape])
    assert bytes.fromhex("000000000000f83f") == found.data


@given(arrays(np.float64, st.integers(0, 30)) | arrays(np.float16, st.integers(0, 30)))
def test_a_vector_comes_back_bit_for_bit(array: NDArray[np.float64]) -> None:
    """NaN and negative zero too."""
    sent = ps.Tensor.FromString(packed(array).SerializeToString())
    assert array.tobytes() == vector(sent).tobytes()


def test_big_endian_is_turned() -> None:
    """The wire has one order of bytes."""
    assert 1.5 == vector(packed(np.array([1.5], ">f8")))[0]


@pytest.mark.parametrize(
    "tensor",
    [
        ps.Tensor(dtype="|O", shape=[1], data=b"12345678"),
        ps.Tensor(dtype=">f8", shape=[1], data=b"12345678"),
        ps.Tensor(dtype="<f8", shape=[2], data=b"12345678"),
        ps.Tensor(dtype="<f8", shape=[1, 1], data=b"12345678"),
        ps.Tensor(dtype="<f8", shape=[-1], data=b""),
        ps.Tensor(dtype="<u4", shape=[2], data=b"12345678"),
        ps.Tensor(),
    ],
)
def test_other_tensors_are_refused(tensor: ps.Tensor) -> None:
    """No object, no other order of bytes, no length that is not the shape's."""
    with pytest.raises(UsageError, match="a tensor of"):
        vector(tensor)


def test_a_sparse_push_comes_back() -> None:
    """Values and positions travel side by side, with the length of the range."""
    push = ps.PushRequest()
    fill(push, Payload(9, np.array([0.5], np.float32), np.array([7], np.uint32)))
    found = payload_of(ps.PushRequest.FromString(push.SerializeToString()))
    assert found.indices is not None
    assert (9, 0.5, 7) == (found.size, found.values[0], found.indices[0])


def test_positions_are_whole_numbers() -> None:
    """Positions of another dtype are refused."""
    push = ps.PushRequest(values=packed(np.ones(1)), indices=packed(np.ones(1)))
    with pytest.raises(UsageError, match="<u4"):
        payload_of(push)
