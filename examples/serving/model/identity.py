"""Who answers: the task and the container, as ECS tells each container."""

from __future__ import annotations

import json
import os
import socket
import urllib.request
from typing import Any

METADATA = "ECS_CONTAINER_METADATA_URI_V4"
TIMEOUT_S = 2.0


def named(metadata: Any) -> str | None:
    """Return `task/container` from ECS's metadata of a container, or None if they lack it."""
    try:
        task = metadata["Labels"]["com.amazonaws.ecs.task-arn"].rpartition("/")[2]
        container = metadata["Labels"]["com.amazonaws.ecs.container-name"]
    except (KeyError, TypeError, AttributeError):
        return None
    return f"{task}/{container}"


def served_by(given: str, port: int) -> str:
    """Return who answers: what the settings say, else what ECS says, else host and port."""
    return given or _from_ecs() or f"{socket.gethostname()}/{port}"


def _from_ecs() -> str | None:
    address = os.environ.get(METADATA, "")
    if not address.startswith("http://"):
        return None
    try:
        with urllib.request.urlopen(address, timeout=TIMEOUT_S) as answer:
            return named(json.load(answer))
    except (OSError, ValueError):  # a header is not worth a start
        return None
