"""`completion`: a script with which a shell completes `mapreduce`, and bash `python -m driver`."""

from __future__ import annotations

from typing import Literal

from driver.cli.terminal import write_line
from driver.program.command_name import AS_COMMAND

_BASH_AFTER = """
complete -o default -o bashdefault -F _mapreduce mapreduce

# `python -m driver WORD`: the words after `driver` are completed, others as bash does by itself
_mapreduce_of_python() {
  [[ ${COMP_WORDS[1]} == -m && ${COMP_WORDS[2]} == driver && $COMP_CWORD -gt 2 ]] || return
  local first="${COMP_WORDS[0]} -m driver "
  COMP_WORDS=(mapreduce "${COMP_WORDS[@]:3}")
  COMP_CWORD=$((COMP_CWORD - 2))
  COMP_LINE="mapreduce ${COMP_LINE#"$first"}"
  COMP_POINT=${#COMP_LINE}
  _mapreduce
}
complete -o default -o bashdefault -F _mapreduce_of_python python python3
"""
# as a file in zsh's function path the script is the function; loaded by `eval` it defines one
_ZSH_AFTER = """
_mapreduce_or_files() {
  _cyclopts_mapreduce "$@"
  (( compstate[nmatches] )) || _files
}
if [ "$funcstack[1]" = "_mapreduce" ]; then
  _mapreduce_or_files "$@"
else
  (( $+functions[compdef] )) || { autoload -Uz compinit && compinit }
  compdef _mapreduce_or_files mapreduce
fi
"""
_AFTER = {"bash": _BASH_AFTER, "zsh": _ZSH_AFTER, "fish": "\n"}


def completion(shell: Literal["bash", "zsh", "fish"] = "bash", /) -> int:
    """Print a script with which a shell completes commands.

    It completes commands, options and their values after `mapreduce`; in bash also after `python -m
    driver`, with the path of a Python before it too.

        eval "$(python -m driver completion bash)"
        python -m driver completion zsh >> ~/.zshrc
        python -m driver completion fish > ~/.config/fish/completions/mapreduce.fish

    Args:
        shell: The shell.
    """
    from driver.cli.app import app

    script = app.generate_completion(prog_name=AS_COMMAND, shell=shell)
    write_line(script.rstrip() + _AFTER[shell])
    return 0
