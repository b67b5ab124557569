"""Write a trained network as an ONNX file to the store, where the serving example finds it.

    models/<name>/<version>/<sha256>.onnx    the file, named by its digest
    models/<name>/<version>/model.json       which file that version is: created once, last

A version is one model for ever: another model needs another version.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from examples.parameter_server.checkpoint import Outcome, Runs, fingerprint
from examples.parameter_server.data import CLASSES, PIXELS
from examples.parameter_server.models import SCALE, Network, Vector, dense_layers, model_named
from mapreduce.errors import ObjectExists, OutputLost, UsageError
from mapreduce.storage import Storage, open_storage
from mapreduce.version import VERSION

INPUT, PROBABILITIES, DIGIT = "pixels", "probabilities", "digit"
OPSET, IR_VERSION = 17, 8
"""Of 2022: every ONNX runtime since then reads the file."""
INPUTS: Final = [{"name": INPUT, "datatype": "FP32", "shape": [-1, PIXELS]}]
OUTPUTS: Final = [
    {"name": PROBABILITIES, "datatype": "FP32", "shape": [-1, CLASSES]},
    {"name": DIGIT, "datatype": "INT64", "shape": [-1]},
]
_NAME: Final = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,62}[A-Za-z0-9])?")


@dataclass(frozen=True, slots=True)
class Exported:
    """A version of a model in the store: URL of its description, digest and size of its file."""

    url: str
    sha256: str
    size_bytes: int


def main(arguments: Sequence[str]) -> int:
    """Export the model of a run that is done; print where it is as JSON."""
    parsed = _parser().parse_args(arguments)
    storage, store = _opened(parsed.store)
    outcome, theta = trained(storage, store, parsed.run)
    network = model_named(outcome.spec.model)
    if not isinstance(network, Network):
        raise UsageError(f"a model {outcome.spec.model!r} answers nothing; export another run")
    made = write_model(storage, store, parsed.name, parsed.version, network, theta)
    print(json.dumps({"run": outcome.run, **asdict(made), **outcome.evaluation}, indent=2))
    return 0


def trained(storage: Storage, store: str, run: str | None) -> tuple[Outcome, Vector]:
    """Return how a run has ended, and its parameters.

    Args:
        storage: the objects.
        store: URL of the store.
        run: the run's name; None for the newest that is done.

    Raises:
        UsageError: there is no such run, or it is not done.
        OutputLost: the parameters are not those that the run has ended with.
    """
    runs = Runs(storage, store)
    names = [run] if run else sorted(storage.folders(f"{store.rstrip('/')}/training/"))[::-1]
    for name in names:
        outcome = runs.outcome(name)
        if outcome is None or outcome.problem:
            continue
        theta = runs.parameters(outcome.parts)
        if fingerprint(theta) != outcome.sha256:
            raise OutputLost(f"the parameters of run {name} are not those that it has ended with")
        return outcome, theta
    which = f"no run {run} that is done" if run else "no run that is done"
    raise UsageError(f"{store} has {which}; train with --store, and give the same --store here")


def _opened(store: str | None) -> tuple[Storage, str]:
    """Return the storage, and the URL of the store: that of the deployed stack if None."""
    if store and not store.startswith("s3://"):
        return open_storage(), f"file://{Path(store.removeprefix('file://')).resolve()}"
    # imported at first use: a laptop's training does without AWS
    from examples.parameter_server.deployed import credentials, deployed

    if store:
        return open_storage(credentials=credentials()), store
    stack = deployed()
    return open_storage(credentials=credentials(), region=stack.region), f"s3://{stack.bucket}"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m examples.parameter_server export")
    parser.add_argument(
        "--store",
        help="folder or s3://bucket that the run was trained with (default: the bucket of the "
        "deployed stack)",
    )
    parser.add_argument("--run", help="name of the run (default: the newest that is done)")
    parser.add_argument("--name", default="digits", help="name of the model (default digits)")
    parser.add_argument("--version", default="1", help="version of the model (default 1)")
    return parser


def onnx_bytes(network: Network, theta: Vector) -> bytes:
    """Return a network as an ONNX file: pixels (0 to 16) in, probabilities and digit out.

    The same parameters give the same bytes.

    Args:
        network: the model.
        theta: its trained parameters.

    Raises:
        UsageError: a parameter is not finite.
    """
    # on a laptop only: the images do without this package
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    if not np.isfinite(theta).all():
        raise UsageError("the model has a parameter that is NaN or infinite; train it again")
    constants, nodes, value = _layers(network, theta)
    nodes += [
        helper.make_node("Softmax", [value], [PROBABILITIES], axis=1),
        helper.make_node("ArgMax", [PROBABILITIES], [DIGIT], axis=1, keepdims=0),
    ]
    graph = helper.make_graph(
        nodes,
        "digits",
        [helper.make_tensor_value_info(INPUT, TensorProto.FLOAT, ["N", PIXELS])],
        [
            helper.make_tensor_value_info(PROBABILITIES, TensorProto.FLOAT, ["N", CLASSES]),
            helper.make_tensor_value_info(DIGIT, TensorProto.INT64, ["N"]),
        ],
        [numpy_helper.from_array(each.astype(np.float32), name) for name, each in constants],
    )
    model = helper.make_model(
        graph,
        producer_name="parameter_server",
        producer_version=VERSION,
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
    )
    onnx.checker.check_model(model, full_check=True)
    return bytes(model.SerializeToString(deterministic=True))


def _layers(network: Network, theta: Vector) -> tuple[list[tuple[str, Vector]], list[Any], str]:
    """Return the constants and nodes up to the scores, and the name of the scores."""
    from onnx import helper

    constants = [("mean", network.mean), ("scale", np.array(SCALE))]
    nodes = [
        helper.make_node("Sub", [INPUT, "mean"], ["centred"]),
        helper.make_node("Div", ["centred", "scale"], ["scaled"]),
    ]
    value, dense = "scaled", list(dense_layers(network.layers, theta))
    for number, (weights, bias) in enumerate(dense, start=1):
        names = [f"weights_{number}", f"bias_{number}"]
        constants += zip(names, (weights, bias), strict=True)
        nodes.append(helper.make_node("Gemm", [value, *names], [f"scores_{number}"]))
        value = f"scores_{number}"
        if number < len(dense):
            nodes.append(helper.make_node("Relu", [value], [f"hidden_{number}"]))
            value = f"hidden_{number}"
    return constants, nodes, value


def write_model(
    storage: Storage, store: str, name: str, version: str, network: Network, theta: Vector
) -> Exported:
    """Write a version of a model; the same model again changes nothing.

    Args:
        storage: the objects.
        store: URL of the store.
        name: of the model: a part of the serving example's paths.
        version: of the model.
        network: the model.
        theta: its trained parameters.

    Raises:
        UsageError: the name or version cannot be part of a path, or the version is another model.
    """
    for option, text in (("--name", name), ("--version", version)):
        if not _NAME.fullmatch(text):
            raise UsageError(
                f"{option} {text!r} cannot be part of a path; write up to 64 letters, digits, "
                "dots, hyphens and underscores, with a letter or digit at both ends"
            )
    content = onnx_bytes(network, theta)
    sha256 = hashlib.sha256(content).hexdigest()
    folder = f"{store.rstrip('/')}/models/{name}/{version}"
    description = {
        "sha256": sha256,
        "inputs": INPUTS,
        "outputs": OUTPUTS,
        "accuracy": network.evaluate(theta)["accuracy"],
    }
    _create(storage, f"{folder}/{sha256}.onnx", content)
    try:
        _create(storage, f"{folder}/model.json", json.dumps(description, indent=2).encode() + b"\n")
    except ObjectExists as exc:
        raise UsageError(
            f"{folder}/model.json describes another model; a version never changes: choose "
            "another --version"
        ) from exc
    return Exported(f"{folder}/model.json", sha256, len(content))


def _create(storage: Storage, url: str, content: bytes) -> None:
    """Create an object; one that has the same bytes already will do."""
    try:
        storage.create(url, content)
    except ObjectExists:
        if storage.read(url) != content:
            raise
