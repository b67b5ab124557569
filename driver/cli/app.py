"""The commands, and the exit code of each error."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Iterator, Sequence

from cyclopts import App, CycloptsError, Group

from driver.cli import (
    attach,
    author,
    bench,
    cloud,
    completion,
    detach,
    documents,
    fleet,
    packages,
    plan,
    proof,
    receipt,
    records,
    replay,
    report,
    result,
    run,
    schedules,
    stack_checks,
    stack_drivers,
    stack_images,
    stack_services,
    stack_state,
    status,
    submit,
    web,
)
from driver.cli.stack import stack
from driver.cli.terminal import make_safe, say
from driver.cli.version import version
from driver.program.command_name import AS_MODULE, COMMAND
from driver.text import interruption_text
from mapreduce.errors import MapReduceError, UserCodeError

DONE, WRONG_USE, INTERRUPTED = 0, 2, 130
GROUPS: dict[str, tuple[Callable[..., int], ...]] = {
    "Run a job and see its result": (
        run.run,
        submit.submit,
        plan.plan,
        result.result,
        records.runs,
        status.status,
        report.report,
        web.web,
        receipt.receipt,
        attach.attach,
        attach.cancel,
    ),
    "Prove the result, and find a failure": (
        proof.verify,
        proof.audit,
        replay.replay,
        cloud.logs,
    ),
    "Write a job": (author.new, author.check),
    "The stack in AWS": (cloud.doctor, schedules.schedules),
    "Measure, clean up, set up": (
        bench.bench,
        records.clean,
        packages.packages,
        completion.completion,
    ),
}
"""The commands as help shows them, the most used first."""

STEPS = (
    *("folder", "settings", "preflight", "platform", "images", "registry-password", "base-images"),
    *("image-digests", "share-settings", "wait", "end-drivers"),
)
"""Commands of `stack` that deploy.sh and destroy.sh call, and people seldom."""

app = App(
    name="driver",
    help="MapReduce on this machine or in your own AWS account.",
    usage=f"Usage: {COMMAND} COMMAND [OPTIONS]",
    version=version,
    help_epilogue=f"Begin with: {COMMAND} run book.txt",
    exit_on_error=False,
    print_error=False,
    result_action="return_value",
    suppress_keyboard_interrupt=False,
)
app["--help"].group = app["--version"].group = Group("Help", sort_key=99)


def _add_commands() -> None:
    for order, (title, commands) in enumerate(GROUPS.items()):
        group = Group(title, sort_key=order)
        for number, command in enumerate(commands):
            app.command(command, group=group, sort_key=number)
        if cloud.doctor in commands:
            stack.group, stack.sort_key = group, len(commands)
            app.command(stack)
    for command in (
        fleet.start,
        fleet.stop,
        stack_services.wait,
        stack_services.cost,
        stack_checks.allow,
        stack_checks.rotate_key,
        stack_checks.selftest,
        stack_state.remote_state,
        stack_drivers.end_drivers,
        stack_images.base_images,
        stack_images.image_digests,
        stack_state.share_settings,
    ):
        stack.command(command)
    app.command(detach.drive, show=False)
    app.command(detach.keep, show=False)
    app.command(schedules.scheduled, show=False)
    stack.usage = f"Usage: {COMMAND} stack COMMAND [OPTIONS]"
    stack.help_epilogue = "Begin with: ./deploy.sh"
    steps = Group("Steps of deploy.sh and destroy.sh", sort_key=1)
    for name in STEPS:
        stack[name].group = steps


_add_commands()


@app.command(name="help", show=False)
def show_help(*command: str) -> int:
    """Show the help of a command.

        python -m driver help
        python -m driver help run

    Args:
        command: The command (by default, the list of all commands).
    """
    app([*command, "--help"])
    return DONE


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one command and end the process with its exit code."""
    make_safe()
    sys.exit(exit_code(sys.argv[1:] if arguments is None else list(arguments)))


def exit_code(arguments: list[str]) -> int:
    """Run one command; return its exit code.

    An error is a message on standard error, and with --json or --fields a document on standard
    output too.
    """
    try:
        return _ended(arguments)
    except (CycloptsError, MapReduceError, KeyboardInterrupt) as exc:
        code = _say_error(exc)
        if documents.wants_document(arguments):
            try:
                documents.print_error(exc, code)
            except MapReduceError as unwritten:
                say(f"error: {unwritten}", style="red")
        return code


def complete_help() -> None:
    """Let the help of each command show its document's fields, and a usage that can be typed."""
    documents.name_fields(app)
    for prefix, group in (("", app), ("stack ", stack)):
        for name in (each for each in group if not each.startswith("-")):
            command = group[name].default_command
            if command is not None:
                places = "".join(_places(command))
                group[name].usage = f"Usage: {COMMAND} {prefix}{name} {places}[OPTIONS]"
                # the examples in a docstring are those of the clone
                command.__doc__ = (command.__doc__ or "").replace(AS_MODULE, COMMAND)


def _places(command: Callable[..., object]) -> Iterator[str]:
    """Yield the arguments of a command that have no name, as its usage shows them."""
    for each in inspect.signature(command).parameters.values():
        if each.kind is each.VAR_POSITIONAL:
            yield f"{each.name.upper().removesuffix('S')}... "
        elif each.kind is each.POSITIONAL_ONLY:
            yield (
                f"{each.name.upper()} " if each.default is each.empty else f"[{each.name.upper()}] "
            )


def _ended(arguments: list[str]) -> int:
    documents.check_fields(arguments)
    if {"--help", "-h", "help"} & set(arguments):
        complete_help()
    code = app(arguments)
    if sys.stdout is not None:
        sys.stdout.flush()  # here, where a failed write can still be reported
    return code if isinstance(code, int) else DONE


def _say_error(exc: CycloptsError | MapReduceError | KeyboardInterrupt) -> int:
    """Show an error on standard error, and what was noted with it; return its exit code."""
    code = _say_message(exc)
    for note in getattr(exc, "__notes__", ()):
        say(note)
    return code


def _say_message(exc: CycloptsError | MapReduceError | KeyboardInterrupt) -> int:
    if isinstance(exc, KeyboardInterrupt):
        say(interruption_text(exc), style="yellow")
        return INTERRUPTED
    if isinstance(exc, CycloptsError):
        say(f"error: {exc}", style="red")
        say(f"see: {COMMAND} {_command_of(exc)}--help")
        return WRONG_USE
    for text, style in _lines_of(exc):
        say(text, style=style)
    return exc.exit_code


def _command_of(exc: CycloptsError) -> str:
    """Return the command that was used in a wrong way, with a blank; "" for none."""
    return "".join(f"{name} " for name in exc.command_chain or ())


def _lines_of(exc: MapReduceError) -> list[tuple[str, str]]:
    """Return the lines of an error: the run's record of its failure, else the message."""
    if exc.failure is not None:
        from driver.report.failure import failure_lines  # imports the engine, slowly

        return failure_lines(exc.failure)
    lines = []
    if isinstance(exc, UserCodeError):
        from driver.report.failure import error_lines

        lines = error_lines(exc)
    return [*lines, (f"error: {exc}", "red")]
