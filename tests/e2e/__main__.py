"""Deploy, run, scale, break and destroy a system's stack in an emulator of AWS, and report each
step: `make e2e`, or `make e2e ARGS="--system albums"`. While steps are written, `--only PART` runs
the deployment, one part of the steps, and the destruction.

The exit code is 0 if every step succeeded, and 1 if one failed, or if this machine lacks a
requirement.
"""

from __future__ import annotations

import argparse
import signal
import sys
from collections.abc import Mapping
from contextlib import ExitStack
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

from tests.e2e import base_image, machine, names, policies, registrar, stack, terraform_cli
from tests.e2e.emulator import emulator
from tests.e2e.log import CannotRun, Log, StepFailed, box, say
from tests.e2e.processes import Shell
from tests.e2e.proof import Proof
from tests.e2e.system import NAMES, System

ROOT = Path(__file__).resolve().parent.parent.parent
EMULATOR = ROOT / ".venv" / "emulator-env" / "bin" / "ministack"
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def main(argv: list[str] | None = None) -> int:
    """Read the command line; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.e2e", description=__doc__)
    parser.add_argument("--system", choices=NAMES, default="mapreduce", help="what is deployed")
    parser.add_argument(
        "--input", type=Path, nargs="+", default=[], help="texts for MapReduce, in UTF-8"
    )
    parser.add_argument("--only", default="", help="of MapReduce's steps, only this part")
    arguments = parser.parse_args(argv)
    parts = getattr(_module(arguments.system), "PARTS", {})
    if arguments.only and arguments.only not in parts:
        parser.error(
            f"--only {arguments.only}: {arguments.system} has {', '.join(parts) or 'none'}"
        )
    for number in SIGNALS:
        signal.signal(number, _interrupted)
    log = Log()
    try:
        with machine.temporary_shell() as shell, ExitStack() as ends:
            _story(arguments.system, log, shell, ends, arguments.input, arguments.only)
    except CannotRun as exc:
        box(str(exc))
        return 1
    except StepFailed as exc:
        return log.summary(stopped_by=exc)
    except Exception as exc:
        log.summary(stopped_by=exc)
        raise
    return log.summary()


def _module(name: str) -> Any:
    """Return the module of a system."""
    return import_module(f"tests.e2e.systems.{name}")


def _story(
    name: str, log: Log, shell: Shell, ends: ExitStack, inputs: list[Path], only: str
) -> None:
    """Run everything from the bare machine to the proof; `ends` ends what was started."""
    temporary, checkout = shell.outputs.parent, shell.folder
    if not EMULATOR.is_file():
        raise CannotRun("the emulator is not installed; run: make .venv/emulator")
    module = _module(name)
    system: System = module.SYSTEM
    stack.checkout(ROOT, checkout)
    with log.step("machine: Docker") as note:
        machine.install_packages(shell, note)
        engine = ends.enter_context(machine.engine(shell, note))
        ends.callback(stack.remove_images, engine, system)
        if system.resolves and not engine.own:
            raise CannotRun(
                f"the containers of {name} find one another by DNS, and only an engine that is "
                "started here asks the DNS of this proof; stop the machine's own Docker engine"
            )
    with log.step("machine: Terraform") as note:
        terraform, where = terraform_cli.with_provider(
            engine.shell,
            checkout / system.folder,
            temporary,
            lock=checkout / "terraform" / terraform_cli.LOCK,
        )
        note(where)
    with log.step("machine: base images") as note:
        bases = base_image.base_images(engine, temporary)
        note(f"{bases.python}, {bases.builder}")
    with log.step("machine: wheels for the images") as note:
        files = [checkout / file for file in system.requirements]
        fetched = base_image.fetch_wheels(shell, files, temporary / "wheels")
        wheels = ends.enter_context(base_image.served(temporary / "wheels"))
        note(f"{fetched} wheels")
    with log.step("emulator of AWS") as note:
        cloud = ends.enter_context(emulator(EMULATOR, engine, temporary / "emulator"))
        ends.enter_context(registrar.registering(cloud, engine))
        if engine.own:
            ends.enter_context(names.resolved(cloud, engine))
        note(f"{cloud.endpoint}; {'names' if engine.own else 'no names'} for the containers")
    options = wheels.build_options(bases)
    watch = ends.enter_context(policies.watched(cloud.endpoint, engine, system.stack))
    prepare = partial(stack.prepare, system)
    made = prepare(checkout, engine, terraform, cloud, options, s3=watch.endpoint)

    def another(name: str, variables: Mapping[str, object]) -> stack.DeployedStack:
        """Return a stack of another name, in a checkout of its own."""
        place = temporary / name
        stack.checkout(ROOT, place)
        return prepare(place, engine, terraform, cloud, options, name, variables=variables)

    proof = Proof(made, cloud, bases.python, inputs, temporary, watch, another, only)
    try:
        module.prove(log, proof)
    except Exception:
        say(f"--- the emulator's last words\n{cloud.running.last_words()}\n---")
        raise


def _interrupted(number: int, _: object) -> None:
    """Unwind once; ignore further signals, so that the clean-up is not interrupted."""
    for other in SIGNALS:
        signal.signal(other, signal.SIG_IGN)
    say(f"e2e: interrupted by {signal.Signals(number).name}; cleaning up")
    sys.exit(128 + number)


if __name__ == "__main__":
    sys.exit(main())
