"""The states of a run."""

from __future__ import annotations

from typing import Literal

RunState = Literal["planned", "running", "done", "failed", "interrupted", "paused", "lost"]
"""planned: no driver has begun yet; interrupted: the user has ended it; paused: at its limit of
dollars; lost: its driver has gone without a word."""
