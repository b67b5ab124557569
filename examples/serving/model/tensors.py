"""Tensors of the inference protocol: JSON to arrays and back, with a refusal for what a model
cannot take.

Pure. JSON is strict about types here: text is no number, true is no 1, and a number that its
datatype cannot hold is refused, never wrapped or rounded to infinity.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from examples.serving.model.errors import BadRequest

Array: TypeAlias = np.ndarray[Any, np.dtype[Any]]
DATATYPES: dict[str, Any] = {
    "BOOL": np.bool_,
    **{f"UINT{bits}": np.dtype(f"uint{bits}").type for bits in (8, 16, 32, 64)},
    **{f"INT{bits}": np.dtype(f"int{bits}").type for bits in (8, 16, 32, 64)},
    "FP16": np.float16,
    "FP32": np.float32,
    "FP64": np.float64,
    "BYTES": np.object_,
}
"""The protocol's datatypes, and how an array holds each; text is BYTES."""
MOST_DIMENSIONS = 16
_KINDS: dict[str, tuple[set[type], str]] = {
    "B": ({bool}, "true or false"),
    "U": ({int}, "whole numbers"),
    "I": ({int}, "whole numbers"),
    "F": ({int, float}, "numbers"),
}


@dataclass(frozen=True, slots=True)
class TensorSpec:
    """A tensor of a model: its name, its datatype, and its shape with -1 where any length fits."""

    name: str
    datatype: str
    shape: tuple[int, ...]

    @property
    def has_rows(self) -> bool:
        """Whether its first dimension may have any length, and so counts the rows of a batch."""
        return bool(self.shape) and self.shape[0] == -1


def decode(spec: TensorSpec, datatype: str, shape: Sequence[int], data: Sequence[Any]) -> Array:
    """Return a request's tensor as an array.

    Args:
        spec: the model's input.
        datatype: of the request.
        shape: of the request.
        data: the values in row-major order, or nested as the shape is.

    Raises:
        BadRequest: the model cannot take it.
    """
    if datatype != spec.datatype:
        raise BadRequest(
            f"input {spec.name!r} has datatype {datatype[:20]!r}; the model takes {spec.datatype}"
        )
    _check_shape(spec, shape)
    values = _flat(spec.name, shape, data)
    if len(values) != math.prod(shape):
        raise BadRequest(
            f"input {spec.name!r} has {len(values)} values; "
            f"its shape {list(shape)} has {math.prod(shape)}"
        )
    return _array(spec, values).reshape(shape)


def encode(spec: TensorSpec, array: Array) -> dict[str, Any]:
    """Return an array as a tensor of the protocol.

    Raises:
        BadRequest: it has a value that JSON cannot carry, such as NaN.
    """
    if spec.datatype.startswith("FP") and not np.isfinite(array).all():
        raise BadRequest(
            f"the model's answer to this request is not finite (output {spec.name!r}); "
            "send smaller values"
        )
    return {
        "name": spec.name,
        "datatype": spec.datatype,
        "shape": list(array.shape),
        "data": array.ravel().tolist(),
    }


def _check_shape(spec: TensorSpec, shape: Sequence[int]) -> None:
    fits = len(shape) == len(spec.shape) and all(
        length > 0 and wanted in (-1, length)
        for length, wanted in zip(shape, spec.shape, strict=True)
    )
    if not fits:
        raise BadRequest(
            f"input {spec.name!r} has shape {list(shape[:MOST_DIMENSIONS])}; the model takes "
            f"{list(spec.shape)}, where -1 is any length from 1"
        )


def _flat(name: str, shape: Sequence[int], data: Sequence[Any]) -> Sequence[Any]:
    """Return the values in row-major order; nested ones must be nested exactly as the shape is."""
    if not any(isinstance(value, list) for value in data):
        return data
    level: list[Any] = [data]
    for length in shape:
        if any(not isinstance(part, list) or len(part) != length for part in level):
            raise BadRequest(f"input {name!r} is nested otherwise than its shape {list(shape)}")
        level = [value for part in level for value in part]
    return level


def _array(spec: TensorSpec, values: Sequence[Any]) -> Array:
    dtype = DATATYPES[spec.datatype]
    if spec.datatype == "BYTES":
        _check_types(spec, values, {str}, "text")
        return np.array(values, dtype=dtype)
    types, words = _KINDS[spec.datatype[0]]
    _check_types(spec, values, types, words)
    if spec.datatype[0] in "UI":
        limits = np.iinfo(dtype)
        if not limits.min <= min(values) <= max(values) <= limits.max:
            raise _too_large(spec)
        return np.array(values, dtype=dtype)
    if spec.datatype[0] == "B":
        return np.array(values, dtype=dtype)
    try:
        with np.errstate(over="ignore"):
            array = np.array(values, dtype=np.float64).astype(dtype)
    except OverflowError:
        raise _too_large(spec) from None
    if not np.isfinite(array).all():
        raise _too_large(spec)
    return array


def _check_types(spec: TensorSpec, values: Sequence[Any], types: set[type], words: str) -> None:
    if wrong := set(map(type, values)) - types:
        found = sorted("null" if kind is type(None) else kind.__name__ for kind in wrong)
        raise BadRequest(
            f"input {spec.name!r} has a value of type {found[0]}; {spec.datatype} takes {words}"
        )


def _too_large(spec: TensorSpec) -> BadRequest:
    return BadRequest(f"input {spec.name!r} has a value that {spec.datatype} cannot hold")
