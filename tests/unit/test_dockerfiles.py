"""The three Dockerfiles are one but for their last line, and hold what a careful reader would look
for.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from driver.cloud.deployment import IMAGE_SOURCES
from driver.transport.endpoint import ROLES
from mapreduce.wire.build import HASH_SEED

ROOT = Path(__file__).resolve().parent.parent.parent
SECRETS = re.compile(r"KEY|TOKEN|SECRET|PASSWORD|CREDENTIAL")


def _text(role: str) -> str:
    return (ROOT / "services" / role / "Dockerfile").read_text(encoding="utf-8")


@pytest.fixture(params=sorted(ROLES.values()))
def role(request: pytest.FixtureRequest) -> str:
    """Each service in turn."""
    return str(request.param)


@pytest.fixture
def instructions(role: str) -> list[tuple[str, str]]:
    """A Dockerfile's instructions: name and the rest, with its lines joined and comments gone."""
    code = "\n".join(line for line in _text(role).splitlines() if not line.lstrip().startswith("#"))
    joined = re.sub(r"\\\n\s*", " ", code)
    words = (line.split(maxsplit=1) for line in joined.splitlines() if line.strip())
    return [(name.upper(), rest) for name, rest in words]


def _all(instructions: list[tuple[str, str]], name: str) -> list[str]:
    return [rest for found, rest in instructions if found == name]


def test_they_differ_in_their_last_line_alone() -> None:
    """As their header says; so all three images are the same layers."""
    bodies = {_text(role).rpartition("\nENTRYPOINT ")[0] for role in ROLES.values()}
    assert len(bodies) == 1
    for role in ROLES.values():
        last = _text(role).splitlines()[-1]
        assert last == f'ENTRYPOINT ["python", "-m", "services.{role}"]'


def test_the_base_is_pinned_and_can_be_another(instructions: list[tuple[str, str]]) -> None:
    """A tag that names release and distribution, never latest; every stage stands on it."""
    (argument,) = [rest for rest in _all(instructions, "ARG") if rest.startswith("PYTHON_IMAGE=")]
    assert re.fullmatch(r"PYTHON_IMAGE=python:\d+\.\d+(\.\d+)?-slim-[a-z]+", argument)
    assert [rest.split()[0] for rest in _all(instructions, "FROM")] == [
        "${BUILDER_IMAGE}",
        "${PYTHON_IMAGE}",
    ]


def test_what_is_built_has_the_python_that_it_was_built_for(
    instructions: list[tuple[str, str]],
) -> None:
    """The builder is the very base image, but for its compiler."""
    images = dict(rest.split("=") for rest in _all(instructions, "ARG") if "=" in rest)
    assert images["BUILDER_IMAGE"] == images["PYTHON_IMAGE"].replace("-slim", "")


def test_the_shipped_stage_runs_as_nobody_in_particular(
    instructions: list[tuple[str, str]],
) -> None:
    """A number and not a name, for an orchestrator cannot see that a name is not root; the same as
    Terraform's.
    """
    (user,) = _all(instructions, "USER")
    assert re.fullmatch(r"[1-9]\d{3,}:[1-9]\d{3,}", user)
    task = (ROOT / "terraform" / "modules" / "service" / "main.tf").read_text(encoding="utf-8")
    assert re.findall(r'user\s+= "(.*)"', task) == [user]


def test_scratch_is_a_volume_that_the_user_owns(instructions: list[tuple[str, str]]) -> None:
    """Fargate gives its volume the owner that the image's has; all else is read-only there."""
    assert _all(instructions, "VOLUME") == ["/scratch"]
    assert any(
        "--owner=10001" in rest and rest.endswith("/scratch") for rest in _all(instructions, "RUN")
    )


def test_health_is_asked_as_the_task_definition_asks(instructions: list[tuple[str, str]]) -> None:
    """The same program; Docker reads the image's, ECS its own."""
    (check,) = _all(instructions, "HEALTHCHECK")
    command = json.loads(check.partition("CMD ")[2])
    task = (ROOT / "terraform" / "modules" / "service" / "main.tf").read_text(encoding="utf-8")
    assert json.dumps(["CMD", *command]) in task


def test_the_service_is_process_one(instructions: list[tuple[str, str]]) -> None:
    """In exec form no shell stands between it and SIGTERM."""
    (entry,) = _all(instructions, "ENTRYPOINT")
    assert isinstance(json.loads(entry), list)
    assert instructions[-1][0] == "ENTRYPOINT"
    assert _all(instructions, "CMD") == []


def test_nothing_is_fetched_unpinned(instructions: list[tuple[str, str]]) -> None:
    """No ADD, no package of the distribution, and pip takes wheels by their hashes alone."""
    assert _all(instructions, "ADD") == []
    runs = _all(instructions, "RUN")
    assert [rest for rest in runs if re.search(r"\b(apt|apt-get|apk|curl|wget|sudo)\b", rest)] == []
    installs = [rest for rest in runs if "pip " in rest]
    assert installs
    for rest in installs:
        assert {"--require-hashes", "--no-cache-dir", "--no-deps"} <= set(rest.split())


def test_no_secret_is_baked_in(instructions: list[tuple[str, str]]) -> None:
    """The key comes from Secrets Manager when a task starts."""
    named = [
        word
        for name in ("ENV", "ARG")
        for rest in _all(instructions, name)
        for word in rest.split()
    ]
    assert [word for word in named if SECRETS.search(word.partition("=")[0].upper())] == []


def test_what_is_copied_is_let_through_and_counted(instructions: list[tuple[str, str]]) -> None:
    """The context lets in exactly what the images copy, and the images' tag is made of exactly
    that.
    """
    copies = [rest.split() for rest in _all(instructions, "COPY") if not rest.startswith("--from")]
    sources = {source for words in copies for source in words[:-1]}
    ignored = (ROOT / ".dockerignore").read_text(encoding="utf-8").split("\n")
    assert "*" in ignored
    assert {line[1:] for line in ignored if line.startswith("!")} == sources
    assert set(IMAGE_SOURCES) == sources | {".dockerignore"}
    assert all((ROOT / source).exists() for source in sources)


def test_code_belongs_to_root(instructions: list[tuple[str, str]]) -> None:
    """What runs cannot change what runs."""
    assert [rest for rest in _all(instructions, "COPY") if "--chown" in rest] == []


def test_the_images_have_the_common_hash_seed() -> None:
    """All processes that run a job's code agree on `hash`."""
    assert all(
        f"PYTHONHASHSEED={HASH_SEED} " in path.read_text()
        for path in (ROOT / "services").glob("*/Dockerfile")
    )
