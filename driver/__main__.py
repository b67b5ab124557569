"""`python -m driver`, and the command `mapreduce`."""

import gc
import os
import sys
from importlib import import_module


def main() -> None:
    """Run one command and end the process with its exit code."""
    _put_current_folder_last()
    import_module("driver.cli.hash_seed").start_over_if_needed(sys.argv[1:])

    # before anything is opened, which would get their descriptors
    import_module("driver.cli.streams").fill_closed()

    # the services' imports take as long as the driver's: do them at the same time
    prefork = import_module("driver.targets.prefork")
    try:
        prefork.start_early(sys.argv[1:])
        import_module("driver.cli.app").main()
    finally:
        prefork.dismiss()
        # the interpreter's last collections would visit every module: a tenth of a short command;
        # without them DuckDB's extensions print a page about leaks
        if not {"duckdb", "nanoarrow"} & sys.modules.keys():
            gc.freeze()


def _put_current_folder_last() -> None:
    """Search the current folder for modules, but after all others.

    Python puts it first, where a job called random.py or numbers.py would hide the standard
    library's module, and one called services.py this program's.
    """
    here = __file__.rpartition(os.sep)[0].rpartition(os.sep)[0]
    current = os.path.realpath(os.curdir)
    if os.path.realpath(here) == current:
        return
    if sys.path[0] in ("", os.curdir, current):
        sys.path.append(sys.path.pop(0))
    elif current not in sys.path:  # a command has its own folder there instead
        sys.path.append(current)


if __name__ == "__main__":
    main()
