"""The whole service on a laptop: the command line, and what each process gets."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from examples.serving import laptop
from examples.serving.__main__ import main
from examples.serving.laptop import Options, announcement, store_url

OPTIONS = Options(
    machines=2, containers=2, port=8080, store="file:///s", name="digits", version="1"
)


def test_each_container_is_a_process_and_the_router_knows_all(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Two machines of two containers are four model servers, named by machine and container."""
    started: dict[str, dict[str, str]] = {}
    monkeypatch.setenv("ROUTER_POLICY", "random")
    monkeypatch.setattr(
        laptop, "program", lambda name, _, environment: started.update({name: environment})
    )
    laptop.members_of(OPTIONS, [1, 2, 3, 4], "k" * 32)
    assert list(started) == [
        "machine-1/container-1",
        "machine-1/container-2",
        "machine-2/container-1",
        "machine-2/container-2",
        "router",
    ]
    router = started["router"]
    assert router["ROUTER_MODELS"] == "127.0.0.1:1,127.0.0.1:2,127.0.0.1:3,127.0.0.1:4"
    # a variable of the user's shell does not change what the options say
    assert router["ROUTER_POLICY"] == "least"
    model = started["machine-2/container-1"]
    assert model["MODEL_PORT"] == "3"
    assert model["MODEL_SERVED_BY"] == "machine-2/container-1"
    assert model["MODEL_SIGNING_KEY"] == router["ROUTER_SIGNING_KEY"]


@pytest.mark.parametrize(("shadow", "group"), [(False, "CANARY"), (True, "SHADOW")])
def test_another_version_has_a_machine_of_its_own(
    monkeypatch: pytest.MonkeyPatch, shadow: bool, group: str
) -> None:
    """A canary's containers are in a group of their own, with its version."""
    started: dict[str, dict[str, str]] = {}
    monkeypatch.setattr(
        laptop, "program", lambda name, _, environment: started.update({name: environment})
    )
    options = Options(
        machines=1,
        containers=1,
        port=8080,
        store="file:///s",
        name="digits",
        version="1",
        canary="2",
        shadow=shadow,
    )
    laptop.members_of(options, [1, 2], "k" * 32)
    assert started["canary/container-1"]["MODEL_VERSION"] == "2"
    assert started["router"]["ROUTER_MODELS"] == "127.0.0.1:1"
    assert started["router"][f"ROUTER_{group}"] == "127.0.0.1:2"


def test_the_first_lines_tell_what_to_do() -> None:
    """A user sees the address, a request to paste, and how to stop."""
    text = announcement(OPTIONS, Path("/l/serving.log"), Path("/l/example.json"))
    assert "2 machines x 2 containers" in text
    assert "curl -i http://127.0.0.1:8080/v2/models/digits/infer -d @/l/example.json" in text
    assert "python -m examples.serving load --port 8080 --name digits\n" in text
    assert text.endswith("Ctrl-C stops everything\n")


def test_a_store_is_a_url_or_a_folder(tmp_path: Path) -> None:
    """A folder becomes a URL, and a URL stays one."""
    assert store_url("s3://bucket/") == "s3://bucket"
    assert store_url(str(tmp_path)) == f"file://{tmp_path}"


def test_a_store_without_the_version_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The error says which version is missing and how to put it; nothing is started."""
    assert main(["--store", str(tmp_path), "--version", "7"]) == 2
    said = capsys.readouterr().err
    assert "no version 7 of the model digits" in said
    assert f"python -m examples.serving put --store file://{tmp_path}" in said


def test_a_model_file_that_is_missing_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The error names the file."""
    assert main(["put", "--store", str(tmp_path), "--model", str(tmp_path / "no.onnx")]) == 2
    assert "no.onnx cannot be read: No such file" in capsys.readouterr().err


def test_a_file_that_is_no_model_is_not_put(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A version is for ever, so what could never be served does not become one."""
    file, store = tmp_path / "README.md", tmp_path / "store"
    file.write_text("# no model")
    assert main(["put", "--store", str(store), "--model", str(file)]) == 2
    assert "README.md cannot be served: the file is no model" in capsys.readouterr().err
    assert not store.exists()


def test_a_damaged_description_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Neither `put` nor the service goes on over a model.json that cannot be read."""
    assert main(["put", "--store", str(tmp_path)]) == 0
    (tmp_path / "models/digits/1/model.json").write_text("{")
    assert main(["put", "--store", str(tmp_path)]) == 2
    assert "no description of a model" in capsys.readouterr().err
    assert main(["--store", str(tmp_path)]) != 0
    assert "no description of a model" in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [["put", "--store", ""], ["run", "--store", " "]])
def test_an_empty_store_is_refused(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """A variable that is not set does not mean the folder of the moment."""
    assert main(arguments) == 2
    assert "--store is empty" in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments",
    [
        *(["--port", port] for port in ("0", "99999", "x")),
        *(["--percent", percent] for percent in ("500", "-1", "nan")),
        ["--slow-ms", "-1"],
        ["--machines", "0"],
        ["load", "--rate", "0"],
        ["load", "--port", "65536"],
        *(["bench", "--slower", factor] for factor in ("0", "-1", "inf")),
    ],
    ids=" ".join,
)
def test_a_number_out_of_range_is_refused(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """The option is named, and nothing is started."""
    with pytest.raises(SystemExit, match="2"):
        main(arguments)
    assert f"argument {next(each for each in arguments if each[0] == '-')}: " in (
        capsys.readouterr().err
    )


def test_a_missing_package_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A fresh checkout has not the packages of the examples: the error says what installs them."""
    monkeypatch.setattr("examples.serving.__main__.find_spec", lambda _: None)
    assert main([]) == 2
    said = "No module named 'onnxruntime'; install what the examples need: make .venv/examples"
    assert said in capsys.readouterr().err


def test_too_many_containers_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    """A typing error starts no thousand processes."""
    assert main(["--machines", "1000"]) == 2
    assert "fewer --machines" in capsys.readouterr().err


def test_load_needs_a_service(capsys: pytest.CaptureFixture[str]) -> None:
    """Without one the error names the command that starts it."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    assert main(["load", "--port", str(port)]) == 2
    assert "start the service first: python -m examples.serving" in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [["--help"], ["load", "--help"], ["run", "--help"]])
def test_help(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """Each command explains itself."""
    with pytest.raises(SystemExit, match="0"):
        main(arguments)
    assert "usage: python -m examples.serving" in capsys.readouterr().out
