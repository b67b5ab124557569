"""bash, zsh and fish complete the command with the script of `completion`."""

from __future__ import annotations

import os
import pty
import select
import shutil
import subprocess
import time
from pathlib import Path

import pytest

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
FISH = "source completion.sh; complete -C 'mapreduce {}'"


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


def _needs(shell: str) -> None:
    if shutil.which(shell) is None:
        pytest.skip(f"needs {shell}; on Debian: apt-get install {shell}")


@pytest.mark.parametrize(
    ("typed", "first"),
    [("veri", "verify"), ("run --target inl", "inline"), ("stack sto", "stop"), ("run no", "note")],
)
def test_fish_completes(driver: Driver, typed: str, first: str) -> None:
    """Fish completes commands, values, subcommands and files."""
    _needs("fish")
    (driver.folder / "completion.sh").write_text(driver.run("completion", "fish").out)
    (driver.folder / "note").touch()
    asked = ["fish", "--no-config", "-c", FISH.format(typed)]
    done = subprocess.run(asked, cwd=driver.folder, capture_output=True, text=True, check=True)
    assert first == done.stdout.split()[0]


def test_zsh_completes(driver: Driver) -> None:
    """Zsh completes what is typed and a tab, in a terminal: a command, a value and a file."""
    _needs("zsh")
    (driver.folder / "completion.sh").write_text(driver.run("completion", "zsh").out)
    (driver.folder / "a-file").touch()
    said = _typed(
        driver.folder,
        ("source completion.sh; echo rea''dy\n", "ready"),
        ("mapreduce veri\t", "verify "),
        ("\x15mapreduce run --target inl\t", "inline "),
        ("\x15mapreduce run a-f\t", "a-file"),
    )
    assert ["ready", "verify ", "inline ", "a-file"] == said


def _typed(folder: Path, *steps: tuple[str, str], limit_s: float = 20.0) -> list[str]:
    """Type texts into zsh in a terminal; return the expected texts that it has shown."""
    process, terminal = pty.fork()
    if process == 0:
        os.chdir(folder)
        os.environ["TERM"] = "dumb"
        os.execvp("zsh", ["zsh", "-f", "-i"])
    shown: list[str] = []
    try:
        for text, expected in steps:
            os.write(terminal, text.encode())
            said, until = "", time.monotonic() + limit_s
            while expected not in said and time.monotonic() < until:
                if select.select([terminal], [], [], 0.1)[0]:
                    said += os.read(terminal, 4096).decode(errors="replace")
            shown += [expected] if expected in said else [said]
    finally:
        os.write(terminal, b"\x15exit\n")
        os.close(terminal)
        os.waitpid(process, 0)
    return shown
