"""One run with one fault: its folder, its commands and processes, and the moments for the fault."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from mapreduce.storage import open_storage
from mapreduce.wire import keys
from tests.faults.family import Role, services, supervisor, workers
from tests.faults.fault import Launcher, Missed, Setting
from tests.integration.commands import Driver

MAPS = 12
REDUCES = 3
MAPPERS = 2
LIMIT_S = 120
"""A command that runs longer counts as hanging."""
_POLL_S = 0.01


@dataclass
class Command:
    """A command of a trial.

    Attributes:
        killed: whether the fault has killed it, so that its exit code means nothing.
        another: whether it is another command than that without faults, so that its answer differs.
        spoilt: whether its output was changed after its end, so that its audit must fail.
    """

    process: subprocess.Popen[bytes]
    out: Path
    err: Path
    killed: bool = False
    another: bool = False
    spoilt: bool = False

    @property
    def has_ended(self) -> bool:
        """Whether its process has ended."""
        return self.process.poll() is not None

    def wait(self) -> None:
        """Wait for its end; kill a command that hangs, and set its exit code accordingly."""
        try:
            self.process.wait(LIMIT_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


@dataclass
class Trial:
    """A run, and the fault that is injected into it.

    Attributes:
        folder: all files of the trial; TMPDIR of its commands is `folder/tmp`.
        mark: a mark in the environment of its processes.
        setting: how its command is started.
        text: the input, a file of this trial alone.
        store: the store's path or URL.
        chance: chooses moments and victims.
        endpoint: the S3 that its commands use, if any.
        jobs: the file of its job.
    """

    folder: Path
    mark: str
    setting: Setting
    text: Path
    store: str
    chance: random.Random
    endpoint: str = ""
    jobs: Path = Path(__file__).parent / "jobs" / "paced.py"
    arguments: list[str] = field(default_factory=list)
    environment: dict[str, str] = field(default_factory=dict)
    injections: list[str] = field(default_factory=list)
    commands: list[Command] = field(default_factory=list)

    @property
    def driver(self) -> Driver:
        """The running driver, from which the trial's processes are found."""
        return Driver(self.folder, self.mark)

    @property
    def temporary(self) -> Path:
        """TMPDIR of its commands."""
        return self.folder / "tmp"

    @property
    def input(self) -> str:
        """The input's path or URL."""
        return keys.join(self.store, "input", "text.txt") if self.setting.s3 else str(self.text)

    @property
    def store_url(self) -> str:
        """The store's root URL."""
        return self.store if "://" in self.store else f"file://{self.store}"

    def injected(self, what: str) -> None:
        """Record an injection."""
        self.injections.append(what)

    # -- commands ----------------------------------------------------------------------------------

    def start(self) -> Command:
        """Start the run's command, or start the same command again."""
        return self.command(*self._run(), launcher=self.setting.launcher)

    def command(self, *arguments: str, launcher: Launcher = "driver") -> Command:
        """Start any command."""
        number = len(self.commands)
        out, err = (self.folder / f"{name}-{number}" for name in ("out", "err"))
        with out.open("wb") as out_file, err.open("wb") as err_file:
            process = subprocess.Popen(
                [sys.executable, "-m", launcher, *arguments],
                cwd=self.folder,
                env=self.driver.environment
                | {"TMPDIR": str(self.temporary)}
                | self._s3()
                | self.environment,
                stdin=subprocess.DEVNULL,
                stdout=out_file,
                stderr=err_file,
                start_new_session=True,
            )
        command = Command(process, out, err)
        self.commands.append(command)
        return command

    def _run(self) -> list[str]:
        parameters = [f"--param={each}" for each in self.setting.parameters]
        job = f"{self.jobs}:{self.setting.job}"
        sizes = {"--mappers": MAPPERS, "--chunks": MAPS, "--reducers": REDUCES}
        command = [
            self.setting.verb,
            "--input",
            self.input,
            "--job",
            job,
            "--target",
            "local",
            "--store",
            self.store,
            "--json",
        ]
        command += [text for name, number in sizes.items() for text in (name, str(number))]
        return [*command, *parameters, *self.setting.arguments, *self.arguments]

    def _s3(self) -> dict[str, str]:
        return {"AWS_ENDPOINT_URL": self.endpoint} if self.endpoint else {}

    def finish_run(self) -> Command:
        """Wait until the last command has ended with an answer; return it."""
        command = self.commands[-1]
        command.wait()
        if command.process.returncode:
            raise RuntimeError(f"the first run failed: {command.err.read_text()[-1000:]}")
        return command

    def wait(self) -> None:
        """Wait until every command has ended."""
        for command in self.commands:
            command.wait()

    def kill_driver(self) -> None:
        """Kill the last command's process, and wait until its descendants have ended."""
        command = self.commands[-1]
        command.killed = True
        command.process.kill()
        command.process.wait()
        self.driver.wait_until_none_is_left()

    # -- moments -----------------------------------------------------------------------------------

    @property
    def over(self) -> bool:
        """Return whether every command has ended."""
        return all(command.process.poll() is not None for command in self.commands)

    def finished_tasks(self) -> int:
        """Return the number of tasks whose result is in the store."""
        if self.setting.s3:
            return sum(1 for _ in open_storage().list(keys.join(self.store, keys.TASKS)))
        return len(list((Path(self.store) / keys.TASKS).glob("*.json")))

    def wait_for_tasks(self, count: int) -> None:
        """Wait for this number of finished tasks, with the split task; raise `Missed` if the run
        ends.
        """
        until = time.monotonic() + LIMIT_S
        while self.finished_tasks() < count:
            if self.over or time.monotonic() > until:
                raise Missed(f"the run was over before {count} tasks had finished")
            time.sleep(_POLL_S)

    def pause(self, least_s: float, most_s: float) -> None:
        """Wait a random time, but not beyond the run's end."""
        until = time.monotonic() + self.chance.uniform(least_s, most_s)
        while time.monotonic() < until and not self.over:
            time.sleep(_POLL_S)

    def in_map_stage(self, latest: int = MAPS - 5) -> None:
        """Wait for a random moment while maps run and at most `latest` of them have finished."""
        self.wait_for_tasks(1 + self.chance.randint(0, latest))
        self.pause(0.0, 0.1)

    def in_reduce_stage(self) -> None:
        """Wait for a random moment while reduces run."""
        self.wait_for_tasks(1 + MAPS)
        self.pause(0.0, 0.4)

    # -- victims -----------------------------------------------------------------------------------

    def supervisor(self) -> psutil.Process:
        """Return the process that starts the services; raise `Missed` if there is none."""
        return _found([supervisor(self.commands[-1].process.pid)])[0]

    def services(self, role: Role) -> list[psutil.Process]:
        """Return a role's living services in random order; raise `Missed` if there are none."""
        logs = self.temporary.glob("mapreduce-*/services.log")
        found = _found(services(self.supervisor(), role, logs))
        self.chance.shuffle(found)
        return found

    def workers(self, role: Role) -> list[psutil.Process]:
        """Return the workers of a role in random order; raise `Missed` if there are none."""
        found = _found(worker for service in self.services(role) for worker in workers(service))
        self.chance.shuffle(found)
        return found

    def signal(self, victims: Iterable[psutil.Process], number: signal.Signals, whom: str) -> None:
        """Send a signal to each victim, and record it."""
        for victim in victims:
            with suppress(psutil.NoSuchProcess):
                victim.send_signal(number)
                self.injected(f"{number.name} to {whom}")


def _found(processes: Iterable[psutil.Process | None]) -> list[psutil.Process]:
    found = [process for process in processes if process is not None]
    if not found:
        raise Missed("there is no such process")
    return found
