"""Messages of the Open Inference Protocol V2, in JSON, for one model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from examples.serving.model.errors import BadRequest
from examples.serving.model.tensors import Array, TensorSpec, decode, encode
from mapreduce.version import VERSION

MESSAGE_LIMIT = 300


class InputTensor(msgspec.Struct, frozen=True):
    """A tensor of a request."""

    name: str
    shape: list[int]
    datatype: str
    data: list[Any]
    parameters: dict[str, Any] = {}


class RequestedOutput(msgspec.Struct, frozen=True):
    """An output that the caller wants."""

    name: str
    parameters: dict[str, Any] = {}


class InferRequest(msgspec.Struct, frozen=True):
    """An inference request: the inputs, and which outputs are wanted (none named: all)."""

    inputs: list[InputTensor]
    id: str = ""
    parameters: dict[str, Any] = {}
    outputs: list[RequestedOutput] = []


_REQUESTS = msgspec.json.Decoder(InferRequest)


@dataclass(frozen=True, slots=True)
class Inference:
    """A request that the model can take.

    Attributes:
        request_id: the caller's, or "".
        inputs: an array for each input of the model.
        outputs: the wanted outputs, in the caller's order.
    """

    request_id: str
    inputs: Mapping[str, Array]
    outputs: tuple[TensorSpec, ...]


def parse_request(
    body: bytes, inputs: Sequence[TensorSpec], outputs: Sequence[TensorSpec]
) -> Inference:
    """Return a request for a model with these inputs and outputs.

    Raises:
        BadRequest: no JSON of the protocol, or the model cannot take it.
    """
    try:
        request = _REQUESTS.decode(body)
    except (msgspec.MsgspecError, RecursionError) as exc:
        raise BadRequest(f"the body is no inference request: {str(exc)[:MESSAGE_LIMIT]}") from exc
    except UnicodeDecodeError as exc:
        raise BadRequest("the body is no inference request: it is not UTF-8") from exc
    given = {tensor.name: tensor for tensor in request.inputs}
    if len(given) != len(request.inputs):
        raise BadRequest("an input is there twice")
    _check_names("input", given, inputs)
    if missing := [spec.name for spec in inputs if spec.name not in given]:
        raise BadRequest(f"the request has no input {missing[0]!r}")
    arrays = {
        spec.name: decode(spec, tensor.datatype, tensor.shape, tensor.data)
        for spec in inputs
        for tensor in (given[spec.name],)
    }
    by_name = {spec.name: spec for spec in outputs}
    wanted = list(dict.fromkeys(output.name for output in request.outputs)) or list(by_name)
    _check_names("output", wanted, outputs)
    if len({array.shape[0] for name, array in arrays.items() if _has_rows(name, inputs)}) > 1:
        raise BadRequest("the inputs differ in their number of rows")
    return Inference(request.id, arrays, tuple(by_name[name] for name in wanted))


def answer(inference: Inference, name: str, version: str, results: Mapping[str, Array]) -> bytes:
    """Return the answer to a request.

    Raises:
        BadRequest: a result is one that JSON cannot carry.
    """
    message: dict[str, Any] = {"model_name": name, "model_version": version}
    if inference.request_id:
        message["id"] = inference.request_id
    message["outputs"] = [encode(spec, results[spec.name]) for spec in inference.outputs]
    return msgspec.json.encode(message)


def server_metadata() -> dict[str, Any]:
    """Return what the server says of itself."""
    return {"name": "mapreduce-on-fargate serving", "version": VERSION, "extensions": []}


def model_metadata(
    name: str, version: str, inputs: Sequence[TensorSpec], outputs: Sequence[TensorSpec]
) -> dict[str, Any]:
    """Return what the server says of its model."""
    return {
        "name": name,
        "versions": [version],
        "platform": "onnx_onnxv1",
        "inputs": [_described(spec) for spec in inputs],
        "outputs": [_described(spec) for spec in outputs],
    }


def error_body(message: str) -> dict[str, str]:
    """Return the body of any answer that is an error."""
    return {"error": message}


def _described(spec: TensorSpec) -> dict[str, Any]:
    return {"name": spec.name, "datatype": spec.datatype, "shape": list(spec.shape)}


def _has_rows(name: str, specs: Sequence[TensorSpec]) -> bool:
    return next(spec.has_rows for spec in specs if spec.name == name)


def _check_names(
    what: str, names: Sequence[str] | Mapping[str, Any], specs: Sequence[TensorSpec]
) -> None:
    known = [spec.name for spec in specs]
    if unknown := [name for name in names if name not in known]:
        raise BadRequest(
            f"the model has no {what} {unknown[0][:100]!r}; it has {', '.join(map(repr, known))}"
        )
