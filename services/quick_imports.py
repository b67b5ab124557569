"""Imports of libraries without what these services do not use of them."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def quick_imports() -> Iterator[None]:
    """Import quickly in this block: an eighth of the time that the services' imports take.

    A model of pydantic is built when it is first used: FastAPI's models of OpenAPI, which no
    service answers with, are never built. `rich` is not found: structlog would load it for tables
    on a terminal, and these services log JSON.
    """
    from pydantic import BaseModel

    config, without_rich = BaseModel.model_config, "rich" not in sys.modules
    before = config.get("defer_build", False)
    config["defer_build"] = True
    if without_rich:
        sys.modules["rich"] = None  # type: ignore[assignment]  # what makes Python raise ImportError
    try:
        yield
    finally:
        config["defer_build"] = before
        if without_rich:
            del sys.modules["rich"]
