"""The locked requirements of the examples agree with what they ask for."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parent.parent.parent
SHELL = ROOT / "requirements" / "services.in"
LAPTOP = ROOT / "requirements" / "examples.txt"
ASKED = sorted((ROOT / "examples").rglob("requirements.in"))
AGAIN = "run requirements/lock.sh"


def _locked(path: Path) -> dict[str, str]:
    """Return the versions in a file by package, in its order."""
    text = path.read_text(encoding="utf-8")
    return dict(re.findall(r"^([\w.-]+)==([^\s;\\]+)", text, re.MULTILINE))


def _asked(*paths: Path) -> list[Requirement]:
    lines = "\n".join(path.read_text(encoding="utf-8") for path in paths).splitlines()
    return [Requirement(line) for line in lines if line and line[0] not in "#-"]


@pytest.mark.parametrize("asked", ASKED, ids=lambda path: path.parent.name)
def test_an_image_has_what_its_code_asks_for(asked: Path) -> None:
    """A version of each is locked, in the order in which the script writes them, and the laptop has
    the same.
    """
    locked, laptop = _locked(asked.with_suffix(".txt")), _locked(LAPTOP)
    assert sorted(locked) == list(locked), AGAIN
    for each in _asked(asked, SHELL):
        version = locked.get(name := canonicalize_name(each.name))
        assert version and each.specifier.contains(version), f"{each}: {version}; {AGAIN}"
        assert laptop.get(name) == version, f"{each}: {version}; {AGAIN}"


def test_the_laptop_has_what_all_examples_ask_for() -> None:
    """The packages of the export and of the generated code too; nothing is left from before."""
    laptop = _locked(LAPTOP)
    assert sorted(laptop) == list(laptop), AGAIN
    for each in _asked(*ASKED, SHELL, LAPTOP.with_suffix(".in")):
        version = laptop.get(canonicalize_name(each.name))
        assert version and each.specifier.contains(version), f"{each}: {version}; {AGAIN}"
