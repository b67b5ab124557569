"""`python -m examples.serving`: the service on this machine, load on it, and measurements of it."""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TypeVar

from examples.serving import ask, laptop
from examples.serving.router.decisions.policy import POLICIES
from mapreduce.errors import MapReduceError, UsageError

COMMANDS = ("run", "put", "load", "bench")
MOST_PROCESSES = 64
Number = TypeVar("Number", int, float)


def _between(least: Number, most: Number) -> Callable[[str], Number]:
    """Return the type of an option that is a number of a range."""

    def number(text: str) -> Number:
        found = type(least)(text)
        if not least <= found <= most:
            raise argparse.ArgumentTypeError(f"{text} is not {least:g} to {most:g}")
        return found

    return number


_COUNT = _between(1, 10_000_000)
_PORT = _between(1, 65535)
_PERCENT = _between(0.0, 100.0)
_WAIT = _between(0.0, 60_000.0)
_RATE = _between(0.001, 100_000.0)
_FACTOR = _between(0.01, 1000.0)


def main(arguments: Sequence[str]) -> int:
    """Run a command; return its exit code, 2 for a wrong use."""
    # the service is what most want: its options may stand alone
    is_named = bool(arguments) and arguments[0] in (*COMMANDS, "-h", "--help")
    given = _parser().parse_args(arguments if is_named else ["run", *arguments])
    command: Callable[[argparse.Namespace], int] = given.command
    try:
        return command(given)
    except MapReduceError as exc:
        sys.stderr.write(f"error: {exc}\n")
        return exc.exit_code
    except ModuleNotFoundError as exc:
        sys.stderr.write(f"error: {exc}; install what the examples need: make .venv/examples\n")
        return UsageError.exit_code
    except KeyboardInterrupt:
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m examples.serving", description=__doc__)
    commands = parser.add_subparsers(required=True)
    _add_run(commands.add_parser("run", help="the service on this machine (the default)"))
    put = commands.add_parser("put", help="put a model into a store")
    put.add_argument("--store", required=True, help="s3://BUCKET, file:///FOLDER or a folder")
    _add_model(put)
    put.set_defaults(command=_put)
    load = commands.add_parser("load", help="send requests at random times, and print a table")
    load.add_argument("--host", default=laptop.LOOPBACK)
    load.add_argument("--port", type=_PORT, default=8080)
    load.add_argument("--name", default="digits", help="the model's name")
    load.add_argument("--requests", type=_COUNT, default=1000)
    load.add_argument("--rate", type=_RATE, default=100.0, help="requests a second, on average")
    load.add_argument("--seed", type=int, default=1, help="of the times and the numbers")
    load.set_defaults(command=_load)
    bench = commands.add_parser("bench", help="measure, and print ratios")
    _add_bench(bench)
    return parser


def _add_run(run: argparse.ArgumentParser) -> None:
    run.add_argument("--machines", type=_COUNT, default=3)
    run.add_argument("--containers", type=_COUNT, default=2, help="of each machine")
    run.add_argument("--port", type=_PORT, default=8080, help="of the router")
    run.add_argument("--store", help="a folder or URL that has the model; default: a small model")
    _add_model(run)
    run.add_argument("--canary", metavar="VERSION", help="another version, on one more machine")
    run.add_argument("--percent", type=_PERCENT, default=10.0, help="the canary's share")
    run.add_argument("--shadow", action="store_true", help="the canary gets copies, unseen")
    run.add_argument("--policy", choices=sorted(POLICIES), default="least")
    run.add_argument("--slow-ms", type=_WAIT, default=0.0, help="slows the first container down")
    run.add_argument("--log", type=Path, help="a file for the logs of all processes")
    run.set_defaults(command=_run)


def _add_model(command: argparse.ArgumentParser) -> None:
    command.add_argument("--model", type=Path, metavar="FILE", help="an ONNX file")
    command.add_argument("--name", default="digits", help="the model's name")
    command.add_argument("--version", default="1", help="the model's version")


def _add_bench(bench: argparse.ArgumentParser) -> None:
    from examples.serving.bench.suite import NAMES

    bench.add_argument("--only", choices=NAMES, action="append", help="by default all")
    bench.add_argument("--requests", type=_COUNT, default=10_000, help="of each way compared")
    bench.add_argument(
        "--slower",
        type=_FACTOR,
        default=1.0,
        help="a factor on waits, for a busy machine",
    )
    bench.set_defaults(command=_bench)


def _run(given: argparse.Namespace) -> int:
    if find_spec("onnxruntime") is None:
        raise ModuleNotFoundError("No module named 'onnxruntime'")
    extra = given.canary is not None
    if (given.machines + extra) * given.containers > MOST_PROCESSES:
        raise UsageError(f"that is more than {MOST_PROCESSES} containers; use fewer --machines")
    with tempfile.TemporaryDirectory(prefix="serving-") as folder:
        store = laptop.store_url(folder if given.store is None else given.store)
        if given.model or given.store is None:
            laptop.fill(store, given.name, given.version, given.model)
        if extra and given.store is None:
            laptop.fill(store, given.name, given.canary, given.model)
        for version in (given.version, *([given.canary] if extra else [])):
            laptop.check_has(store, given.name, version)
        log = given.log or Path(folder) / "serving.log"
        options = laptop.Options(
            machines=given.machines,
            containers=given.containers,
            port=given.port,
            store=store,
            name=given.name,
            version=given.version,
            canary=given.canary,
            canary_percent=given.percent,
            shadow=given.shadow,
            policy=given.policy,
            slow_ms=given.slow_ms,
        )
        return laptop.run(options, log, Path(folder) / "example.json")


def _put(given: argparse.Namespace) -> int:
    store = laptop.store_url(given.store)
    laptop.fill(store, given.name, given.version, given.model)
    sys.stdout.write(f"{store} has version {given.version} of the model {given.name}\n")
    return 0


def _load(given: argparse.Namespace) -> int:
    summary = ask.load(
        ask.Target(given.host, given.port, given.name), given.requests, given.rate, given.seed
    )
    sys.stdout.write(ask.table_of(summary) + "\n")
    return 0 if summary.failed == 0 else 1


def _bench(given: argparse.Namespace) -> int:
    from examples.serving.bench.suite import run

    return run(given.only, given.requests, given.slower)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
