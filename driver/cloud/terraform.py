"""The folder of the Terraform module, and whether it is applied; does not run Terraform."""

from __future__ import annotations

import os
from pathlib import Path

FOLDER_VARIABLE = "MAPREDUCE_TERRAFORM"


def terraform_folder() -> Path:
    """Return the root module's folder: beside this package, or MAPREDUCE_TERRAFORM."""
    given = os.environ.get(FOLDER_VARIABLE)
    return Path(given) if given else Path(__file__).resolve().parents[2] / "terraform"


def is_applied(folder: Path) -> bool:
    """Return whether there is a state, here or in a backend."""
    return any(
        (folder / name).exists() for name in ("terraform.tfstate", ".terraform/terraform.tfstate")
    )
