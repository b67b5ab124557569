"""Run a job from a Python program, a REPL or a notebook: `from driver import run`."""

from driver.api.calls import run, submit
from driver.api.result import Result
from driver.api.submitted import Submitted

__all__ = ["Result", "Submitted", "run", "submit"]
