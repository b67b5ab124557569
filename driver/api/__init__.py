"""Run a job from a Python program, a REPL or a notebook: `from driver import run`."""

from driver.api.calls import run
from driver.api.result import Result

__all__ = ["Result", "run"]
