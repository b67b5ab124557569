"""Drivers in the background of this machine: one that ends with its run, or one after another."""

from __future__ import annotations

import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from driver.history.failure import Failure
from driver.history.lease import LEASE_S
from driver.history.run_events import RECORD
from driver.history.run_names import epoch_of
from driver.history.run_store import Ended, RecordedState, RunStore
from driver.program.command_name import COMMAND
from driver.program.module_path import own_environment, own_process
from driver.targets.prepare import Prepared
from driver.targets.stored_code import delete_leftovers
from mapreduce.errors import (
    KINDS,
    LimitReached,
    MapReduceError,
    ObjectExists,
    RunStopped,
    UsageError,
)
from mapreduce.wire import keys

LOG = "driver.log"
ENDS: tuple[RecordedState, ...] = ("done", "failed", "interrupted", "paused", "unreadable")
POLL_S = 0.5
STARTS_S = 60.0
"""How long a process of this machine may take to begin a run: it may be busy."""


def check_detachable(prepared: Prepared) -> None:
    """Check that a run can go on in the background; raises `UsageError`."""
    if not prepared.runs.store.startswith("file://"):
        raise UsageError(
            f"--detach: the store {prepared.runs.store} is not a folder of this machine; "
            "leave --detach out, name a folder with --store, or start the driver in AWS: "
            f"{COMMAND} submit"
        )


def start_driver(runs: RunStore, run: str, retries: int) -> Path:
    """Start a process of its own session that carries out a plan; return the file of its output.

    Args:
        runs: the store, a folder.
        run: the plan.
        retries: how often another driver goes on if one is lost.
    """
    log = Path(keys.run_file(runs.store, run, LOG).removeprefix("file://"))
    arguments = ["keep", run, "--retries", str(retries)] if retries else ["drive", run]
    with log.open("ab") as output:
        subprocess.Popen(
            driver_command(*arguments, "--store", runs.store),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env=own_environment(os.environ),
            start_new_session=True,
        )
    return log


def driver_command(*arguments: str) -> list[str]:
    """Return the command that starts this program with other arguments."""
    return [*own_process("driver"), *arguments]


def drive(arguments: Sequence[str]) -> int:
    """Carry out a command of this program in a process; return its exit code, -N after signal N.

    What a killed driver has left in the folder of temporary files is deleted: perhaps none follows.
    """
    with (
        subprocess.Popen(
            driver_command(*arguments), stdin=subprocess.DEVNULL, env=own_environment(os.environ)
        ) as driver,
        _forwarded(driver),
    ):
        code = driver.wait()
    if code < 0:
        delete_leftovers(Path(tempfile.gettempdir()))
    return code


@contextmanager
def _forwarded(process: subprocess.Popen[bytes]) -> Iterator[None]:
    """Within the block, SIGTERM ends that process, which records how its run ended."""
    before = signal.signal(signal.SIGTERM, lambda *_: process.terminate())
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def keep_going(
    runs: RunStore,
    run: str,
    retries: int,
    *,
    sleep: Callable[[float], None],
    say: Callable[[str], None],
    drive: Callable[[Sequence[str]], int] = drive,
) -> int:
    """Carry out a plan, and go on with it while its driver is lost; return the run's exit code.

    Another process may have begun it: this one waits until it is over, or its driver is lost.

    Args:
        runs: the store.
        run: the plan.
        retries: how often to go on.
        sleep: waits for some seconds.
        say: receives what happens, in words.
        drive: carries out a command.
    """
    code = driven = 0
    while True:
        state, newest = _settled(runs, run, sleep)
        epoch = epoch_of(newest)[1] + (state == "lost")
        if state in ENDS:
            return code or _exit_code(runs, newest, state)
        if runs.is_unwanted(newest):
            why = f"{newest} was cancelled after it had lost its driver"
            runs.write(newest, "ended.json", Ended(state="interrupted", at=time.time(), why=why))
            return RunStopped.exit_code
        if max(epoch, driven + 1) > retries + 1:
            break
        if epoch > 1:
            say(f"{newest} has lost its driver; the next one goes on")
        code, driven = drive(["drive", run, "--store", runs.store]), driven + 1
        if code == 0:
            return code
        if code > 0 and runs.state(newest) == "planned":  # neither killed nor begun
            if code != RunStopped.exit_code:  # one that was stopped can be started again
                record_no_begin(runs, newest, _ended_unsaid(run, code))
            return code
    say(f"{run} has lost its driver {retries + 1} times; go on: {COMMAND} run --plan {run}")
    return code or 1


def record_no_begin(runs: RunStore, run: str, failure: Failure) -> bool:
    """Record why a driver cannot begin a plan, so that none begins it any more.

    Returns:
        False if a driver has begun it meanwhile; its end is that driver's to record.
    """
    try:
        runs.storage.create(keys.run_file(runs.store, run, keys.BEGUN), b"")
    except ObjectExists:
        return False
    runs.write(run, "failure.json", failure)
    runs.write(run, RECORD, b"")  # who watches it waits for no more
    return True


def _ended_unsaid(run: str, code: int) -> Failure:
    """Return the failure of a driver that ended before it began, and has not said why."""
    same = (name for name, kind in KINDS.items() if kind.exit_code == code)
    message = f"its driver ended with exit code {code} before it began; its output says why"
    return Failure(run=run, kind=next(same, MapReduceError.__name__), message=message)


def _settled(runs: RunStore, run: str, sleep: Callable[[float], None]) -> tuple[RecordedState, str]:
    """Return the state of a run's newest epoch, once no driver is at work, and its id."""
    while True:
        newest = runs.resolve(run)
        state = runs.state(newest)
        if state != "running":
            return state, newest
        sleep(POLL_S)  # the lease of a driver that was killed still holds


def _exit_code(runs: RunStore, run: str, state: RecordedState) -> int:
    """Return the exit code of a run that is over."""
    if state == "done":
        return 0
    failure = runs.failure(run) if state == "failed" else None
    kind = KINDS.get(failure.kind, MapReduceError) if failure else MapReduceError
    ends: dict[RecordedState, int] = {
        "interrupted": RunStopped.exit_code,
        "paused": LimitReached.exit_code,
    }
    return ends.get(state, kind.exit_code)


def begun(
    runs: RunStore,
    run: str,
    until: float,
    sleep: Callable[[float], None],
    wall: Callable[[], float] = time.time,
) -> RecordedState:
    """Return the state of a run once a driver has begun it, or may take no longer to do so.

    Args:
        runs: the store.
        run: the run.
        until: how long a driver may take, in seconds since the epoch.
        sleep: waits for some seconds.
        wall: the time, in seconds since the epoch.
    """
    while (state := runs.state(run)) == "planned" and wall() < until:
        sleep(POLL_S)
    return state


def ends_for_good(state: RecordedState) -> bool:
    """Return whether a run in this state is over, and no driver goes on with it by itself."""
    return state in ENDS


def successor(
    runs: RunStore,
    run: str,
    retries: int,
    sleep: Callable[[float], None],
    now: Callable[[], float] = time.monotonic,
) -> str:
    """Return the epoch after a lost one, once it has begun; the lost one if none begins.

    Args:
        runs: the store.
        run: the lost epoch of a run.
        retries: how often a next driver begins by itself.
        sleep: waits for some seconds.
        now: a clock that only goes forward.
    """
    first, epoch = epoch_of(run)
    until = now() + (2 * LEASE_S if epoch <= retries else 0.0)
    while (newest := runs.resolve(first)) == run and now() < until:
        sleep(POLL_S)
    return newest
