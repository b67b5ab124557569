"""The platforms of the images and of this process, in the terms in which pip chooses wheels."""

from __future__ import annotations

import re
from pathlib import Path

from driver.packages.platforms import SERVICES_GLIBC, SERVICES_PYTHON, canonical, here, of_images

ROOT = Path(__file__).resolve().parents[4]
DEBIAN_12_GLIBC = (2, 36)


def test_the_images_have_the_python_that_pip_is_told() -> None:
    """The Dockerfiles build on the same Python, on the Debian with that C library."""
    for role in ("splitter", "mapper", "reducer"):
        text = (ROOT / "services" / role / "Dockerfile").read_text()
        found = re.findall(r"python:(\d+)\.(\d+)-(?:slim-)?(\w+)", text)
        assert {(str(SERVICES_PYTHON[0]), str(SERVICES_PYTHON[1]), "bookworm")} == set(found)
    assert DEBIAN_12_GLIBC == SERVICES_GLIBC


def test_wheels_of_the_image_are_those_of_its_processor() -> None:
    """Each tag names the processor; the newest C library comes first, the oldest names last."""
    for architecture, machine, oldest in (("X86_64", "x86_64", "1"), ("ARM64", "aarch64", "2014")):
        platform = of_images(architecture)  # type: ignore[arg-type]
        tags = [
            each
            for option, each in zip(platform.options, platform.options[1:], strict=False)
            if option == "--platform"
        ]
        assert f"manylinux_2_36_{machine}" == tags[0]
        assert {f"manylinux_2_17_{machine}", f"manylinux{oldest}_{machine}"} <= set(tags)
        assert all(each.endswith(machine) for each in tags)
        assert machine == platform.markers["platform_machine"]


def test_the_images_provide_what_they_are_built_with() -> None:
    """The versions are the locked ones, and the driver's own libraries are not among them."""
    provided = of_images("X86_64").provided
    assert {"pydantic", "duckdb", "obstore", "fastapi"} <= provided.keys()
    assert not {"boto3", "rich", "cyclopts"} & provided.keys()


def test_this_process_provides_the_driver_too() -> None:
    """Here the driver's libraries are loaded as well, and cannot be exchanged."""
    found = here()
    assert {"pydantic", "boto3", "urllib3"} <= found.provided.keys()
    assert () == found.options


def test_names_are_compared_as_indexes_do() -> None:
    """Case, dots, dashes and underscores make no difference."""
    assert canonical("Typing_Extensions") == canonical("typing.extensions") == "typing-extensions"
