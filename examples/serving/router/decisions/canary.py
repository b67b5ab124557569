"""Which group of replicas gets a request: the stable one, or the canary of a new version."""

from __future__ import annotations

import re
from typing import Literal

Group = Literal["stable", "canary", "shadow"]
_INFERENCE = re.compile(r"/v2/models/[^/]+/infer")
"""An inference that names no version; only such a request may go to another version."""


def group_of(path: str, draw: float, canary_percent: float) -> Group:
    """Return the group for a request; a path that names a version always gets the stable one.

    Args:
        path: the request's path.
        draw: a uniform random number of [0, 1).
        canary_percent: the canary's share of the inferences.
    """
    is_canary = draw * 100 < canary_percent and _INFERENCE.fullmatch(path) is not None
    return "canary" if is_canary else "stable"


def is_mirrored(path: str, draw: float, shadow_percent: float, mirrored: int, most: int) -> bool:
    """Return whether the shadow group gets a copy of a request.

    Args:
        path: the request's path.
        draw: a uniform random number of [0, 1).
        shadow_percent: the share of the inferences that are copied.
        mirrored: the copies on their way now.
        most: the most copies on their way; a slow shadow loses copies, and holds up no request.
    """
    return (
        draw * 100 < shadow_percent and mirrored < most and _INFERENCE.fullmatch(path) is not None
    )
