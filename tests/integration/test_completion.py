"""bash completes `python -m driver` with the script of `completion`."""

from __future__ import annotations

import subprocess

from tests.integration.commands import Driver

TYPED = r"""
source completion.sh
completed() {
  COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); COMP_LINE="$*"; COMP_POINT=${#COMP_LINE}; COMPREPLY=()
  "$(complete -p python | sed -E 's/.*-F ([^ ]+).*/\1/')"
  echo "${COMPREPLY[@]}"
}
completed python -m driver ru
completed .venv/bin/python -m driver verify --b
completed python -m driver run --target in
completed python -m driver stack sto
completed python -m json.tool x
"""


def test_bash_completes_commands_options_and_values(driver: Driver) -> None:
    """Bash loads the script, and completes `python -m driver` and no other module."""
    (driver.folder / "completion.sh").write_text(driver.run("completion", "bash").out)
    done = subprocess.run(
        ["bash", "--norc", "-c", TYPED],
        cwd=driver.folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ("", ["run runs", "--by", "inline", "stop", ""]) == (
        done.stderr,
        done.stdout.split("\n")[:-1],
    )
