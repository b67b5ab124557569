"""Where the Terraform module is, and whether anything is laid out: a quick look, without Terraform and its outputs."""

from __future__ import annotations

import os
from pathlib import Path

FOLDER_VARIABLE = "MAPREDUCE_TERRAFORM"


def terraform_folder() -> Path:
    """Where the root module is: beside this package, or where MAPREDUCE_TERRAFORM says."""
    given = os.environ.get(FOLDER_VARIABLE)
    return Path(given) if given else Path(__file__).resolve().parents[2] / "terraform"


def is_applied(folder: Path) -> bool:
    """Is there a state, here or in a backend?"""
    return any(
        (folder / name).exists() for name in ("terraform.tfstate", ".terraform/terraform.tfstate")
    )
