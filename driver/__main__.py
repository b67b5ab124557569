"""`python -m driver`."""

import os
import sys
from importlib import import_module

# Python puts the current folder first on the module path, where a job called random.py or numbers.py would take the
# standard library's place; it goes last, and modules in it are still found
_here = __file__.rpartition(os.sep)[0].rpartition(os.sep)[0]
if (
    sys.path[0] in ("", os.curdir, _cwd := os.path.realpath(os.curdir))
    and os.path.realpath(_here) != _cwd
):
    sys.path.append(sys.path.pop(0))

import_module("driver.cli.hash_seed").start_over_if_needed(sys.argv[1:])

# before anything is opened that would take their numbers
import_module("driver.cli.streams").fill_closed()

# the services' modules and the driver's take as long to import: they do it side by side
_forerunner = import_module("driver.targets.prefork")
try:
    _forerunner.start_early(sys.argv[1:])
    import_module("driver.cli.app").main()
finally:
    _forerunner.dismiss()
