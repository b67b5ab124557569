"""A store that another version has written: an older one is read, a newer one is refused."""

from __future__ import annotations

import base64
import json
import re
from pathlib import Path

import pytest

from driver.cli.app import exit_code
from driver.history.written_by import version_in, why_unread
from mapreduce.storage.local import LocalStorage
from mapreduce.version import VERSION

OLD = json.loads(Path(__file__).with_name("store_of_0_1_0.json").read_text(encoding="utf-8"))
"""The files of a store that version 0.1.0 wrote, with places for the folder and for ETags: of a run
that is done and of one that has failed.
"""

DONE, FAILED = "run-20261127-030252-clear-jay", "run-20261127-030256-bold-jay"
_ETAG = re.compile(r"@ETAG ([^@]+)@")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder with the old store, its input and its job, as its author left it."""
    texts: dict[Path, str] = {}
    for name, content in OLD["files"].items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, str):
            texts[path] = content.replace("@ROOT@", str(tmp_path))
            path.write_text(texts[path], encoding="utf-8")
        else:
            path.write_bytes(base64.b64decode(content["base64"]))
    for path, text in texts.items():
        if _ETAG.search(text):
            path.write_text(_ETAG.sub(lambda found: _etag(tmp_path / found[1]), text))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MAPREDUCE_TERRAFORM", str(tmp_path / "terraform"))
    monkeypatch.delenv("MAPREDUCE_STORE", raising=False)
    return tmp_path


def _etag(path: Path) -> str:
    return LocalStorage().head(f"file://{path}").etag


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize(
    ("command", "expected"),
    [
        (("runs",), DONE),
        (("status", DONE), f"{DONE}: done"),
        (("result", DONE), "the 2"),
        (("audit", DONE), "balances"),
        (("logs", DONE), '"task": "map-0"'),
        (("report", DONE, "--json"), '"WordCount"'),
        (("status", FAILED), "invalid literal for int()"),
    ],
)
def test_an_older_store_is_read(
    capsys: pytest.CaptureFixture[str], command: tuple[str, ...], expected: str
) -> None:
    """Each command that reads a run reads one of version 0.1.0."""
    code = exit_code(list(command))
    said = re.sub(r" +", " ", capsys.readouterr().out)
    assert (0, True) == (code, expected in said), said


@pytest.mark.usefixtures("folder")
def test_what_an_older_version_did_not_write_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    """Version 0.1.0 wrote no receipt; the message says so, and nothing is invented."""
    assert 2 == exit_code(["receipt", DONE])
    assert "has no receipt" in capsys.readouterr().err


@pytest.mark.parametrize("more", [{}, {"unknown": 1}])
def test_a_newer_plan_is_refused_with_its_version(
    folder: Path, capsys: pytest.CaptureFixture[str], more: dict[str, int]
) -> None:
    """A plan of a newer version is refused, with a field that is unknown here and without one."""
    path = folder / ".mapreduce" / "runs" / DONE / "plan.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"version": "9.0.0"} | more))
    assert 2 == exit_code(["result", DONE])
    said = capsys.readouterr().err
    assert f"version 9.0.0 of this program has written it, and this is {VERSION}" in said
    assert "pip install 'mapreduce-on-fargate==9.0.0'" in said


@pytest.mark.parametrize(
    ("version", "own", "newer"),
    [
        ("", "0.2.0", False),
        ("0.2.0", "0.2.0", False),
        ("0.1.9", "0.2.0", False),
        ("0.2.1", "0.2.0", True),
        ("0.10.0", "0.9.0", True),
        ("1", "0.9.0", True),
        ("of mine", "0.9.0", False),
    ],
)
def test_versions_are_compared_by_their_numbers(version: str, own: str, newer: bool) -> None:
    """0.10 is newer than 0.9; a record without a version is older."""
    assert newer == bool(why_unread(version, own))


@pytest.mark.parametrize("record", [b"", b"[1]", b'{"version": 2}', b'{"version": "x"}', b"{}"])
def test_a_record_may_name_no_version(record: bytes) -> None:
    """Other documents name none."""
    assert "" == version_in(record)
