"""`stack base-images` and `stack image-digests`, with scripted registries."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from driver.cli import stack_images
from driver.cloud.deploy.base_images import BaseImage
from driver.cloud.deploy.images import Image
from tests.unit.driver.cli.conftest import Command

OLD, NEW = f"sha256:{'a' * 64}", f"sha256:{'b' * 64}"
TEXT = "ARG PYTHON_IMAGE=python:3-slim\nARG BUILDER_IMAGE=python:3@{}\nFROM x\n"


@pytest.fixture
def dockerfile(home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A Dockerfile with one digest, and a registry whose tags all name another image."""
    file = home / "services" / "mapper" / "Dockerfile"
    file.parent.mkdir(parents=True)
    file.write_text(TEXT.format(OLD))
    monkeypatch.setattr(stack_images, "ROOT", home)
    monkeypatch.setattr("driver.cloud.deploy.registry.digest_of", lambda _: NEW)
    monkeypatch.delenv("MAPREDUCE_BUILD_OPTIONS", raising=False)
    return file


def test_check_writes_nothing(command: Command, dockerfile: Path) -> None:
    """--check ends with 1, and prints the command; the file stays as it is."""
    said = command("stack", "base-images", "--check")
    assert (1, TEXT.format(OLD)) == (said.code, dockerfile.read_text())
    assert f"python:3: {OLD} -> {NEW}" in said.out
    assert f"python:3-slim: no digest -> {NEW}" in said.out
    assert "to take them: python -m driver stack base-images" in said.out


def test_all_digests_are_written(command: Command, dockerfile: Path) -> None:
    """Without options all digests are written; then there is nothing newer."""
    assert 0 == command("stack", "base-images").code
    assert TEXT.format(NEW).replace("3-slim", f"3-slim@{NEW}") == dockerfile.read_text()
    said = command("stack", "base-images", "--check")
    assert (0, 2) == (said.code, said.out.count(f"{NEW} is the newest"))


def test_missing_digests_alone_are_written(
    command: Command, dockerfile: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """--missing keeps a digest, and asks nothing where the build replaces an image."""
    monkeypatch.setenv("MAPREDUCE_BUILD_OPTIONS", "--build-arg PYTHON_IMAGE=mine:1")
    assert 0 == command("stack", "base-images", "--missing").code
    assert TEXT.format(OLD) == dockerfile.read_text()
    monkeypatch.delenv("MAPREDUCE_BUILD_OPTIONS")
    assert 0 == command("stack", "base-images", "--missing").code
    assert TEXT.format(OLD).replace("3-slim", f"3-slim@{NEW}") == dockerfile.read_text()
    assert 2 == command("stack", "base-images", "--missing", "--check").code


def test_nothing_is_written_when_one_image_is_unknown(
    command: Command, dockerfile: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If one image cannot be looked up, no digest is written: the two images fit together."""

    def fails(image: BaseImage) -> str:
        if image.argument == "BUILDER_IMAGE":
            from mapreduce.errors import FleetError

            raise FleetError("gone")
        return NEW

    monkeypatch.setattr("driver.cloud.deploy.registry.digest_of", fails)
    assert 3 == command("stack", "base-images").code
    assert TEXT.format(OLD) == dockerfile.read_text()


@pytest.fixture
def settings(home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The settings of a deployment whose images are pushed."""
    file = home / "terraform" / "deploy.next.tfvars.json"
    file.parent.mkdir()
    file.write_text('{"region": "eu-north-1", "image_tag": "t", "mapper_count": 7}')
    images = [Image("mapper", "r/m:t", OLD), Image("reducer", "r/r:t", NEW)]
    monkeypatch.setattr("driver.cloud.deploy.images.images_of", lambda *_: images)
    monkeypatch.delenv("MAPREDUCE_REGISTRY_HOST", raising=False)
    return file


def test_digests_are_added_to_the_settings(command: Command, settings: Path) -> None:
    """The digests are added by role; the other settings stay."""
    assert 0 == command("stack", "image-digests").code
    written = json.loads(settings.read_text())
    assert {"mapper": OLD, "reducer": NEW} == written["image_digests"]
    assert ("t", 7) == (written["image_tag"], written["mapper_count"])


def test_a_missing_image_adds_no_digest(
    command: Command, settings: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If an image is not in the registry, the exit code is 3 and no digest is added."""
    missing = [Image("mapper", "r/m:t", OLD), Image("reducer", "r/r:t", None)]
    monkeypatch.setattr("driver.cloud.deploy.images.images_of", lambda *_: missing)
    said = command("stack", "image-digests")
    assert (3, True) == (said.code, "r/r:t is not in the registry" in said.err)
    assert "image_digests" not in json.loads(settings.read_text())


def test_images_of_another_host_are_named_by_tag(
    command: Command, settings: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With an emulator's registry there are no digests: its Docker knows the images by tag."""
    monkeypatch.setenv("MAPREDUCE_REGISTRY_HOST", "127.0.0.1:5000")
    before = settings.read_text()
    said = command("stack", "image-digests")
    assert (0, before) == (said.code, settings.read_text())
    assert "by tag" in said.err
