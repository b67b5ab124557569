"""The folders of the Terraform roots, and whether one is applied; does not run Terraform.

This module imports nothing slow: the process that local services are forked from waits for it.
"""

from __future__ import annotations

import os
from difflib import get_close_matches
from pathlib import Path

FOLDER_VARIABLE = "MAPREDUCE_TERRAFORM"
STACK_VARIABLE = "MAPREDUCE_STACK"
"""The outputs of MapReduce's stack as JSON, in a container that has no Terraform."""
BACKEND_FILE = "backend_override.tf.json"
"""Names the bucket of the state. Without the file the state is in the folder; git ignores it, like
every file whose name ends so."""
CHECKOUT = Path(__file__).resolve().parents[2]
"""The folder of this package's checkout."""
_MAPREDUCE = "mapreduce"


def terraform_folder(system: str | None = None) -> Path:
    """Return the folder of a system's Terraform root.

    Args:
        system: its name. Without one: the folder in MAPREDUCE_TERRAFORM, or MapReduce's.

    Raises:
        UsageError: there is no such system, or the variable names another folder.
    """
    given = os.environ.get(FOLDER_VARIABLE)
    if system is None:
        return Path(given) if given else CHECKOUT / "terraform"
    from mapreduce.errors import UsageError  # slow to import

    folders = system_folders()
    found = folders.get(system.replace("_", "-"))
    if found is None:
        near = get_close_matches(system, folders, 1)
        hint = f"do you mean {near[0]}?" if near else f"there are {', '.join(folders)}"
        raise UsageError(f"--system {system}: there is no such system; {hint}")
    if given and Path(given).resolve() != found.resolve():
        raise UsageError(
            f"--system {system} is in {found}, and {FOLDER_VARIABLE} names {given}; "
            f"unset {FOLDER_VARIABLE}, or leave the option out"
        )
    return found


def system_folders() -> dict[str, Path]:
    """Return the roots of the checkout by the name of their system, MapReduce's first."""
    examples = sorted((CHECKOUT / "examples").glob("*/terraform"))
    return {_MAPREDUCE: CHECKOUT / "terraform"} | {
        folder.parent.name.replace("_", "-"): folder
        for folder in examples
        if any(folder.glob("*.tf"))
    }


def is_deployed() -> bool:
    """Return whether MapReduce's stack is known: from the environment, or from Terraform."""
    return STACK_VARIABLE in os.environ or is_applied(terraform_folder())


def is_applied(folder: Path) -> bool:
    """Return whether there is a state, here or in a backend."""
    return has_local_state(folder) or (folder / ".terraform" / "terraform.tfstate").exists()


def has_local_state(folder: Path) -> bool:
    """Return whether the state is in the folder."""
    return (folder / "terraform.tfstate").exists()


def needs_init(folder: Path) -> bool:
    """Return whether the state is in a bucket that `terraform init` does not know yet."""
    return (folder / BACKEND_FILE).exists() and not is_applied(folder)
