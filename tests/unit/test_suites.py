"""The commands of CI are targets of the Makefile, and CONTRIBUTING.md lists them in their order."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
CI = re.findall(r"^make ([a-z0-9-]+)", (ROOT / ".ci/run").read_text(), re.MULTILINE)
CONTRIBUTING = (ROOT / "CONTRIBUTING.md").read_text()


def test_the_gates_of_ci_are_listed_in_their_order() -> None:
    """The sentence of CONTRIBUTING.md names what .ci/run runs, and nothing else."""
    listed = re.search(r"all of them that are gates, in this order: ([^.]*)\.", CONTRIBUTING)
    assert listed is not None
    assert CI == re.split(r",\s+", listed[1])


def test_each_gate_of_ci_is_a_target_and_has_a_row_that_explains_it() -> None:
    """Every `make X` of .ci/run is in the Makefile and in the table of commands."""
    targets = set(re.findall(r"^([a-z0-9-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    rows = set(re.findall(r"^\| `make ([a-z0-9-]+)` \|", CONTRIBUTING, re.MULTILINE))
    assert set() == set(CI) - (targets & rows)


def test_every_folder_of_tests_is_run_by_a_command_of_ci() -> None:
    """A folder of tests without a command would never run."""
    recipes = (ROOT / "Makefile").read_text() + (ROOT / ".ci/run").read_text()
    folders = {path.name for path in (ROOT / "tests").iterdir() if (path / "__init__.py").exists()}
    run = set(re.findall(r"tests[/.](\w+)", recipes))
    assert set() == folders - run - {"policies"}, "policies holds what other suites import"
