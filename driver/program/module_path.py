"""Where the processes of this program find modules: ours first, those of the current folder last.

It imports only what every interpreter has loaded: until the module path is in order, any other
import could find a file of the user's.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping

_ROOT = os.path.realpath(__file__).rsplit(os.sep, 3)[0]

MACOS_VARIABLES = {"OBJC_DISABLE_INITIALIZE_FORK_SAFETY": "YES"}
"""Without them macOS ends a fork of a process that has used a framework of Apple's."""


def put_current_folder_last(path: list[str]) -> None:
    """Search the current folder for modules, but after all others.

    Python puts it first, where a job called random.py or numbers.py would hide the standard
    library's module, and one called services.py this program's.

    Args:
        path: `sys.path`, which is changed.
    """
    current = os.path.realpath(os.curdir)
    if current == _ROOT:
        return
    if path[0] in ("", os.curdir, current):
        path.append(path.pop(0))
    elif current not in path:  # a command has its own folder there instead
        path.append(current)


def own_process(module: str) -> list[str]:
    """Return the command of a process that runs one of our modules, without the current folder."""
    return [sys.executable, "-P", "-m", module]


def own_environment(given: Mapping[str, str], **variables: str) -> dict[str, str]:
    """Return the environment of such a process: that of this one, and our folder first."""
    if sys.platform == "darwin":
        variables = MACOS_VARIABLES | variables
    path = given.get("PYTHONPATH")
    ours = f"{_ROOT}{os.pathsep}{path}" if path else _ROOT
    return {**given, "PYTHONPATH": ours, **variables}
