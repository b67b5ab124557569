"""The base images that Dockerfiles name, and their digests there."""

from __future__ import annotations

import pytest

from driver.cloud.deploy.base_images import (
    DOCKER_HUB,
    BaseImage,
    base_images,
    not_replaced,
    with_digests,
)
from mapreduce.errors import UsageError

OLD, NEW = f"sha256:{'a' * 64}", f"sha256:{'b' * 64}"
GALLERY = "public.ecr.aws/docker/library/python"
TEXT = f"""# the base
ARG PYTHON_IMAGE={GALLERY}:3.11-slim
ARG BUILDER_IMAGE={GALLERY}:3.11@{OLD}
ARG LEVEL=1
FROM ${{PYTHON_IMAGE}}
"""
BASE = BaseImage("PYTHON_IMAGE", f"{GALLERY}:3.11-slim", None)
BUILDER = BaseImage("BUILDER_IMAGE", f"{GALLERY}:3.11", OLD)


def test_images_are_found_once() -> None:
    """The images are those of the ARG lines that end in _IMAGE, each once for all Dockerfiles."""
    assert [BASE, BUILDER] == base_images([TEXT, TEXT])


def test_digests_are_written_behind_the_tags() -> None:
    """A digest is added or replaced, and nothing else changes; an unknown image stays."""
    both = with_digests(TEXT, {BASE.tagged: NEW, BUILDER.tagged: NEW})
    assert both == TEXT.replace("3.11-slim\n", f"3.11-slim@{NEW}\n").replace(OLD, NEW)
    assert TEXT == with_digests(TEXT, {"python:3.11": NEW})
    assert both == with_digests(both, {BASE.tagged: NEW})


@pytest.mark.parametrize(
    ("name", "registry", "repository", "tag"),
    [
        (f"{GALLERY}:3.11", "public.ecr.aws", "docker/library/python", "3.11"),
        ("python:3.11", DOCKER_HUB, "library/python", "3.11"),
        ("me/python:3", DOCKER_HUB, "me/python", "3"),
        ("127.0.0.1:5000/a/b:c", "127.0.0.1:5000", "a/b", "c"),
        ("localhost/b:c", "localhost", "b", "c"),
    ],
)
def test_the_registry_of_a_name(name: str, registry: str, repository: str, tag: str) -> None:
    """A name without a host is Docker Hub's, as Docker has it."""
    image = BaseImage("PYTHON_IMAGE", name, None)
    assert (registry, repository, tag) == (image.registry, image.repository, image.tag)


def test_a_reference_has_the_digest() -> None:
    """A reference is the name, and the digest if there is one."""
    assert f"{GALLERY}:3.11@{OLD}" == BUILDER.reference
    assert f"{GALLERY}:3.11-slim" == BASE.reference


@pytest.mark.parametrize(
    "name", ["python@sha256:12", "python", "localhost:5000/python", "a:b@md5:1"]
)
def test_a_name_that_no_tag_can_be_read_from_is_refused(name: str) -> None:
    """A name without a tag, and a digest that is none, are refused with the name."""
    with pytest.raises(UsageError, match="PYTHON_IMAGE="):
        base_images([f"ARG PYTHON_IMAGE={name}"])


@pytest.mark.parametrize(
    "options", ["--build-arg {}", "--build-arg={}", "-q --build-arg {} --pull"]
)
def test_an_image_that_the_build_replaces_is_left_out(options: str) -> None:
    """An image that a build argument replaces needs no digest; the other one does."""
    images = [BASE, BUILDER]
    assert [BUILDER] == not_replaced(images, options.format("PYTHON_IMAGE=mirror/python:3"))
    assert images == not_replaced(images, options.format("OTHER_PYTHON_IMAGE=x"))
