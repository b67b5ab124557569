"""No pinned dependency has a vulnerability that the public database knows.

Without the database nothing is checked, and the test is skipped. Without the auditor, or if the
database knows only some of the packages, it fails where everything is required
(tests/requirement.py).
"""

from __future__ import annotations

import json
import subprocess
from functools import lru_cache
from pathlib import Path
from typing import Any

import pytest

from tests.requirement import CANNOT

ROOT = Path(__file__).resolve().parents[2]
AUDITOR = ROOT / ".venv" / "infrastructure-env" / "bin" / "pip-audit"
REQUIREMENTS = sorted(path.name for path in (ROOT / "requirements").glob("*.txt"))
TIMEOUT_S = 120

pytestmark = pytest.mark.timeout(600)


class NotAsked(Exception):
    """The database does not answer."""


def audited(name: str) -> list[dict[str, Any]]:
    """Return the database's answer for each pinned package; raise `NotAsked`."""
    command = [
        str(AUDITOR),
        "--disable-pip",
        "--require-hashes",
        "--progress-spinner",
        "off",
        "--format",
        "json",
    ]
    try:
        done = subprocess.run(
            [*command, "--timeout", "10", "--requirement", str(ROOT / "requirements" / name)],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
            timeout=TIMEOUT_S,
        )
        found: list[dict[str, Any]] = json.loads(done.stdout)["dependencies"]
    except subprocess.TimeoutExpired:
        raise NotAsked(f"no answer in {TIMEOUT_S} s") from None
    except (ValueError, KeyError):
        raise NotAsked(
            (done.stderr.strip().splitlines() or ["pip-audit said nothing"])[-1]
        ) from None
    return known(found)


def known(found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the packages that the database knows; raise `NotAsked` if it knows none."""
    of_these = [package for package in found if "vulns" in package]
    if found and not of_these:
        raise NotAsked(
            f"of {len(found)} packages none was found: "
            f"{found[0].get('skip_reason', 'no reason given')}"
        )
    return of_these


def vulnerable(found: list[dict[str, Any]]) -> list[str]:
    """Return a line for each vulnerability."""
    return [
        f"{package['name']} {package['version']}: {one['id']}, mended in "
        f"{', '.join(one['fix_versions']) or 'none'}"
        for package in found
        for one in package["vulns"]
    ]


@lru_cache
def why_not_asked() -> str:
    """Return why the database does not answer, or ""; ask it once, with our requirements."""
    try:
        audited("services.txt")
    except NotAsked as exc:
        return str(exc)
    return ""


@pytest.mark.parametrize("name", REQUIREMENTS)
def test_no_dependency_has_a_known_vulnerability(name: str) -> None:
    """A file of requirements has no package with a known vulnerability."""
    if not AUDITOR.is_file():
        pytest.skip("NOT CHECKED: pip-audit is missing; run: make .venv/infrastructure")
    if why := why_not_asked():
        pytest.skip(f"{CANNOT}DEPENDENCIES ARE NOT CHECKED FOR VULNERABILITIES: {why}")
    try:
        found = audited(name)
    except NotAsked as exc:
        pytest.skip(f"{name} IS NOT CHECKED FOR VULNERABILITIES: {exc}")
    assert vulnerable(found) == [], (
        "raise them: .venv/bin/python -m uv pip compile --upgrade-package NAME ..."
    )


def test_answers_of_the_database() -> None:
    """A vulnerability is reported; an answer that knows no package counts as not asked."""
    bad = {"name": "a", "version": "1", "vulns": [{"id": "CVE-1", "fix_versions": ["2"]}]}
    good = {"name": "b", "version": "1", "vulns": []}
    unknown = {"name": "c", "skip_reason": "not found"}
    assert ["a 1: CVE-1, mended in 2"] == vulnerable(known([bad, good, unknown]))
    with pytest.raises(NotAsked, match="of 1 packages none was found: not found"):
        known([unknown])
