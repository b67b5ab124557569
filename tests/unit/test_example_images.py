"""The Dockerfiles of the example systems follow the rules for secure images."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from driver.cloud.deploy.base_images import DIGEST, dockerfiles
from driver.cloud.system import System, system_of
from driver.cloud.terraform import system_folders
from tests.unit.test_dockerfiles import GALLERY, SECRETS, instructions_of

ROOT = Path(__file__).resolve().parent.parent.parent
SYSTEMS = {
    name: system_of(folder) for name, folder in system_folders().items() if name != "mapreduce"
}
IMAGES = [(system, role) for system in SYSTEMS.values() for role in system.images]


def _names() -> list[str]:
    return [f"{system.system}-{role}" for system, role in IMAGES]


@pytest.fixture(params=IMAGES, ids=_names())
def image(request: pytest.FixtureRequest) -> tuple[System, list[tuple[str, str]]]:
    """Each image of each example: its system, and the instructions of its Dockerfile."""
    system, role = request.param
    text = (ROOT / system.dockerfile(role)).read_text(encoding="utf-8")
    return system, instructions_of(text)


def _all(image: tuple[System, list[tuple[str, str]]], name: str) -> list[str]:
    return [rest for found, rest in image[1] if found == name]


Image = tuple[System, list[tuple[str, str]]]


def test_every_dockerfile_is_one_of_a_system() -> None:
    """Every Dockerfile of an example makes an image that its system.toml names."""
    named = {ROOT / system.dockerfile(role) for system, role in IMAGES}
    found = {path for path in dockerfiles(ROOT) if "examples" in path.parts}
    assert named == found


def test_the_base_is_pinned_and_can_be_another(image: Image) -> None:
    """All stages are made from the public gallery's Python, which an argument names."""
    arguments = [rest for rest in _all(image, "ARG") if rest.split("=")[0].endswith("_IMAGE")]
    assert arguments
    for argument in arguments:
        pinned = rf"\w+_IMAGE={re.escape(GALLERY)}/python:\d+\.\d+(\.\d+)?(-slim)?-[a-z]+"
        assert re.fullmatch(rf"{pinned}(@{DIGEST.pattern})?", argument)
    bases = {rest.split()[0] for rest in _all(image, "FROM")}
    stages = {rest.split()[-1] for rest in _all(image, "FROM") if " AS " in rest}
    assert bases - stages <= {"${PYTHON_IMAGE}", "${BUILDER_IMAGE}"}


def test_the_task_is_an_unprivileged_process_one(image: Image) -> None:
    """The user is that of the task definition, and the entry point has the exec form."""
    assert ["10001:10001"] == _all(image, "USER")
    (entry,) = _all(image, "ENTRYPOINT")
    assert isinstance(json.loads(entry), list)
    assert ["SIGTERM"] == _all(image, "STOPSIGNAL")


def test_nothing_is_fetched_unpinned(image: Image) -> None:
    """There is no ADD and no distribution package, pip requires hashes, and is not shipped."""
    assert [] == _all(image, "ADD")
    runs = _all(image, "RUN")
    assert [] == [one for one in runs if re.search(r"\b(apt|apt-get|apk|curl|wget|sudo)\b", one)]
    installs = [one for one in runs if "pip " in one]
    assert installs
    for one in installs:
        assert {"--require-hashes", "--no-cache-dir", "--no-deps"} <= set(one.split())
        assert "--without-pip" in one


def test_code_belongs_to_root_and_no_secret_is_baked_in(image: Image) -> None:
    """Code belongs to root, so that a task cannot change it, and no variable is a secret."""
    assert [] == [rest for rest in _all(image, "COPY") if "--chown" in rest]
    words = [word for name in ("ENV", "ARG") for rest in _all(image, name) for word in rest.split()]
    assert [] == [word for word in words if SECRETS.search(word.partition("=")[0].upper())]


def test_all_that_is_copied_counts_for_the_tag(image: Image) -> None:
    """Whatever an image copies is below a source of its system, so that its tag follows it."""
    sources = tuple(image[0].sources)
    copies = [rest.split() for rest in _all(image, "COPY") if not rest.startswith("--from")]
    copied = {source for words in copies for source in words[:-1]}
    outside = [one for one in copied if not any(_is_below(one, source) for source in sources)]
    assert [] == outside


def test_the_dockerfile_counts_for_the_tag(image: Image) -> None:
    """Another base image gives another tag: each Dockerfile is below a source of its system."""
    system = image[0]
    for each in system.images.values():
        assert any(_is_below(each.dockerfile, source) for source in system.sources)


def _is_below(path: str, source: str) -> bool:
    return path == source or path.startswith(f"{source}/")
