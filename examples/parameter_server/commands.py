"""The command line: train, status, server, worker, bench, export."""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import tempfile
from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path
from types import FrameType
from typing import Any, Final

from examples.parameter_server.core.spec import RunSpec, RunStatus
from examples.parameter_server.folder import findable, locked, server_of
from mapreduce.errors import MapReduceError, UsageError
from mapreduce.wire.tokens import check_key

WORKERS: Final = 4
DESCRIBED: Final = {"staleness": "0: BSP; n: SSP, n clocks ahead at most; none: ASP"}
_TOLD: Final = ("run", "state", "sha256", "evaluation", "version", "generation", "counts")


def main(arguments: Sequence[str]) -> int:
    """Run a command; return its exit code."""
    if arguments and arguments[0] in ("bench", "export"):
        return _other(arguments[0], arguments[1:])
    parsed = _parser().parse_args(arguments)
    try:
        if parsed.command == "server":
            from examples.parameter_server.server import main as serve

            serve()
            return 0
        if parsed.command == "worker":
            from examples.parameter_server.worker import main as work

            work()
            return 0
        _check_target(parsed)
        return _train(parsed) if parsed.command == "train" else _status(parsed)
    except MapReduceError as exc:
        _say(f"error: {exc}")
        return exc.exit_code
    except KeyboardInterrupt:
        _say("stopped")
        return 130


def _other(command: str, arguments: Sequence[str]) -> int:
    # imported at first use: the images have neither
    run: Callable[[Sequence[str]], int] = import_module(f"examples.parameter_server.{command}").main
    try:
        return run(arguments)
    except MapReduceError as exc:
        _say(f"error: {exc}")
        return exc.exit_code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m examples.parameter_server")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    train = commands.add_parser("train", help="train a model; prints its SHA-256 and accuracy")
    _add_spec(train)
    _add_target(train)
    train.add_argument("--workers", type=_positive, help="processes (laptop alone; default 4)")
    train.add_argument("--store", type=_folder, help="folder for cuts and the model (laptop alone)")
    train.add_argument("--log", type=Path, help="file for the log of all processes (laptop alone)")
    train.add_argument(
        "--abandon", action="store_true", help="give up the run in progress, which counts as failed"
    )
    train.add_argument("--json", action="store_true", help="print the whole status as JSON")
    status = commands.add_parser("status", help="print what the server does, as JSON")
    _add_target(status)
    status.add_argument(
        "--store", type=_folder, help="folder that a `train` of this machine has now"
    )
    commands.add_parser("server", help="run one server; settings from the environment")
    commands.add_parser("worker", help="run one worker; settings from the environment")
    commands.add_parser("bench", help="measure numbers of workers and kinds of consistency")
    commands.add_parser("export", help="write a trained model as ONNX to the store")
    return parser


def _add_spec(parser: argparse.ArgumentParser) -> None:
    """Add an option for each field that a user chooses; defaults are those of `RunSpec`."""
    kinds: dict[str, Any] = {
        "model": str,
        "seed": int,
        "clocks": int,
        "micro_batches": int,
        "batch_rows": int,
        "learning_rate": float,
        "momentum": float,
        "staleness": _staleness,
        "compression": str,
        "servers": int,
        "checkpoint_every": int,
        "lease_s": float,
    }
    for name, kind in kinds.items():
        field = RunSpec.model_fields[name]
        parser.add_argument(
            f"--{name.replace('_', '-')}",
            type=kind,
            default=field.default,
            metavar=name.rpartition("_")[2].upper(),
            help=f"{DESCRIBED.get(name) or field.description or name.replace('_', ' ')} "
            f"(default {field.default})",
        )
    parser.add_argument("--no-backups", action="store_true", help="repeat no slow micro-batch")


def _add_target(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--target",
        choices=("laptop", "aws"),
        default="laptop",
        help="processes of this machine, or the deployed servers",
    )
    parser.add_argument(
        "--address",
        help="host:port of server 0 (default: PARAMETER_SERVER_ADDRESS, or the deployed stack's)",
    )


def _folder(text: str) -> Path:
    scheme, colon, path = text.partition("://")
    if colon and scheme != "file":
        raise argparse.ArgumentTypeError(
            f"{text} is no folder; runs in AWS have the stack's bucket: --target aws"
        )
    return Path(path if colon else text)


def _check_target(parsed: argparse.Namespace) -> None:
    """Check that no option is given that the target does not have.

    Raises:
        UsageError: one is.
    """
    if parsed.target == "aws":
        for name in ("workers", "store", "log"):
            if getattr(parsed, name, None) is not None:
                raise UsageError(f"--{name} is of a laptop's runs; leave it out with --target aws")
    elif parsed.address:
        raise UsageError("--address is of a deployed server; add --target aws")
    elif parsed.command == "status" and parsed.store is None:
        raise UsageError("status of which run? add --store FOLDER, or --target aws")


def _staleness(text: str) -> int | None:
    if text == "none":
        return None
    try:
        value = int(text)
    except ValueError:
        value = -1
    if value < 0:
        raise argparse.ArgumentTypeError("write 0 (BSP), a number of clocks (SSP), or none (ASP)")
    return value


def _positive(text: str) -> int:
    value = int(text) if text.isdecimal() else 0
    if value < 1:
        raise argparse.ArgumentTypeError("write a whole number from 1 on")
    return value


def _spec(parsed: argparse.Namespace) -> RunSpec:
    from pydantic import ValidationError

    fields = {name: getattr(parsed, name) for name in RunSpec.model_fields if name != "backups"}
    try:
        return RunSpec(**fields, backups=not parsed.no_backups)
    except ValidationError as exc:
        first = exc.errors()[0]
        option = f"--{str(first['loc'][0]).replace('_', '-')}"
        raise UsageError(f"{option}: {first['msg']}") from exc


def _train(parsed: argparse.Namespace) -> int:
    spec = _spec(parsed)
    if parsed.target == "aws":
        status = _client(parsed).train(spec, _Progress(), abandon=parsed.abandon)
        return _told(status, whole=parsed.json)
    from examples.parameter_server.fleet import LocalFleet
    from examples.parameter_server.models import model_named

    model_named(spec.model)
    signal.signal(signal.SIGTERM, _interrupt)
    with tempfile.TemporaryDirectory() as folder, locked(parsed.store):
        log = parsed.log or Path(folder) / "log"
        with (
            LocalFleet(parsed.workers or WORKERS, spec.servers, parsed.store, log) as fleet,
            findable(parsed.store, fleet.addresses[0], fleet.key),
        ):
            status = fleet.client.train(spec, _Progress(), abandon=parsed.abandon)
        if parsed.store and status.state == "done":
            _say(f"the cuts and _SUCCESS are in {parsed.store}/training/{status.run}")
        return _told(status, whole=parsed.json)


def _status(parsed: argparse.Namespace) -> int:
    print(_client(parsed).status().model_dump_json(indent=2))
    return 0


def _told(status: RunStatus, *, whole: bool) -> int:
    document = status.model_dump(mode="json")
    chosen = document if whole else {name: document[name] for name in _TOLD}
    print(json.dumps(chosen, indent=2))
    if status.state == "failed":
        _say(f"failed: {status.problem}")
        return 1
    return 0


def _client(parsed: argparse.Namespace) -> Any:
    """Return the client of server 0: of a folder's `train`, or the deployed one."""
    from examples.parameter_server.client import Client

    if parsed.target == "laptop" and parsed.store is not None:
        return Client(*server_of(parsed.store))
    key = os.environ.get("PS_SIGNING_KEY", "")
    if key:
        check_key(key)
    address = parsed.address or os.environ.get("PARAMETER_SERVER_ADDRESS", "").partition(",")[0]
    if not (address and key):
        # imported at first use: no image has the AWS client
        from examples.parameter_server.deployed import deployed, server_address, signing_key

        stack = deployed()
        key = key or signing_key(stack)
        if not address:
            return Client(server_address(stack), key, lambda: server_address(stack))
    return Client(address, key)


class _Progress:
    """Writes a line to standard error when something has changed, once a second at most."""

    def __init__(self) -> None:
        self._told = ""
        self._clock = -1

    def __call__(self, status: RunStatus) -> None:
        """Tell where the run is."""
        clocks = status.spec.clocks if status.spec else 0
        step = max(1, clocks // 10)
        kind = f"{status.state} {status.problem} {status.generation}"
        if kind == self._told and status.version // step == self._clock // step:
            return
        self._told, self._clock = kind, status.version
        loss = "" if status.loss is None else f", loss {status.loss:.4f}"
        note = f"  [{status.problem}]" if status.problem else ""
        _say(
            f"{status.state}: clock {status.version} of {clocks}{loss}, {status.workers} workers"
            f"{note}"
        )


def _interrupt(number: int, frame: FrameType | None) -> None:
    del number, frame
    raise KeyboardInterrupt


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
