"""Bridges without an import: Terraform's variables, the settings, and the images' sources."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

from pydantic_settings import BaseSettings

from examples.parameter_server import metrics
from examples.parameter_server.deployed import Stack
from examples.parameter_server.settings import ServerSettings, Settings

EXAMPLE = Path(__file__).resolve().parents[4] / "examples" / "parameter_server"
TERRAFORM = EXAMPLE / "terraform"
MAIN = (TERRAFORM / "main.tf").read_text()
NAME = r"\b((?:PS|SERVER|TOTAL|PARAMETER)_[A-Z_]+)\b"


def _read(settings: type[BaseSettings]) -> Iterator[str]:
    """Yield the names of the environment variables that settings read."""
    for name, field in settings.model_fields.items():
        alias = field.validation_alias
        yield alias if isinstance(alias, str) else f"PS_{name.upper()}"


def test_terraform_sets_only_variables_that_are_read() -> None:
    """Each name that main.tf gives to containers is a setting of servers."""
    given = set(re.findall(rf"{NAME}\s+=", MAIN)) | {"SERVER_PORT"}
    assert {
        "PARAMETER_SERVER_ADDRESS",
        "PS_IMAGE_TAG",
        "PS_SHARD",
        "PS_SIGNING_KEY",
        "PS_STACK",
        "PS_STORE",
        "SERVER_HOST",
        "SERVER_PORT",
        "TOTAL_WORKERS_EXPECTED",
    } == given
    assert given <= set(_read(ServerSettings))


def test_terraform_sets_what_has_no_default() -> None:
    """A server or a worker that lacks a setting would end at once."""
    worker = MAIN[MAIN.index('module "worker"') :]
    required = {
        alias if isinstance(alias := field.validation_alias, str) else f"PS_{name.upper()}"
        for name, field in ServerSettings.model_fields.items()
        if field.is_required()
    }
    assert {"PS_SIGNING_KEY", "PS_STORE"} == required
    assert "PS_SIGNING_KEY" in worker
    assert "PS_STORE" not in set(_read(Settings))


def test_the_dashboard_shows_metrics_that_are_logged() -> None:
    """Namespace and names are those of the log lines, and none is left out."""
    shown = re.findall(r'namespace = "(\w+)", metrics = \[(.+?)\]', MAIN)
    assert {metrics.NAMESPACE} == {namespace for namespace, _ in shown}
    assert set(metrics._METRICS) == {
        name for _, names in shown for name in re.findall(r'"(\w+)"', names)
    }


def test_the_command_line_reads_outputs_that_there_are() -> None:
    """Each field of the stack as the commands see it is an output."""
    outputs = set(re.findall(r'^output "(\w+)"', (TERRAFORM / "outputs.tf").read_text(), re.M))
    assert set(Stack.model_fields) <= outputs


def test_worker_count_reaches_the_workers_alone() -> None:
    """The variable is read where the number of workers is, and in nothing that a server gets."""
    places = [line.strip() for line in MAIN.splitlines() if "var.worker_count" in line]
    assert ["desired_count = var.stopped ? 0 : var.worker_count"] == places
    assert MAIN.index("var.worker_count") > MAIN.index('module "worker"')


def test_the_images_tag_is_a_hash_of_all_that_the_image_holds() -> None:
    """What the Dockerfile copies lies in the sources of system.toml."""
    described = tomllib.loads((TERRAFORM / "system.toml").read_text())
    copied = re.findall(r"^COPY (?!--from)(.+) \S+$", (EXAMPLE / "Dockerfile").read_text(), re.M)
    for source in (word for words in copied for word in words.split()):
        folder = source.partition("*")[0].rstrip("/")
        assert any(
            folder == each or folder.startswith(f"{each}/") for each in described["sources"]
        ), source
