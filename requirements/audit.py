"""Look up every pinned package in the public database of vulnerabilities: `make audit`.

Exit code 1 if a package has a known vulnerability, 3 if the database cannot be asked: then nothing
is known. With --if-reachable a database that cannot be reached is a note, and exit code 0.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
AUDITOR = ROOT / ".venv" / "infrastructure-env" / "bin" / "pip-audit"
TIMEOUT_S = 120
CLEAN, VULNERABLE, NOT_ASKED = 0, 1, 3


class NotAsked(Exception):
    """The database does not answer."""


def audited(requirements: Path) -> list[dict[str, Any]]:
    """Return the database's answer for each pinned package; raise `NotAsked`."""
    command = [
        *(str(AUDITOR), "--disable-pip", "--require-hashes", "--progress-spinner", "off"),
        *("--format", "json", "--timeout", "10", "--requirement", str(requirements)),
    ]
    try:
        done = subprocess.run(
            command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=TIMEOUT_S
        )
        found: list[dict[str, Any]] = json.loads(done.stdout)["dependencies"]
    except FileNotFoundError:
        raise NotAsked("pip-audit is missing; run: make .venv/infrastructure") from None
    except subprocess.TimeoutExpired:
        raise NotAsked(f"no answer in {TIMEOUT_S} s") from None
    except (ValueError, KeyError):
        last = (done.stderr.strip().splitlines() or ["pip-audit said nothing"])[-1]
        raise NotAsked(last) from None
    return known(found)


def known(found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the packages that the database knows; raise `NotAsked` if it knows none."""
    of_these = [package for package in found if "vulns" in package]
    if found and not of_these:
        reason = found[0].get("skip_reason", "no reason given")
        raise NotAsked(f"of {len(found)} packages none was found: {reason}")
    return of_these


def vulnerable(found: list[dict[str, Any]]) -> list[str]:
    """Return a line for each vulnerability."""
    return [
        f"{package['name']} {package['version']}: {one['id']}, mended in "
        f"{', '.join(one['fix_versions']) or 'none'}"
        for package in found
        for one in package["vulns"]
    ]


def audit(files: Sequence[Path]) -> int:
    """Look up all packages of these files, and print what was found; return the exit code."""
    code = CLEAN
    for file in files:
        try:
            found = audited(file)
        except NotAsked as exc:
            print(
                f"NOT CHECKED for known vulnerabilities: {file.name}"
                f"{' and all that follow' if file != files[-1] else ''}; the database cannot be "
                f"asked: {exc}",
                file=sys.stderr,
            )
            return code or NOT_ASKED
        lines = vulnerable(found)
        code = VULNERABLE if lines else code
        print(f"{file.name}: {len(found)} packages, {len(lines)} known vulnerabilities")
        for line in lines:
            print(f"  {line}")
    if code:
        print("to raise one: .venv/bin/python -m uv pip compile --upgrade-package NAME ...")
    return code


def main(argv: Sequence[str] | None = None) -> int:
    """Audit the given files, or all of them; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m requirements.audit", description=__doc__)
    parser.add_argument("files", nargs="*", type=Path, help="requirement files (by default all)")
    parser.add_argument("--if-reachable", action="store_true", help="see above")
    given = parser.parse_args(argv)
    files = given.files or sorted((ROOT / "requirements").glob("*.txt"))
    code = audit([file.resolve() for file in files])
    return CLEAN if given.if_reachable and code == NOT_ASKED else code


if __name__ == "__main__":
    sys.exit(main())
