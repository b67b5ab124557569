"""This machine's own steps."""

from __future__ import annotations

import subprocess
import sys
from types import SimpleNamespace
from typing import Any

import pytest

from driver.doctor import machine
from mapreduce import native


def test_an_old_interpreter_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """A Python that is too old is not well."""
    assert machine.python().ok
    monkeypatch.setattr(sys, "version_info", (3, 10, 9, "final", 0))
    found = machine.python()
    assert (False, "3.10.9") == (found.ok, found.seen)


def test_without_the_native_extension_results_are_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """A missing native extension is well, with the command that builds it."""
    monkeypatch.setattr(native, "extension", None)
    monkeypatch.setattr(native, "why_not", "not built")
    found = machine.native_extension()
    assert found.ok
    assert "not built" in found.seen
    assert machine.BUILD_IT in found.seen
    monkeypatch.setattr(native, "extension", object())
    assert "in use" == machine.native_extension().seen


@pytest.mark.parametrize(("free", "well"), [(1 << 30, True), ((1 << 30) - 1, False)])
def test_a_gibibyte_must_be_free(monkeypatch: pytest.MonkeyPatch, free: int, well: bool) -> None:
    """The folder of temporary files needs a free GiB."""
    monkeypatch.setattr("shutil.disk_usage", lambda _: SimpleNamespace(free=free))
    assert well == machine.scratch().ok


def _programs(monkeypatch: pytest.MonkeyPatch, **outputs: str | None) -> None:
    monkeypatch.setattr(machine, "_output_of", lambda *command: outputs[command[0]])


@pytest.mark.parametrize(
    ("output", "well", "seen"),
    [
        ("Terraform v1.11.0\non linux_amd64", True, "v1.11.0"),
        ("Terraform v2.0.0", True, "v2.0.0"),
        ("Terraform v1.9.8", False, "v1.9.8"),
        (None, False, "not found"),
    ],
)
def test_terraform_must_be_new_enough(
    monkeypatch: pytest.MonkeyPatch, output: str | None, well: bool, seen: str
) -> None:
    """Terraform's version is compared by number: 1.9 is older than 1.11."""
    _programs(monkeypatch, terraform=output)
    found = machine.terraform()
    assert (well, seen) == (found.ok, found.seen)


@pytest.mark.parametrize(
    ("output", "where", "well", "remedy"),
    [
        ("27.0", "/usr/bin/docker", True, "start"),
        (None, "/usr/bin/docker", False, "start Docker"),
        ("", "/usr/bin/docker", False, "start Docker"),
        (None, None, False, "install Docker"),
    ],
)
def test_docker_must_answer(
    monkeypatch: pytest.MonkeyPatch, output: str | None, where: str | None, well: bool, remedy: str
) -> None:
    """Docker must be installed and running; each has its remedy."""
    _programs(monkeypatch, docker=output)
    monkeypatch.setattr("shutil.which", lambda _: where)
    found = machine.docker()
    assert (well, True) == (found.ok, remedy in found.remedy)


def test_a_program_that_cannot_run_has_no_output(monkeypatch: pytest.MonkeyPatch) -> None:
    """A program that is missing, fails or hangs gives no output."""
    answers: list[Any] = [
        FileNotFoundError(),
        subprocess.TimeoutExpired("x", 1),
        SimpleNamespace(returncode=1, stdout="out"),
        SimpleNamespace(returncode=0, stdout=" out\n"),
    ]

    def run(*_: Any, **__: Any) -> Any:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    monkeypatch.setattr("subprocess.run", run)
    assert [None, None, None, "out"] == [machine._output_of("x") for _ in range(4)]
