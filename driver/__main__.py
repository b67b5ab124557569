"""`python -m driver`."""

import gc
import os
import sys
from importlib import import_module

# Python puts the current folder first on the module path, where a job called random.py or
# numbers.py would hide the standard library's module; it goes last, and is still searched
_here = __file__.rpartition(os.sep)[0].rpartition(os.sep)[0]
if (
    sys.path[0] in ("", os.curdir, _cwd := os.path.realpath(os.curdir))
    and os.path.realpath(_here) != _cwd
):
    sys.path.append(sys.path.pop(0))

import_module("driver.cli.hash_seed").start_over_if_needed(sys.argv[1:])

# before anything is opened, which would get their descriptors
import_module("driver.cli.streams").fill_closed()

# the services' imports take as long as the driver's: do them at the same time
_prefork = import_module("driver.targets.prefork")
try:
    _prefork.start_early(sys.argv[1:])
    import_module("driver.cli.app").main()
finally:
    _prefork.dismiss()
    # the interpreter's last collections would visit every module: a tenth of a short command
    gc.freeze()
