"""`verify` and `audit`, after a run of the engine in this process."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.driver.cli.conftest import Command


@pytest.fixture
def result(command: Command, home: Path) -> Path:
    """The only result file of a finished run."""
    (home / "in.txt").write_text("one two\nthree two\n")
    options = ["--input", "in.txt", "--target", "inline", "--reducers", "1", "--json"]
    (url,) = command("run", *options).document["result_urls"]
    return Path(url.removeprefix("file://"))


def _changed(path: Path, before: bytes, after: bytes) -> None:
    """Change the content, and write the new ETag into `_SUCCESS`."""
    content = path.read_bytes()
    assert before in content
    path.write_bytes(content.replace(before, after))


def test_a_right_answer_is_verified(command: Command, result: Path) -> None:
    """A right answer gives exit code 0 and the number of pairs, also in JSON."""
    said = command("verify")
    assert (0, True) == (said.code, "3 pairs" in said.out)
    verdict = command("verify", "--json").document
    assert (3, True, 0, 0) == tuple(
        verdict[name] for name in ("pairs", "equal", "missing", "extra")
    )


def test_a_wrong_answer_is_shown_by_pairs(
    command: Command, result: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A wrong answer gives exit code 1, and the pairs that only one side has."""
    monkeypatch.setattr(
        "driver.history.verify.plain_answer", lambda *_: iter([("one", 1), ("two", 7)])
    )
    said = command("verify")
    assert 1 == said.code
    assert "1 pair missing, 2 too many" in said.out
    assert "only plain has 'two': 7" in said.out
    assert "only run has 'two': 2" in said.out


def test_a_run_without_a_result_has_nothing_to_verify(command: Command, result: Path) -> None:
    """A run without a result exits with code 2 and the command that shows why."""
    (mark,) = result.parents[2].rglob("_SUCCESS")
    mark.unlink()
    said = command("verify")
    assert (2, True) == (said.code, "driver status run-" in said.err)


def test_a_whole_result_balances(command: Command, result: Path) -> None:
    """A whole result exits with 0; --quick says that it has read nothing."""
    full, quick = command("audit"), command("audit", "--quick")
    assert (0, 0) == (full.code, quick.code)
    assert "balances" in full.out
    assert "3 pairs" in full.out
    assert [False, True] == ["--quick" in said.out for said in (full, quick)]
    assert command("audit", "--json").document["rows"]


def test_a_result_that_was_changed_does_not_balance(command: Command, result: Path) -> None:
    """A changed result exits with 1, and its row names the object."""
    _changed(result, b"2", b"9")
    said = command("audit")
    assert (1, True, True) == (said.code, "NOT balance" in said.out, result.name in said.out)
    assert 1 == command("audit", "--json").code


def test_of_many_wrong_sums_some_are_shown(
    command: Command, result: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of many wrong sums some are shown, and the others counted."""
    monkeypatch.setattr("driver.cli.proof._ROWS_SHOWN", 0)
    _changed(result, b"2", b"9")
    assert "and 1 sum more" in command("audit").out
