"""The commands, and the exit code of each error."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from cyclopts import App, CycloptsError

from driver.cli import (
    attach,
    author,
    bench,
    cloud,
    fleet,
    plan,
    proof,
    records,
    replay,
    run,
    stack_checks,
    stack_images,
    stack_state,
    status,
)
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
    plan.plan,
    records.runs,
    status.status,
    attach.attach,
    attach.cancel,
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
stack.command(fleet.start)
stack.command(fleet.stop)
stack.command(stack_images.base_images)
stack.command(stack_images.image_digests)
stack.command(stack_state.remote_state)
stack.command(stack_state.share_settings)
stack.command(stack_checks.allow)
stack.command(stack_checks.rotate_key)
stack.command(stack_checks.selftest)
app.command(stack)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one command and end the process with its exit code."""
    make_safe()
    sys.exit(exit_code(sys.argv[1:] if arguments is None else list(arguments)))


def exit_code(arguments: list[str]) -> int:
    """Run one command; return its exit code, and print a message for each error."""
    try:
        code = app(arguments)
        if sys.stdout is not None:
            sys.stdout.flush()  # here, where a failed write can still be reported
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
        say("interrupted; run the same command again to continue", style="yellow")
        return INTERRUPTED
