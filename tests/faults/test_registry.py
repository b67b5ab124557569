"""The suite and its documentation agree."""

from __future__ import annotations

import re
from pathlib import Path

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
