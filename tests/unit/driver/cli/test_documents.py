"""The documents of the commands, and that of an error."""

from __future__ import annotations

import inspect
import json
from pathlib import Path

import pytest

from driver.cli import app as module
from driver.cli.app import app
from driver.cli.documents import DOCUMENTS, check_fields, model_of, wants_document
from driver.cli.stack import stack
from mapreduce.errors import UsageError
from tests.unit.driver.cli.conftest import Command


def _help(command: str) -> str:
    """Return a command's help as Markdown."""
    of = app
    for name in command.split():
        of = of[name]
    return str(of.generate_docs(output_format="markdown"))


def _with_json() -> set[str]:
    return {
        f"{prefix}{name}"
        for prefix, group in (("", app), ("stack ", stack))
        for name in group
        if not name.startswith("-")
        and (command := group[name].default_command) is not None
        and ("json" in inspect.signature(command).parameters or name in ("run", "plan", "submit"))
    }


def test_every_command_with_json_has_a_document() -> None:
    """The listed documents are those of the commands that have --json."""
    assert _with_json() == set(DOCUMENTS)
    assert [] == [name for name in DOCUMENTS if "`--fields STR`" not in _help(name)]


@pytest.mark.parametrize("command", DOCUMENTS)
def test_help_names_the_fields(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Help names every field of the document, and a usage that can be typed."""
    assert 0 == module.exit_code([*command.split(), "--help"])
    shown = " ".join(capsys.readouterr().out.replace("│", " ").split())
    assert f"Fields of the document: {', '.join(model_of(command).model_fields)}." in shown
    assert f"Usage: python -m driver {command} " in shown


@pytest.mark.parametrize(
    ("arguments", "wanted"),
    [
        (["run", "--json"], True),
        (["run", "--fields", "top"], True),
        (["run", "--fields=top"], True),
        (["run", "--jsonish"], False),
        (["run"], False),
    ],
)
def test_a_command_line_tells_whether_it_wants_json(arguments: list[str], wanted: bool) -> None:
    """--json and --fields ask for a document."""
    assert wanted == wants_document(arguments)


def test_fields_are_checked_against_the_commands_document() -> None:
    """A field of another command's document is unknown; a command without a document has none."""
    check_fields(["verify", "--fields", "equal, pairs"])
    check_fields(["logs", "--fields", "x"])
    check_fields(["verify", "--fields"])
    check_fields(["run", "--detach", "--fields", "run_id,log"])
    check_fields(["submit", "--at", "rate(1 day)", "--fields", "expression"])
    with pytest.raises(UsageError, match="`audit` has no such field; it has: rows"):
        check_fields(["audit", "--fields=equal"])
    with pytest.raises(UsageError, match="`stack selftest` has no such field; it has: well"):
        check_fields(["stack", "selftest", "--fields", "wel"])


@pytest.mark.parametrize(
    ("arguments", "kind"),
    [
        (["run", "none.txt", "--json"], "InputError"),
        (["run", "--nonsense", "--json"], "UsageError"),
        (["verify", "--fields", "equal"], "InputError"),
    ],
)
def test_an_error_is_a_document_too(command: Command, arguments: list[str], kind: str) -> None:
    """An error, also of wrong use, is a document with the exit code and message of the text."""
    said = command(*arguments)
    error = said.document["error"]
    assert (2, 2, kind) == (said.code, error["exit_code"], error["kind"])
    assert f"error: {error['message']}" in said.err


def test_without_json_an_error_prints_no_document(command: Command) -> None:
    """Without --json standard output stays empty."""
    assert "" == command("run", "none.txt").out


def test_an_interrupted_command_prints_a_document(
    command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ctrl-C is a document of its own kind."""

    def interrupted(_: object) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr(module, "app", interrupted)
    said = command("runs", "--json")
    assert (130, 130, "Interrupted") == (
        said.code,
        said.document["error"]["exit_code"],
        said.document["error"]["kind"],
    )


def test_an_error_of_a_jobs_code_has_its_cause(command: Command, home: object) -> None:
    """`check` of a job that raises has its frames, place and record in the document."""
    Path("bad.py").write_text(
        "from mapreduce import Count, Job\n\n\nclass Bad(Job):\n    reduce = Count()\n\n"
        "    def map(self, offset, line):\n        raise ValueError('no')\n"
    )
    Path("in.txt").write_text("x\n")
    said = command("check", "bad.py", "in.txt", "--json")
    (cause,) = json.loads(said.out)["error"]["causes"]
    assert "ValueError: no" in cause["message"] + cause["traceback"]
    assert "in.txt" in cause["place"]
    assert "Traceback of the job's code" in said.err
