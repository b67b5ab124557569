"""The target of a run: the values of `--target`, and of a plan's `target`."""

from typing import Literal

Target = Literal["local", "aws", "inline", "spark"]
WantedTarget = Literal["auto", Target]
"""`auto` is AWS where a stack is deployed, else this machine."""
