"""The exported file answers as the network does, and a version is one model for ever."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import onnxruntime
import pytest

from examples.parameter_server.checkpoint import Outcome, Runs, fingerprint
from examples.parameter_server.core.shard import Cut
from examples.parameter_server.core.spec import Counts, RunSpec
from examples.parameter_server.data import load, micro_batch_rows
from examples.parameter_server.export import main, onnx_bytes, write_model
from examples.parameter_server.models import Network, Vector, model_named
from mapreduce.errors import OutputLost, UsageError
from mapreduce.storage import open_storage


def _network(name: str) -> Network:
    model = model_named(name)
    assert isinstance(model, Network)
    return model


def _trained(model: Network) -> Vector:
    theta = model.init(1)
    for clock in range(60):
        rows = micro_batch_rows(1, clock, 0, 256, model.training_rows)
        theta = theta - 0.5 * model.gradient(theta, rows)[1]
    return theta


@pytest.mark.parametrize("name", ["softmax", "mlp"])
def test_the_file_answers_as_the_network_does(name: str) -> None:
    """For the held-out digits: the same class, and no probability more than 1e-5 off."""
    model = _network(name)
    theta, pixels = _trained(model), load()[1].pixels
    session = onnxruntime.InferenceSession(onnx_bytes(model, theta))
    probabilities, digits = session.run(
        ["probabilities", "digit"], {"pixels": pixels.astype(np.float32)}
    )
    expected = np.exp(model.log_probabilities(theta, pixels))
    assert np.abs(probabilities - expected).max() <= 1e-5
    assert expected.argmax(axis=1).tolist() == digits.tolist()
    assert (np.float32, np.int64) == (probabilities.dtype, digits.dtype)


def test_the_file_takes_any_number_of_images() -> None:
    """The inputs and outputs are named, typed and shaped as model.json says."""
    model = _network("mlp")
    session = onnxruntime.InferenceSession(onnx_bytes(model, model.init(0)))
    assert [("pixels", ["N", 64], "tensor(float)")] == [
        (each.name, each.shape, each.type) for each in session.get_inputs()
    ]
    assert [("probabilities", ["N", 10], "tensor(float)"), ("digit", ["N"], "tensor(int64)")] == [
        (each.name, each.shape, each.type) for each in session.get_outputs()
    ]
    one = session.run(["probabilities"], {"pixels": np.zeros((1, 64), np.float32)})[0]
    assert (1, 10) == one.shape


def test_the_layout_is_what_the_serving_example_reads(tmp_path: Path) -> None:
    """The file is named by its digest, and model.json names it with its tensors and accuracy."""
    model = _network("softmax")
    theta = _trained(model)
    made = write_model(open_storage(), f"file://{tmp_path}/", "digits", "1", model, theta)
    folder = tmp_path / "models" / "digits" / "1"
    described = json.loads((folder / "model.json").read_text())
    content = (folder / f"{described['sha256']}.onnx").read_bytes()
    assert made.sha256 == described["sha256"] == hashlib.sha256(content).hexdigest()
    assert f"file://{folder}/model.json" == made.url
    assert {"sha256", "inputs", "outputs", "accuracy"} == set(described)
    assert [{"name": "pixels", "datatype": "FP32", "shape": [-1, 64]}] == described["inputs"]
    assert model.evaluate(theta)["accuracy"] == described["accuracy"] > 0.8
    assert 2 == len(list(folder.iterdir()))


def test_the_same_model_again_changes_nothing_and_another_is_refused(tmp_path: Path) -> None:
    """A repeated export succeeds; another model under the same version is an error of the user."""
    model, storage, store = _network("softmax"), open_storage(), f"file://{tmp_path}"
    first = write_model(storage, store, "digits", "1", model, model.init(0))
    assert first == write_model(storage, store, "digits", "1", model, model.init(0))
    with pytest.raises(UsageError, match="another --version"):
        write_model(storage, store, "digits", "1", model, model.init(1))
    described = json.loads((tmp_path / "models/digits/1/model.json").read_text())
    assert first.sha256 == described["sha256"]


@pytest.mark.parametrize("name", ["", "../up", "a/b", "-x", "a" * 65, "ä"])
def test_a_name_that_cannot_be_part_of_a_path_is_refused(name: str) -> None:
    """Nothing is written under such a name."""
    model = _network("softmax")
    with pytest.raises(UsageError, match="--name"):
        write_model(open_storage(), "file:///nowhere", name, "1", model, model.init(0))


def test_a_model_that_is_not_finite_is_not_exported() -> None:
    """NaN in the parameters is refused."""
    model = _network("softmax")
    with pytest.raises(UsageError, match="train it again"):
        onnx_bytes(model, model.init(0) * np.nan)


def _done(folder: Path, run: str, theta: Vector, model: str = "softmax", sha256: str = "") -> Path:
    """Write a run that is done, in two parts; return the file of the second."""
    runs, half = Runs(open_storage(), f"file://{folder}"), len(theta) // 2
    spec = RunSpec(model=model, servers=2)
    runs.create(run, spec)
    parts = tuple(
        runs.write_part(run, 1, shard, Cut(300, each, np.zeros_like(each)))
        for shard, each in enumerate((theta[:half], theta[half:]))
    )
    runs.end(
        Outcome(
            run=run,
            spec=spec,
            version=300,
            counts=Counts(leased=1, applied=1),
            sha256=sha256 or fingerprint(theta),
            evaluation={"accuracy": 0.5},
            parts=parts,
        )
    )
    return Path(parts[1].url.removeprefix("file://"))


def test_export_takes_the_newest_run_that_is_done(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its parts are put together; a run that goes on, and one that is older, are passed over."""
    model = _network("softmax")
    _done(tmp_path, "2026-1", model.init(1))
    _done(tmp_path, "2026-2", model.init(2))
    Runs(open_storage(), f"file://{tmp_path}").create("2026-3", RunSpec())
    assert 0 == main(["--store", str(tmp_path), "--name", "d", "--version", "7"])
    told = json.loads(capsys.readouterr().out)
    sha256 = hashlib.sha256(onnx_bytes(model, model.init(2))).hexdigest()
    assert ("2026-2", sha256, 0.5) == (told["run"], told["sha256"], told["accuracy"])
    assert (tmp_path / f"models/d/7/{sha256}.onnx").is_file()


def test_export_refuses_what_is_not_whole(tmp_path: Path) -> None:
    """No run, a run that is not done, a part that has changed, a model that answers nothing."""
    with pytest.raises(UsageError, match="no run that is done"):
        main(["--store", str(tmp_path)])
    Runs(open_storage(), f"file://{tmp_path}").create("2026-1", RunSpec())
    with pytest.raises(UsageError, match="no run 2026-1 that is done"):
        main(["--store", str(tmp_path), "--run", "2026-1"])
    part = _done(tmp_path, "2026-2", _network("softmax").init(0))
    part.write_bytes(bytes(part.stat().st_size))
    with pytest.raises(OutputLost, match="has changed"):
        main(["--store", str(tmp_path)])
    _done(tmp_path, "2026-2b", _network("softmax").init(0), sha256="0" * 64)
    with pytest.raises(OutputLost, match="are not those"):
        main(["--store", str(tmp_path)])
    _done(tmp_path, "2026-3", model_named("waiting").init(0), "waiting")
    with pytest.raises(UsageError, match="answers nothing"):
        main(["--store", str(tmp_path)])
