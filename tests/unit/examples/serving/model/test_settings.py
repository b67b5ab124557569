"""The settings of a model server, and their names in Terraform."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from examples.serving.model.settings import Settings

ROOT = Path(__file__).resolve().parents[5]
GOOD: dict[str, Any] = {"store": "s3://bucket", "version": "1", "signing_key": "k" * 32}


def test_the_environment_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each field is the variable MODEL_<FIELD>."""
    for name, value in {**GOOD, "latency_ms": "5", "batching": "false"}.items():
        monkeypatch.setenv(f"MODEL_{name.upper()}", value)
    settings = Settings()
    assert (5, False, "digits") == (settings.latency_ms, settings.batching, settings.name)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("store", "bucket"),
        ("store", "file:///"),
        ("version", "../1"),
        ("name", ""),
        ("signing_key", "short"),
        ("queue", 0),
        ("latency_ms", 0),
    ],
)
def test_what_is_refused(name: str, value: object) -> None:
    """A setting that cannot work is refused at the start."""
    with pytest.raises(ValidationError) as caught:
        Settings(**{**GOOD, name: value})
    assert (name,) == caught.value.errors()[0]["loc"]


def test_terraform_sets_variables_that_exist() -> None:
    """Each MODEL_ variable of the Terraform root is a setting, and so is what a container needs."""
    root = ROOT / "examples" / "serving" / "terraform"
    text = (root / "services.tf").read_text(encoding="utf-8")
    found = {name.lower() for name in re.findall(r"\bMODEL_([A-Z_]+)\b\s*=", text)}
    assert found <= set(Settings.model_fields)
    needed = {name for name, field in Settings.model_fields.items() if field.is_required()}
    # the module adds the port, and the root the key as a secret
    assert needed - {"signing_key"} <= found
    assert "_SIGNING_KEY" in (root / "main.tf").read_text(encoding="utf-8")
