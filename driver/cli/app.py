"""The commands, and what becomes of an error."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from cyclopts import App, CycloptsError

from driver.cli import author, bench, cloud, proof, records, replay, run
from driver.cli.stack import stack
from driver.cli.terminal import make_safe, say
from mapreduce.errors import MapReduceError, UserCodeError

DONE, WRONG_USE, INTERRUPTED = 0, 2, 130

app = App(
    name="driver",
    help="MapReduce on this machine or in your own AWS account.",
    usage="Usage: python -m driver COMMAND [OPTIONS]",
    version_flags=[],
    exit_on_error=False,
    print_error=False,
    result_action="return_value",
    suppress_keyboard_interrupt=False,
)
for command in (
    run.run,
    records.runs,
    records.status,
    proof.verify,
    proof.audit,
    bench.bench,
    replay.replay,
    author.new,
    author.check,
    records.clean,
    cloud.logs,
    cloud.doctor,
):
    app.command(command)
app.command(stack)


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs one command and ends the process with its exit code."""
    make_safe()
    sys.exit(exit_code(sys.argv[1:] if arguments is None else list(arguments)))


def exit_code(arguments: list[str]) -> int:
    """Runs one command; whatever goes wrong becomes a message and a code."""
    try:
        code = app(arguments)
        if sys.stdout is not None:
            sys.stdout.flush()  # while what cannot be written can still be told
        return code if isinstance(code, int) else DONE
    except CycloptsError as exc:
        say(f"error: {exc}", style="red")
        say("see: python -m driver --help, or python -m driver COMMAND --help")
        return WRONG_USE
    except MapReduceError as exc:
        if isinstance(exc, UserCodeError):
            from driver.report.failure import error_lines  # the engine takes its time to import

            for text, style in error_lines(exc):
                say(text, style=style)
        say(f"error: {exc}", style="red")
        return exc.exit_code
    except KeyboardInterrupt:
        say("interrupted; the same command goes on where this one stopped", style="yellow")
        return INTERRUPTED
