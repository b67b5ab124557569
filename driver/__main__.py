"""`python -m driver`, and the command `mapreduce`."""

import gc
import sys
from importlib import import_module

from driver.program.module_path import put_current_folder_last


def main() -> None:
    """Run one command and end the process with its exit code."""
    put_current_folder_last(sys.path)
    if sys.platform == "win32":
        _refuse()
    import_module("driver.cli.hash_seed").start_over_if_needed(sys.argv[1:])

    # before anything is opened, which would get their descriptors
    import_module("driver.cli.streams").fill_closed()

    # the services' imports take as long as the driver's: do them at the same time
    prefork = import_module("driver.targets.prefork")
    try:
        prefork.start_early(sys.argv[1:])
        gc.disable()  # imports make no garbage, and looking for it takes a tenth of their time
        app = import_module("driver.cli.app")
        gc.freeze()
        gc.enable()
        app.main()
    finally:
        prefork.dismiss()
        # the interpreter's last collections would visit every module: a tenth of a short command;
        # without them DuckDB's extensions print a page about leaks
        if not {"duckdb", "nanoarrow"} & sys.modules.keys():
            gc.freeze()


def _refuse() -> None:
    """End this process with the reason why it cannot run here."""
    try:
        import_module("mapreduce")
    except ImportError as exc:
        sys.stderr.write(f"error: {exc}\n")
        sys.exit(2)


if __name__ == "__main__":
    main()
