"""The driver: finds services, schedules a run's tasks, and checks that the answer is complete.

`from driver import run` runs a job from Python, `submit` in the background.
"""

import sys
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from driver.api import Result as Result
    from driver.api import Submitted as Submitted
    from driver.api import run as run
    from driver.api import submit as submit

__all__ = ["Result", "Submitted", "run", "submit"]


class _Driver(ModuleType):
    """This package, whose names are loaded when they are used: its import stays light.

    `driver.run` is the function, although a package below has that name too, which Python would
    set as an attribute when it is imported.
    """

    @property
    def run(self) -> Any:
        return import_module("driver.api").run

    @run.setter
    def run(self, package: ModuleType) -> None:
        """Ignore the package; it is in `sys.modules`."""

    @property
    def submit(self) -> Any:
        return import_module("driver.api").submit

    @property
    def Submitted(self) -> Any:  # noqa: N802 - the class
        return import_module("driver.api").Submitted

    @property
    def Result(self) -> Any:  # noqa: N802 - the class
        return import_module("driver.api").Result


sys.modules[__name__].__class__ = _Driver
