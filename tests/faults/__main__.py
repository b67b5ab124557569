"""Break runs with every kind of fault, and report the verdicts: `make faults`. With `--system NAME`
the faults are those of an example system, in `tests/faults/systems`.

The exit code is 0 if every fault was injected, every answer was right or withheld, and no process
or temporary file was left; else 1. A fault that this machine cannot inject is skipped; with
MAPREDUCE_REQUIRE_ALL=1, as in CI, the exit code is then 1.
"""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import sys
import tempfile
import time
from contextlib import ExitStack
from importlib import import_module
from pathlib import Path

from tests.contract.emulator import MINISTACK, running_emulator
from tests.faults.fault import all_faults
from tests.faults.report import lines_of, read_json, text_table, write_json, write_markdown
from tests.faults.suite import BUCKET, Row, Suite
from tests.requirement import everything_is_required, fault_of_a_skip

SYSTEMS = ("albums", "parameter_server", "serving")
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Interrupted(BaseException):
    """A signal has arrived; the results so far are still shown."""


def main() -> int:
    """Read the command line, run the suite; return the exit code."""
    arguments = _arguments()
    if arguments.system:
        _refuse_others(sys.argv[1:])
        suite_of_system = import_module(f"tests.faults.systems.{arguments.system}")
        return int(suite_of_system.main(arguments.rounds))
    for number in SIGNALS:
        signal.signal(number, _interrupted)
    faults = {
        name: kind
        for name, kind in all_faults().items()
        if not arguments.only or name in arguments.only
    }
    started = time.monotonic()
    folder = Path(tempfile.mkdtemp(prefix="faults-"))
    rows = [row for path in arguments.add for row in read_json(path) if row.fault in faults]

    def told(row: Row) -> None:
        rows.append(row)
        _say_row(row)

    try:
        with ExitStack() as ends:
            suite = Suite(folder, arguments.seed, _s3(ends), keep=arguments.keep)
            suite.run(list(faults.values()), arguments.rounds, arguments.jobs, told)
    except Interrupted as exc:
        _say(f"interrupted by {exc}: this is what there is so far")
    finally:
        if not arguments.keep and all(row.is_good or row.verdict == "skipped" for row in rows):
            shutil.rmtree(folder, ignore_errors=True)
        else:
            _say(f"the folders of the trials to look at are in {folder}")
    lines = lines_of(rows, faults)
    _say("\n" + text_table(lines))
    if arguments.json:
        write_json(arguments.json, rows, lines, arguments.seed)
    if arguments.markdown:
        write_markdown(arguments.markdown, lines)
    bad = [row for row in rows if _is_bad(row, required=everything_is_required())]
    _say(
        f"\n{len(rows)} trials in {time.monotonic() - started:.0f} s, "
        f"{len(bad)} of them not as they should be"
    )
    return 1 if bad or any(not line.runs and not line.skipped for line in lines) else 0


def _refuse_others(words: list[str]) -> None:
    """Exit with 2 if there is an option that the suite of a system does not have."""
    options = [word.partition("=")[0] for word in words if word.startswith("--")]
    others = [option for option in options if option not in ("--system", "--rounds")]
    if others:
        _say(f"{others[0]} is no option of --system: its suite has --rounds alone")
        sys.exit(2)


def _is_bad(row: Row, *, required: bool) -> bool:
    """Return whether a trial fails the suite: a skipped one does only if everything is required."""
    if row.verdict == "skipped":
        return bool(fault_of_a_skip("; ".join(row.complaints), required=required))
    return not row.is_good


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m tests.faults", description=__doc__, allow_abbrev=False
    )
    parser.add_argument("--system", choices=SYSTEMS, help="the faults of this example")
    parser.add_argument(
        "--rounds",
        type=int,
        default=1,
        help="how often each fault is tried; with 0 and --add, only the table",
    )
    parser.add_argument(
        "--only", action="append", choices=sorted(all_faults()), help="this fault; may be repeated"
    )
    parser.add_argument("--seed", type=int, default=1, help="another seed strikes at other moments")
    parser.add_argument(
        "--jobs", type=int, default=os.cpu_count() or 1, help="trials at the same time"
    )
    parser.add_argument(
        "--keep",
        action="store_true",
        help="keep the folders of all trials, not of the bad ones only",
    )
    parser.add_argument(
        "--add", type=Path, action="append", default=[], help="the trials of an earlier --json too"
    )
    parser.add_argument("--json", type=Path, help="write every trial and the table to this file")
    parser.add_argument(
        "--markdown", type=Path, help="write the table between the markers of this page"
    )
    return parser.parse_args()


def _s3(ends: ExitStack) -> str:
    """Run the emulator; return its address, or "" if it is not installed, and set the environment
    of this process and its trials.
    """
    if MINISTACK.missing:
        _say(MINISTACK.missing)
        return ""
    emulator = ends.enter_context(running_emulator(BUCKET))
    os.environ.update(emulator.environment)
    return emulator.endpoint


def _say_row(row: Row) -> None:
    good = "ok " if row.is_good else "-- " if row.verdict == "skipped" else "BAD"
    done = (
        row.injections[0] + (f" (and {len(row.injections) - 1} more)" if row.injections[1:] else "")
        if row.injections
        else ""
    )
    _say(f"{good} {row.fault:<30} {row.verdict:<14} {row.seconds:5.1f} s  {done}")
    for text in (*row.complaints, *row.leaked, *row.leftovers):
        _say(f"      {text}")


def _say(text: str) -> None:
    print(text, flush=True)  # noqa: T201 - a separate program


def _interrupted(number: int, _: object) -> None:
    """Unwind once; ignore further signals."""
    for other in SIGNALS:
        signal.signal(other, signal.SIG_IGN)
    raise Interrupted(signal.Signals(number).name)


if __name__ == "__main__":
    sys.exit(main())
