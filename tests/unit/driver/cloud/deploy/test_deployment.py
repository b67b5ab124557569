"""The decisions of deploy.sh, and the cost of a stack."""

from __future__ import annotations

from pathlib import Path

import pytest

from driver.cloud.deploy.deployment import (
    architecture_of,
    content_tag,
    merged_settings,
)
from driver.cloud.stack import Stack
from driver.cloud.system import tasks_of
from driver.forecast.pricing import ServiceSize, running_hour
from mapreduce.errors import UsageError
from tests.unit.driver.samples import STACK_VALUES, mapreduce

MAPREDUCE = mapreduce()


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A small copy of the files in the images."""
    for source in MAPREDUCE.sources:
        path = tmp_path / source / "a.py" if "." not in source else tmp_path / source
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("x = 1\n")
    return tmp_path


def test_the_tag_follows_the_content_and_nothing_else(tree: Path) -> None:
    """Of the files, the tag depends only on content and names; caches do not count."""
    tag = content_tag(tree, MAPREDUCE.sources, "X86_64", "")
    (tree / "mapreduce" / "__pycache__").mkdir()
    (tree / "mapreduce" / "__pycache__" / "a.pyc").write_bytes(b"x")
    (tree / "README.md").write_text("new")
    assert content_tag(tree, MAPREDUCE.sources, "X86_64", "") == tag
    tags = {tag}
    (tree / "services" / "a.py").write_text("x = 2\n")
    tags.add(content_tag(tree, MAPREDUCE.sources, "X86_64", ""))
    (tree / "services" / "a.py").rename(tree / "services" / "b.py")
    tags.add(content_tag(tree, MAPREDUCE.sources, "X86_64", ""))
    assert len(tags) == 3
    assert all(len(tag) == 12 for tag in tags)


def test_images_of_another_kind_have_another_tag(tree: Path) -> None:
    """Another architecture, base image or other build option gives another tag: the repositories'
    tags are immutable, so an image under the same tag would never be replaced.
    """
    base = "--build-arg PYTHON_IMAGE=python:3.11"
    tags = {
        content_tag(tree, MAPREDUCE.sources, architecture, options)
        for architecture in ("X86_64", "ARM64")
        for options in ("", base, f"{base}.9", f"{base} --pull")
    }
    assert len(tags) == 8
    assert content_tag(tree, MAPREDUCE.sources, "ARM64", f" {base}  --pull\n") in tags


def test_a_base_image_that_moves_gives_another_tag(tree: Path) -> None:
    """With another digest of a base image in the Dockerfiles, the images have another tag."""
    dockerfile = tree / "services" / "Dockerfile"
    tags = set()
    for digest in ("", f"@sha256:{'a' * 64}", f"@sha256:{'b' * 64}"):
        dockerfile.write_text(f"ARG PYTHON_IMAGE=python:3.11{digest}\nFROM ${{PYTHON_IMAGE}}\n")
        tags.add(content_tag(tree, MAPREDUCE.sources, "ARM64", ""))
    assert len(tags) == 3


@pytest.mark.parametrize(
    ("machine", "architecture"),
    [("x86_64", "X86_64"), ("AMD64", "X86_64"), ("arm64", "ARM64"), ("aarch64", "ARM64")],
)
def test_the_architecture_of_a_machine(machine: str, architecture: str) -> None:
    """The names that Linux, macOS and Windows give their machines are known."""
    assert architecture_of(machine) == architecture


def test_settings_without_a_new_value_are_kept() -> None:
    """A second deployment keeps the settings of the first, and the user's changes in the file, but
    no digest: its images are others.
    """
    first = merged_settings(
        MAPREDUCE, {}, "eu-central-1", "t1", "203.0.113.7", name="books", mapper_count=5
    )
    again = merged_settings(
        MAPREDUCE,
        first.model_dump() | {"spot_share": 80, "image_digests": {"mapper": "sha256:1"}},
        None,
        "t2",
        "198.51.100.1",
        name=None,
    )
    assert again.model_dump() == {
        "region": "eu-central-1",
        "name": "books",
        "image_tag": "t2",
        "image_digests": {},
        "architecture": "X86_64",
        "allowed_cidrs": ("203.0.113.7/32",),
        "mapper_count": 5,
        "spot_share": 80,
    }


def test_the_world_is_never_let_in_unasked() -> None:
    """Without an address no address is allowed, and an invalid range is refused."""
    assert merged_settings(MAPREDUCE, {}, "us-east-1", "t", None).allowed_cidrs == ()
    with pytest.raises(UsageError, match=r"300\.1\.1\.1"):
        merged_settings(MAPREDUCE, {}, "us-east-1", "t", None, allowed_cidrs=["300.1.1.1/32"])
    with pytest.raises(UsageError, match="region"):
        merged_settings(MAPREDUCE, {}, None, "t", None)


@pytest.mark.parametrize(
    ("chosen", "vcpus"),
    [
        ({}, 4.75),
        ({"idle_stop_minutes": 0}, 4.5),
        ({"mapper_count": 10, "mapper_cpu": 2048}, 21.75),
        ({"splitter_count": 0, "mapper_count": 0, "reducer_count": 0}, 0),
    ],
)
def test_vcpus_of_all_tasks(chosen: dict[str, int], vcpus: float) -> None:
    """The vCPUs are those of all tasks: a half for the splitter, a quarter for the idle guard, one
    for each other task.
    """
    assert vcpus == sum(each.count * each.vcpus for each in tasks_of(MAPREDUCE, chosen))


def test_cost_of_an_hour_by_hand() -> None:
    """The hourly cost equals the published price: 1 vCPU and 2 GiB are 0.04048 + 2 x 0.004445, an
    address 0.005.
    """
    one = ServiceSize(count=1, cpu=1024, memory=2048)
    assert running_hour([one], "X86_64") == pytest.approx(0.05437)
    assert running_hour([ServiceSize(2, 1024, 2048, spot_share=100)], "X86_64") == pytest.approx(
        2 * (0.04937 * 0.3 + 0.005)
    )
    private = ServiceSize(count=1, cpu=1024, memory=2048, is_public=False)
    assert running_hour([private], "X86_64") == pytest.approx(0.04937)
    assert running_hour([one], "ARM64") == pytest.approx(0.03238 + 2 * 0.00356 + 0.005)
    assert Stack.model_validate(STACK_VALUES).hourly_cost() == pytest.approx(
        (0.02024 + 0.00889 + 0.005)
        + 3 * ((0.08096 + 0.00889) * 0.65 + 0.005)
        + (0.04048 + 0.00889 + 0.005)
        + (0.01012 + 0.0022225 + 0.005)  # the idle guard
    )
    private_stack = Stack.model_validate(STACK_VALUES | {"assign_public_ip": False})
    assert private_stack.hourly_cost() == pytest.approx(
        Stack.model_validate(STACK_VALUES).hourly_cost() - 6 * 0.005
    )
