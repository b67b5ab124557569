"""`python -m examples.albums`: run the album service here, or work with a deployed one."""

from __future__ import annotations

import argparse
import signal
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from mapreduce.errors import MapReduceError, UsageError

MOST_CLIENTS = 1000

# Each command imports its own modules: the container has no AWS client.


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; return its exit code."""
    given = _parser().parse_args(arguments)
    try:
        if given.command == "serve":
            return _serve()
        if given.command == "urls":
            return _urls(given.terraform)
        if given.command == "load":
            return _load(given)
        return _laptop(given)
    except MapReduceError as exc:
        sys.stderr.write(f"error: {exc}\n")
        return exc.exit_code
    except KeyboardInterrupt:
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        "python -m examples.albums",
        description="Without a command: run the album service on this machine until Ctrl-C.",
    )
    parser.add_argument("--tasks", type=int, default=1, help="processes, each with its own port")
    parser.add_argument(
        "--port", type=int, default=8080, help="of the first task; 0: any free ones"
    )
    parser.add_argument(
        "--store", type=Path, metavar="DIR", help="folder that keeps the added albums"
    )
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")
    commands.add_parser("serve", help="run one task, as a container does")
    urls = commands.add_parser("urls", help="print the address of each task of the deployed stack")
    load = commands.add_parser("load", help="send requests, and count those that are lost")
    for each in (urls, load):
        each.add_argument(
            "--terraform", type=Path, metavar="DIR", help="folder of the deployed root module"
        )
    load.add_argument(
        "--urls", nargs="+", metavar="URL", help="addresses; without them, those of the stack"
    )
    load.add_argument("--requests", type=int, default=2000, help="at least so many")
    load.add_argument(
        "--seconds", type=float, default=0, help="and at least for so long; Ctrl-C ends it before"
    )
    load.add_argument("--clients", type=int, default=8, help="requests at a time")
    load.add_argument("--pause", type=float, default=0, help="seconds between a client's requests")
    return parser


def _laptop(given: argparse.Namespace) -> int:
    from examples.albums.laptop import run_tasks

    run_tasks(given.tasks, given.port, given.store)
    return 0


def _serve() -> int:
    from examples.albums.service import run
    from examples.albums.settings import AlbumSettings
    from services.shell.serve import listen
    from services.shell.settings import settings_or_exit
    from services.shell.supervisor import own_lifeline

    lifeline = own_lifeline()
    settings = settings_or_exit(AlbumSettings)
    try:
        listening = listen(settings)
    except OSError as exc:
        raise UsageError(f"ALBUMS_PORT={settings.port} cannot be used: {exc}") from exc
    run(settings, listening, lifeline)
    return 0


def _urls(terraform: Path | None) -> int:
    from examples.albums.addresses import TERRAFORM, deployed, look_up

    found = look_up(deployed(terraform or TERRAFORM))()
    if not found:
        sys.stderr.write(
            "no task runs; start one: "
            "terraform -chdir=examples/albums/terraform apply -var album_count=1\n"
        )
        return 1
    sys.stdout.writelines(f"{address}/albums\n" for address in found)
    return 0


def _load(given: argparse.Namespace) -> int:
    from examples.albums.load import at, load

    if given.urls:
        look = at(given.urls)
    else:
        from examples.albums.addresses import TERRAFORM, deployed, look_up

        look = look_up(deployed(given.terraform or TERRAFORM))
    if given.requests < 1 or not 1 <= given.clients <= MOST_CLIENTS or not given.pause >= 0:
        raise UsageError(
            f"--requests is at least 1, --clients 1 to {MOST_CLIENTS}, --pause not below 0"
        )
    began = time.monotonic()
    with _told_to_end() as ended:
        total = load(
            look,
            lambda begun: (
                not ended.is_set()
                and (begun < given.requests or time.monotonic() - began < given.seconds)
            ),
            clients=given.clients,
            pause_s=given.pause,
        )
    took = time.monotonic() - began
    sys.stdout.write(f"{total}; {total.requests / took:.0f} a second\n")
    return 0 if total.is_good else 1


@contextmanager
def _told_to_end() -> Iterator[threading.Event]:
    """Yield an event that Ctrl-C and SIGTERM set, so that the counts so far are printed."""
    ended = threading.Event()
    before = {
        number: signal.signal(number, lambda *_: ended.set())
        for number in (signal.SIGINT, signal.SIGTERM)
    }
    try:
        yield ended
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


if __name__ == "__main__":
    sys.exit(main())
