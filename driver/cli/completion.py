"""`completion`: a script with which bash completes `python -m driver`."""

from __future__ import annotations

from typing import Literal

from driver.cli.terminal import write_line

_OF_PYTHON = """
# `python -m driver WORD`: the words after `driver` are completed, others as bash does by itself
_driver_of_python() {
  [[ ${COMP_WORDS[1]} == -m && ${COMP_WORDS[2]} == driver && $COMP_CWORD -gt 2 ]] || return
  local first="${COMP_WORDS[0]} -m driver "
  COMP_WORDS=(driver "${COMP_WORDS[@]:3}")
  COMP_CWORD=$((COMP_CWORD - 2))
  COMP_LINE="driver ${COMP_LINE#"$first"}"
  COMP_POINT=${#COMP_LINE}
  _driver
}
complete -o default -o bashdefault -F _driver_of_python python python3
"""


def completion(shell: Literal["bash"] = "bash", /) -> int:
    """Print a script with which a shell completes commands.

    It completes commands, options and their values after `python -m driver`, also with the path of
    a Python before it.

        eval "$(python -m driver completion bash)"
        python -m driver completion bash >> ~/.bashrc

    Args:
        shell: The shell.
    """
    from driver.cli.app import app

    write_line(app.generate_completion(prog_name="driver", shell=shell).rstrip() + _OF_PYTHON)
    return 0
