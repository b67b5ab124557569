"""CI runs each suite that CONTRIBUTING.md says it runs, and each has a line there."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
TARGETS = set(re.findall(r"^([a-z0-9-]+):.*##", (ROOT / "Makefile").read_text(), re.MULTILINE))


def _of_ci() -> list[str]:
    found = re.findall(r"^ +make ([a-z0-9-]+)", (ROOT / ".ci" / "run").read_text(), re.MULTILINE)
    return list(dict.fromkeys(found))


def test_the_page_lists_the_suites_of_ci_in_their_order() -> None:
    """The sentence about `.ci/run` names exactly what it runs."""
    listed = re.search(r"in this order: ([^.]*)\.", PAGE)
    assert listed is not None
    assert _of_ci() == re.split(r",\s+", listed[1])


def test_each_turn_of_ci_is_taken() -> None:
    """The number of a commit chooses each list of suites in turn, and all of them are in `all`."""
    text = (ROOT / ".ci" / "run").read_text()
    turns = re.findall(r"^turn_(\d)\(\)", text, re.MULTILINE)
    assert [str(each) for each in range(len(turns))] == turns
    assert f"% {len(turns)}))" in text
    assert f"for number in {' '.join(turns)}; do" in text


def test_each_suite_is_a_target_with_a_line_in_the_table() -> None:
    """No suite of CI is unknown to make, or without a word on what it does."""
    assert set(_of_ci()) <= TARGETS
    assert set(_of_ci()) <= set(re.findall(r"^\| `make ([a-z0-9-]+)`", PAGE, re.MULTILINE))


def test_every_folder_of_tests_is_run_by_ci() -> None:
    """A folder of tests that no command names would never run."""
    commands = (ROOT / "Makefile").read_text() + (ROOT / ".ci" / "run").read_text()
    named = set(re.findall(r"tests[/.](\w+)", commands))
    folders = {path.parent.name for path in (ROOT / "tests").glob("*/__init__.py")}
    assert folders - named == {"policies"}, "policies is what other suites import"
