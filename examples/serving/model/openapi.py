"""The description of the paths, in the terms of OpenAPI."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel

from examples.serving.model.tensors import DATATYPES


class Live(BaseModel):
    """That the process works."""

    live: bool


class ServerMetadata(BaseModel):
    """What the server says of itself."""

    name: str
    version: str
    extensions: list[str]


class TensorMetadata(BaseModel):
    """A tensor of the model; -1 is a dimension of any length."""

    name: str
    datatype: str
    shape: list[int]


class ModelMetadata(BaseModel):
    """What the server says of its model."""

    name: str
    versions: list[str]
    platform: str
    inputs: list[TensorMetadata]
    outputs: list[TensorMetadata]


class Ready(BaseModel):
    """Whether requests are taken; if not, why."""

    name: str | None = None
    ready: bool
    error: str | None = None


class Problem(BaseModel):
    """An answer that is an error."""

    error: str


class OutputTensor(BaseModel):
    """A tensor of an answer, with its values in row-major order."""

    name: str
    datatype: str
    shape: list[int]
    data: list[bool | int | float | str]


class InferResponse(BaseModel):
    """The answer to an inference request."""

    model_name: str
    model_version: str
    id: str | None = None
    outputs: list[OutputTensor]


_PROBLEM: dict[str, Any] = {"model": Problem}
READY_RESPONSES: dict[int | str, dict[str, Any]] = {
    200: {"model": Ready},
    404: _PROBLEM,
    503: {"model": Ready},
}
METADATA_RESPONSES: dict[int | str, dict[str, Any]] = {
    200: {"model": ModelMetadata},
    404: _PROBLEM,
    503: _PROBLEM,
}
INFER_RESPONSES: dict[int | str, dict[str, Any]] = {
    200: {"model": InferResponse},
    **dict.fromkeys((400, 401, 404, 408, 413, 503), _PROBLEM),
}
_NAME = {"type": "string"}
_PARAMETERS = {"type": "object", "additionalProperties": True}
INFER_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {
                "schema": {
                    "type": "object",
                    "required": ["inputs"],
                    "properties": {
                        "id": {"type": "string"},
                        "parameters": _PARAMETERS,
                        "inputs": {
                            "type": "array",
                            "items": {
                                "type": "object",
                                "required": ["name", "shape", "datatype", "data"],
                                "properties": {
                                    "name": _NAME,
                                    "shape": {"type": "array", "items": {"type": "integer"}},
                                    "datatype": {"enum": sorted(DATATYPES)},
                                    "data": {"type": "array"},
                                    "parameters": _PARAMETERS,
                                },
                            },
                        },
                        "outputs": {
                            "type": "array",
                            "items": {
                                "type": "object",
                                "required": ["name"],
                                "properties": {"name": _NAME, "parameters": _PARAMETERS},
                            },
                        },
                    },
                }
            }
        },
    }
}
