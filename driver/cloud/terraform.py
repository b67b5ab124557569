"""The folder of the Terraform module, and whether it is applied; does not run Terraform."""

from __future__ import annotations

import os
from pathlib import Path

FOLDER_VARIABLE = "MAPREDUCE_TERRAFORM"
BACKEND_FILE = "backend_override.tf.json"
"""Names the bucket of the state. Without the file the state is in the folder; git ignores it, like
every file whose name ends so."""


def terraform_folder() -> Path:
    """Return the root module's folder: beside this package, or MAPREDUCE_TERRAFORM."""
    given = os.environ.get(FOLDER_VARIABLE)
    return Path(given) if given else Path(__file__).resolve().parents[2] / "terraform"


def is_applied(folder: Path) -> bool:
    """Return whether there is a state, here or in a backend."""
    return has_local_state(folder) or (folder / ".terraform" / "terraform.tfstate").exists()


def has_local_state(folder: Path) -> bool:
    """Return whether the state is in the folder."""
    return (folder / "terraform.tfstate").exists()


def needs_init(folder: Path) -> bool:
    """Return whether the state is in a bucket that `terraform init` does not know yet."""
    return (folder / BACKEND_FILE).exists() and not is_applied(folder)
