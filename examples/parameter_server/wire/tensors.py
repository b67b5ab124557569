"""Arrays and pushes as messages: dtype, shape and raw bytes, checked before use. No pickle."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from examples.parameter_server.compress import Payload
from examples.parameter_server.wire import ps_pb2 as ps
from mapreduce.errors import UsageError

VALUES: Final = ("<f8", "<f4", "<f2")
INDICES: Final = ("<u4",)


def packed(array: NDArray[Any]) -> ps.Tensor:
    """Return an array as a message."""
    dtype = array.dtype.newbyteorder("<")
    data = np.ascontiguousarray(array, dtype).tobytes()
    return ps.Tensor(dtype=dtype.str, shape=array.shape, data=data)


def vector(tensor: ps.Tensor, dtypes: tuple[str, ...] = VALUES) -> NDArray[Any]:
    """Return a message's vector; read-only.

    Args:
        tensor: the message.
        dtypes: those allowed.

    Raises:
        UsageError: another dtype, more than one dimension, or a length that is not the shape's.
    """
    if tensor.dtype not in dtypes:
        raise UsageError(f"a tensor of dtype {tensor.dtype!r}; allowed: {', '.join(dtypes)}")
    dtype = np.dtype(tensor.dtype)
    shape = tuple(tensor.shape)
    if len(shape) != 1 or shape[0] * dtype.itemsize != len(tensor.data):
        raise UsageError(f"a tensor of shape {shape} and {len(tensor.data)} bytes of {dtype.str}")
    return np.frombuffer(tensor.data, dtype)


def fill(push: ps.PushRequest, payload: Payload) -> None:
    """Write a payload into a push."""
    push.size = payload.size
    push.values.CopyFrom(packed(payload.values))
    if payload.indices is not None:
        push.indices.CopyFrom(packed(payload.indices))


def payload_of(push: ps.PushRequest) -> Payload:
    """Return a push's payload.

    Raises:
        UsageError: its tensors are malformed.
    """
    indices = vector(push.indices, INDICES) if push.HasField("indices") else None
    return Payload(push.size, vector(push.values), indices)
