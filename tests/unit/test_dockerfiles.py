"""The three Dockerfiles differ only in their last line, and follow the rules for secure images."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from driver.cloud.aws import Aws
from driver.cloud.deploy.base_images import DIGEST, base_images
from driver.transport.endpoint import ROLES
from mapreduce.wire.build import HASH_SEED
from tests.unit.driver.samples import mapreduce

ROOT = Path(__file__).resolve().parent.parent.parent
GALLERY = "public.ecr.aws/docker/library"
SECRETS = re.compile(r"KEY|TOKEN|SECRET|PASSWORD|CREDENTIAL")


def _text(role: str) -> str:
    return (ROOT / mapreduce().dockerfile(role)).read_text(encoding="utf-8")


@pytest.fixture(params=sorted(ROLES.values()))
def role(request: pytest.FixtureRequest) -> str:
    """Each service in turn."""
    return str(request.param)


@pytest.fixture
def instructions(role: str) -> list[tuple[str, str]]:
    """The instructions of a service's Dockerfile."""
    return _instructions(role)


def _instructions(role: str) -> list[tuple[str, str]]:
    return instructions_of(_text(role))


def instructions_of(text: str) -> list[tuple[str, str]]:
    """Return a Dockerfile's instructions: name and arguments, with joined lines and no comments."""
    code = "\n".join(line for line in text.splitlines() if not line.lstrip().startswith("#"))
    joined = re.sub(r"\\\n\s*", " ", code)
    words = (line.split(maxsplit=1) for line in joined.splitlines() if line.strip())
    return [(name.upper(), rest) for name, rest in words]


def _all(instructions: list[tuple[str, str]], name: str) -> list[str]:
    return [rest for found, rest in instructions if found == name]


def test_they_differ_in_their_last_line_alone() -> None:
    """The Dockerfiles differ only in the last line, so that the images share all layers."""
    bodies = {_text(role).rpartition("\nENTRYPOINT ")[0] for role in ROLES.values()}
    assert len(bodies) == 1
    for role in ROLES.values():
        last = _text(role).splitlines()[-1]
        assert last == f'ENTRYPOINT ["python", "-m", "services.{role}"]'


def test_the_base_is_pinned_and_can_be_another(instructions: list[tuple[str, str]]) -> None:
    """The base image is of ECR's public gallery, which does not limit anonymous pulls as Docker Hub
    does; it is pinned by release and distribution, and by its digest when `stack base-images` has
    written it. All stages use it.
    """
    (argument,) = [rest for rest in _all(instructions, "ARG") if rest.startswith("PYTHON_IMAGE=")]
    assert re.fullmatch(
        rf"PYTHON_IMAGE={re.escape(GALLERY)}/python:\d+\.\d+(\.\d+)?-slim-[a-z]+(@{DIGEST.pattern})?",
        argument,
    )
    assert [rest.split()[0] for rest in _all(instructions, "FROM")] == [
        "${BUILDER_IMAGE}",
        "${PYTHON_IMAGE}",
    ]


def test_builder_and_base_have_the_same_python(
    instructions: list[tuple[str, str]],
) -> None:
    """The builder is the same image as the base, with a compiler; both have a digest or neither."""
    images = {
        one.argument: one
        for one in base_images(f"ARG {rest}" for rest in _all(instructions, "ARG"))
    }
    base, builder = images["PYTHON_IMAGE"], images["BUILDER_IMAGE"]
    assert builder.tagged == base.tagged.replace("-slim", "")
    assert (builder.digest is None) == (base.digest is None)


def test_the_shipped_stage_runs_as_an_unprivileged_user(
    instructions: list[tuple[str, str]],
) -> None:
    """The user is a number, because an orchestrator cannot check a name for root, and equals
    Terraform's.
    """
    (user,) = _all(instructions, "USER")
    assert re.fullmatch(r"[1-9]\d{3,}:[1-9]\d{3,}", user)
    task = (ROOT / "terraform" / "modules" / "service" / "main.tf").read_text(encoding="utf-8")
    assert re.findall(r'user\s+= "(.*)"', task) == [user]


def test_scratch_is_a_volume_that_the_user_owns(instructions: list[tuple[str, str]]) -> None:
    """The scratch folder is a volume of the user: Fargate takes the owner from the image."""
    assert _all(instructions, "VOLUME") == ["/scratch"]
    assert any(
        "--owner=10001" in rest and rest.endswith("/scratch") for rest in _all(instructions, "RUN")
    )


def test_health_is_asked_as_the_task_definition_asks(instructions: list[tuple[str, str]]) -> None:
    """The health check is the same command in the image and in the task definition."""
    (check,) = _all(instructions, "HEALTHCHECK")
    command = json.loads(check.partition("CMD ")[2])
    root = (ROOT / "terraform" / "main.tf").read_text(encoding="utf-8")
    assert json.dumps(["CMD", *command]) in root


def test_the_service_is_process_one(instructions: list[tuple[str, str]]) -> None:
    """The entry point has the exec form, so that no shell receives SIGTERM."""
    (entry,) = _all(instructions, "ENTRYPOINT")
    assert isinstance(json.loads(entry), list)
    assert instructions[-1][0] == "ENTRYPOINT"
    assert _all(instructions, "CMD") == []


def test_nothing_is_fetched_unpinned(instructions: list[tuple[str, str]]) -> None:
    """There is no ADD and no distribution package, and pip requires hashes."""
    assert _all(instructions, "ADD") == []
    runs = _all(instructions, "RUN")
    assert [rest for rest in runs if re.search(r"\b(apt|apt-get|apk|curl|wget|sudo)\b", rest)] == []
    installs = [rest for rest in runs if "pip " in rest]
    assert installs
    for rest in installs:
        assert {"--require-hashes", "--no-cache-dir", "--no-deps"} <= set(rest.split())


def test_no_secret_is_baked_in(instructions: list[tuple[str, str]]) -> None:
    """No secret is in an image: the key comes from Secrets Manager at the start of a task."""
    named = [
        word
        for name in ("ENV", "ARG")
        for rest in _all(instructions, name)
        for word in rest.split()
    ]
    assert [word for word in named if SECRETS.search(word.partition("=")[0].upper())] == []


def _copied(instructions: list[tuple[str, str]]) -> set[str]:
    copies = [rest.split() for rest in _all(instructions, "COPY") if not rest.startswith("--from")]
    return {source for words in copies for source in words[:-1]}


def test_the_build_context_equals_the_tags_sources() -> None:
    """The build context, the copied files of all images and the tag's sources are the same. The
    examples are in it too, without Terraform's state, provider and settings.
    """
    system = mapreduce()
    copied = {source for role in system.images for source in _copied(_instructions(role))}
    sources = {source for source in copied if not source.startswith("services/")}
    assert sources < copied  # the guard's own modules, below `services`
    ignored = (ROOT / ".dockerignore").read_text(encoding="utf-8").split("\n")
    assert "*" in ignored
    assert {line[1:] for line in ignored if line.startswith("!")} == sources | {"examples"}
    assert ignored.index("examples/*/terraform") > ignored.index("!examples")
    assert set(system.sources) == sources | {".dockerignore"}
    assert all((ROOT / source).exists() for source in copied)


def test_the_guards_image_has_no_engine_and_no_job() -> None:
    """The image of the guard, which may stop the fleet, holds its own modules alone."""
    guard = _instructions("guard")
    assert _copied(guard) == {"requirements/guard.txt", "services/__init__.py", "services/guard"}
    assert _all(guard, "USER") == ["10001:10001"]
    assert _all(guard, "ADD") == _all(guard, "VOLUME") == _all(guard, "EXPOSE") == []
    assert guard[-1] == ("ENTRYPOINT", '["python", "-m", "services.guard"]')


DEPLOYING = {
    *("ecr", "route53", "iam", "cloudwatch", "elbv2", "scheduler", "events", "sns", "budgets"),
    *("resourcegroupstaggingapi", "service-quotas"),
}
"""Services of AWS that a deployment calls, or its end, and no run."""


def test_the_drivers_image_has_no_service_and_no_terraform() -> None:
    """The driver's image holds the engine, the ready-made jobs and the driver; it runs as the same
    user as the services', with their base images, and the job's command comes from RunTask.
    """
    driver, mapper = _instructions("driver"), _instructions("mapper")
    needs = "requirements/driver_image.txt"
    assert _copied(driver) == {needs, "mapreduce", "mapreduce_jobs", "driver"}
    assert "terraform" not in (ROOT / needs).read_text(encoding="utf-8")
    for name in ("ARG", "FROM", "USER", "VOLUME", "STOPSIGNAL", "WORKDIR"):
        assert _all(mapper, name) == _all(driver, name)
    assert _all(driver, "ADD") == _all(driver, "EXPOSE") == _all(driver, "CMD") == []
    assert driver[-1] == ("ENTRYPOINT", '["python", "-m", "driver"]')
    task = (ROOT / "terraform" / "modules" / "driver" / "main.tf").read_text(encoding="utf-8")
    assert re.findall(r'user\s+= "(.*)"', task) == _all(driver, "USER")


def test_the_drivers_image_keeps_the_clients_that_a_run_calls() -> None:
    """Of the AWS client's descriptions the image keeps those of every client of the driver, except
    the ones that only a deployment calls.
    """
    (install,) = [rest for rest in _all(_instructions("driver"), "RUN") if "botocore" in rest]
    kept = set(re.findall(r"! -name ([\w-]+)", install))
    aws = Aws("eu-central-1")
    clients = {
        getattr(aws, name).meta.service_model.service_name
        for name, kind in vars(Aws).items()
        if hasattr(kind, "attrname")
    }
    assert clients - DEPLOYING == kept


def test_code_belongs_to_root(instructions: list[tuple[str, str]]) -> None:
    """Code belongs to root, so that a task cannot change it."""
    assert [rest for rest in _all(instructions, "COPY") if "--chown" in rest] == []


def test_the_images_have_the_common_hash_seed() -> None:
    """The images set the common hash seed."""
    assert all(
        f"PYTHONHASHSEED={HASH_SEED} " in path.read_text()
        for path in (ROOT / "driver" / "Dockerfile", *(ROOT / "services").glob("*/Dockerfile"))
    )
