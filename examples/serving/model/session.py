"""One ONNX model in memory: the entry point of onnxruntime.

One thread: a container has a share of a processor, and the server's other work needs its part.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import onnxruntime
import structlog

from examples.serving.model.errors import BadRequest
from examples.serving.model.tensors import DATATYPES, Array, TensorSpec
from examples.serving.model_store import ModelRefused

_DATATYPES = {
    "tensor(bool)": "BOOL",
    **{f"tensor(uint{bits})": f"UINT{bits}" for bits in (8, 16, 32, 64)},
    **{f"tensor(int{bits})": f"INT{bits}" for bits in (8, 16, 32, 64)},
    "tensor(float16)": "FP16",
    "tensor(float)": "FP32",
    "tensor(double)": "FP64",
    "tensor(string)": "BYTES",
}
"""The runtime's names of datatypes, and the protocol's."""
_FATAL = 4
ROWS = 4
"""Of the requests that show whether a model computes each row by itself."""
log = structlog.get_logger("examples.serving.model")


class Model:
    """A loaded model.

    Attributes:
        inputs, outputs: its tensors.
        has_rows: whether requests can share a run: the first dimension of each tensor counts rows,
            and no row changes the answer to another.
    """

    def __init__(self, session: onnxruntime.InferenceSession) -> None:
        self._session = session
        self.inputs = tuple(map(_spec, session.get_inputs()))
        self.outputs = tuple(map(_spec, session.get_outputs()))
        self._names = [spec.name for spec in self.outputs]
        self.has_rows = (
            bool(self.inputs)
            and all(spec.has_rows for spec in self.inputs + self.outputs)
            and self._computes_row_by_row()
        )

    def run(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """Return the value of each output.

        Raises:
            BadRequest: the model fails on these values, for example on an index out of range.
        """
        try:
            results = self._session.run(self._names, dict(inputs))
        except Exception as exc:
            raise BadRequest(f"the model failed on this request: {_one_line(exc)}") from exc
        return dict(zip(self._names, results, strict=True))

    def _computes_row_by_row(self) -> bool:
        """Return whether random rows have the same answers together and one by one.

        A dimension of any length may be that of a sequence: a model that mixes its parts would mix
        the requests of different callers.
        """
        random = np.random.default_rng(1)
        rows = {spec.name: _random_rows(spec, random) for spec in self.inputs}
        try:
            together = self.run(rows)
            apart = [
                self.run({name: array[row : row + 1] for name, array in rows.items()})
                for row in range(ROWS)
            ]
        except BadRequest as exc:
            log.warning("each request runs alone: the model fails on random rows", error=str(exc))
            return False
        for name, array in together.items():
            if not _are_same(array, [each[name] for each in apart]):
                log.warning("each request runs alone: the model mixes rows", output=name)
                return False
        return True


def load_model(data: bytes) -> Model:
    """Return the model of an ONNX file's bytes.

    Raises:
        ModelRefused: the bytes are no model, or one with tensors that the protocol does not have.
    """
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.log_severity_level = _FATAL
    try:
        session = onnxruntime.InferenceSession(
            data, sess_options=options, providers=["CPUExecutionProvider"]
        )
    except Exception as exc:
        raise ModelRefused(f"the file is no model that can be loaded: {_one_line(exc)}") from exc
    return Model(session)


def _spec(tensor: Any) -> TensorSpec:
    if tensor.type not in _DATATYPES:
        raise ModelRefused(
            f"the model's tensor {tensor.name!r} is a {tensor.type}, "
            "which the inference protocol does not have"
        )
    # a dimension is a number, or a name or None if any length fits
    shape = tuple(each if isinstance(each, int) else -1 for each in tensor.shape)
    return TensorSpec(tensor.name, _DATATYPES[tensor.type], shape)


def _random_rows(spec: TensorSpec, random: np.random.Generator) -> Array:
    shape = (ROWS, *(1 if length == -1 else length for length in spec.shape[1:]))
    # 0 and 1 fit every datatype, and are an index into nearly every table
    values = random.random(shape) if spec.datatype[0] == "F" else random.integers(0, 2, shape)
    text = values.astype(str) if spec.datatype == "BYTES" else values
    return text.astype(DATATYPES[spec.datatype])


def _are_same(together: Array, apart: Sequence[Array]) -> bool:
    if any(together.shape != (ROWS, *each.shape[1:]) or len(each) != 1 for each in apart):
        return False
    joined = np.concatenate(apart)
    if together.dtype.kind != "f":
        return bool((together == joined).all())
    # a batch of another length is added up in another order
    close = float(np.finfo(together.dtype).eps) ** 0.5
    return np.allclose(together, joined, rtol=close, atol=close * float(np.abs(joined).max()))


def _one_line(exc: Exception) -> str:
    return " ".join(str(exc).split())[:300]
