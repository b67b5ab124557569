"""`stack base-images` against Debian's image registry, on loopback."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from driver.cli import stack_images
from driver.cli.app import exit_code
from driver.cloud.deploy.base_images import DIGEST, BaseImage
from driver.cloud.deploy.registry import INDEX_TYPES, digest_of
from mapreduce.errors import FleetError
from tests.e2e.log import CannotRun
from tests.e2e.registry import Registry, registry

ROOT = Path(__file__).resolve().parents[2]
CONFIG = b"{}"
IMAGE_TYPE = "application/vnd.oci.image.manifest.v1+json"


@pytest.fixture(scope="module", params=[False, True], ids=["open", "token"])
def place(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Registry]:
    """A registry that anyone may read; then one that asks for a token, as the public gallery."""
    try:
        with registry(tmp_path_factory.mktemp("registry") / "data", token=request.param) as running:
            yield running
    except CannotRun as exc:
        pytest.skip(f"BASE IMAGES ARE NOT TESTED: {exc}")


def _push(place: Registry, name: str, architectures: tuple[str, ...]) -> str:
    """Push an index of empty images under repository:tag; return its digest."""
    repository, _, tag = name.partition(":")
    digest = f"sha256:{hashlib.sha256(CONFIG).hexdigest()}"
    kind = "application/vnd.oci.image.config.v1+json"
    url = f"/v2/{repository}/blobs/uploads/"
    upload = place.ask("POST", url, b"", {})[1]["Location"]
    place.ask(
        "PUT", f"{upload}&digest={digest}", CONFIG, {"Content-Type": "application/octet-stream"}
    )
    config = {"mediaType": kind, "digest": digest, "size": len(CONFIG)}
    manifests = []
    for architecture in architectures:
        body = {
            "schemaVersion": 2,
            "mediaType": IMAGE_TYPE,
            "config": config,
            "layers": [],
            "annotations": {"of": f"{tag} {architecture}"},
        }
        data = json.dumps(body).encode()
        one = f"sha256:{hashlib.sha256(data).hexdigest()}"
        place.ask("PUT", f"/v2/{repository}/manifests/{one}", data, {"Content-Type": IMAGE_TYPE})
        platform = {"architecture": architecture, "os": "linux"}
        manifests.append(
            {"mediaType": IMAGE_TYPE, "digest": one, "size": len(data), "platform": platform}
        )
    index = {"schemaVersion": 2, "mediaType": INDEX_TYPES[0], "manifests": manifests}
    data = json.dumps(index).encode()
    place.ask(
        "PUT", f"/v2/{name.replace(':', '/manifests/')}", data, {"Content-Type": INDEX_TYPES[0]}
    )
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


@pytest.fixture
def checkout(place: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkout whose Dockerfiles name images of the registry, by tag."""
    for role in ("splitter", "mapper", "reducer"):
        folder = tmp_path / "services" / role
        folder.mkdir(parents=True)
        text = (ROOT / "services" / role / "Dockerfile").read_text()
        text = text.replace("public.ecr.aws/docker", f"{place.host}/docker")
        (folder / "Dockerfile").write_text(re.sub(f"@{DIGEST.pattern}", "", text))
    monkeypatch.setattr(stack_images, "ROOT", tmp_path)
    monkeypatch.delenv("MAPREDUCE_BUILD_OPTIONS", raising=False)
    return tmp_path


def _texts(checkout: Path) -> set[str]:
    """Return the Dockerfiles without their last lines; they are the same."""
    files = checkout.glob("services/*/Dockerfile")
    return {file.read_text().rpartition("\n")[0].rpartition("\n")[0] for file in files}


def test_digests_are_written_and_looked_at_again(
    checkout: Path, place: Registry, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without digests --check ends with 1; the command writes them into all Dockerfiles, so that
    --check ends with 0 until a tag moves.
    """
    name = "docker/library/python"
    slim = _push(place, f"{name}:3.11-slim-bookworm", ("amd64", "arm64"))
    full = _push(place, f"{name}:3.11-bookworm", ("amd64", "arm64", "s390x"))
    before = _texts(checkout)
    assert 1 == exit_code(["stack", "base-images", "--check"])
    assert before == _texts(checkout)
    assert 0 == exit_code(["stack", "base-images"])
    (text,) = _texts(checkout)
    assert f"ARG PYTHON_IMAGE={place.host}/{name}:3.11-slim-bookworm@{slim}\n" in text
    assert f"ARG BUILDER_IMAGE={place.host}/{name}:3.11-bookworm@{full}\n" in text
    assert 0 == exit_code(["stack", "base-images", "--check"])
    moved = _push(place, f"{name}:3.11-bookworm", ("arm64", "amd64"))
    assert 1 == exit_code(["stack", "base-images", "--check"])
    assert f"{full} -> {moved}" in capsys.readouterr().out
    assert 0 == exit_code(["stack", "base-images", "--missing"])
    assert {text} == _texts(checkout)
    assert 0 == exit_code(["stack", "base-images"])
    assert {text.replace(full, moved)} == _texts(checkout)


def test_an_image_that_the_build_replaces_is_not_asked_for(
    checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With --missing, base images that the build options replace need no registry."""
    before = _texts(checkout)
    options = "--build-arg PYTHON_IMAGE=a:1 --build-arg BUILDER_IMAGE=b:1"
    monkeypatch.setenv("MAPREDUCE_BUILD_OPTIONS", options)
    monkeypatch.setattr("urllib.request.urlopen", lambda *_, **__: pytest.fail("asked"))
    assert 0 == exit_code(["stack", "base-images", "--missing"])
    assert before == _texts(checkout)


def test_an_image_of_one_architecture_is_refused(place: Registry) -> None:
    """An index without ARM64, and a tag that is not there, are errors that name the image."""
    _push(place, "small/python:1", ("amd64",))
    with pytest.raises(FleetError, match=r"small/python:1 has no image for arm64"):
        digest_of(BaseImage("PYTHON_IMAGE", f"{place.host}/small/python:1", None))
    with pytest.raises(FleetError, match=r"answers 404 .*small/python:2; correct the name"):
        digest_of(BaseImage("PYTHON_IMAGE", f"{place.host}/small/python:2", None))


def test_a_registry_that_cannot_be_reached_is_named() -> None:
    """A registry without an answer is an error with the registry and the image."""
    image = BaseImage("PYTHON_IMAGE", "127.0.0.1:9/python:3", None)
    with pytest.raises(FleetError, match=r"127\.0\.0\.1:9 cannot be asked for .*python:3"):
        digest_of(image)
