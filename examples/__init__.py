"""Other systems on the same Terraform modules and service shell, each whole in its folder."""

import sys
from types import TracebackType


def say_what_is_missing(
    kind: type[BaseException], error: BaseException, trace: TracebackType | None
) -> None:
    """Write how to install a package that a command lacks; a stack trace of any other error."""
    package = (getattr(error, "name", None) or "").partition(".")[0]
    if not isinstance(error, ModuleNotFoundError) or package in ("examples", "mapreduce"):
        sys.__excepthook__(kind, error, trace)
        return
    sys.stderr.write(
        f"error: {package} is not installed for {sys.executable}; run: make .venv/examples, "
        "then this command with .venv/bin/python\n"
    )


if sys.argv[:1] == ["-m"]:  # `python -m examples.NAME` begins: the words after it are not read yet
    sys.excepthook = say_what_is_missing
