"""The suite and its documentation agree."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from tests.faults.__main__ import main as command
from tests.faults.fault import all_faults
from tests.faults.report import BEGIN, END

PAGE = Path(__file__).resolve().parents[2] / "docs" / "reliability.md"


def test_every_fault_has_a_name_and_a_sentence() -> None:
    """Every fault has a name for the command line, and a sentence without a period."""
    for name, kind in all_faults().items():
        assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)+", name)
        assert kind.says[0].islower() or kind.says.startswith("S3")
        assert not kind.says.endswith(".")


def test_the_measured_table_has_every_fault() -> None:
    """The table in docs/reliability.md has a line for every fault."""
    table = PAGE.read_text(encoding="utf-8").partition(BEGIN)[2].partition(END)[0]
    assert set(re.findall(r"^\| ([a-z0-9-]+) \|", table, re.MULTILINE)) - {"---", "fault"} == set(
        all_faults()
    )


@pytest.mark.parametrize("option", ["--only=look-up-fails", "--seed=3", "--jobs=2", "--json=x"])
def test_an_option_that_a_system_does_not_have_is_refused(
    option: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is not left out in silence: the suite would run all faults."""
    monkeypatch.setattr(sys, "argv", ["faults", "--system", "albums", option])
    with pytest.raises(SystemExit, match="2"):
        command()
    assert f"{option.partition('=')[0]} is no option of --system" in capsys.readouterr().out
