"""Keep the processes of one machine running: start each, restart what dies, end all.

Each process is forked, and gets the read end of a pipe, its lifeline. However the supervisor ends,
the pipe closes, and the process ends with it.
"""

from __future__ import annotations

import json
import os
import select
import signal
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NoReturn

from services.shell.process_tree import (
    adopt_orphans,
    close_other_files,
    die_with_parent,
    end_all_strays,
    end_strays,
    signal_socket,
)

LIFELINE = "SERVICE_LIFELINE"
"""Names, in the environment of a program, the descriptor of its lifeline."""
STOP_S = 3.0
"""How long killed processes may take to end."""
RESTART_PAUSE_S = 0.2
_OUR_SIGNALS = (signal.SIGCHLD, signal.SIGTERM, signal.SIGINT)


@dataclass(frozen=True, slots=True)
class Member:
    """One process.

    Attributes:
        name: for the log.
        files: descriptors that it keeps, beside standard output and error.
        become: runs in the forked process, with its lifeline; the process ends when it returns.
    """

    name: str
    files: tuple[int, ...]
    become: Callable[[int], None]


class Supervisor:
    """Starts each process, restarts it when it dies, and ends all of them.

    Args:
        members: the processes.
        until: a descriptor at whose end the supervisor stops, as at a signal; None for none.
    """

    def __init__(self, members: Sequence[Member], until: int | None = 0) -> None:
        self._members = members
        self._until = until
        # pid -> process, write end of its lifeline
        self._running: dict[int, tuple[Member, int]] = {}
        self._unstarted: list[Member] = []

    def run(self) -> None:
        """Run until the descriptor ends or a signal arrives; then kill everything."""
        woken = signal_socket(_OUR_SIGNALS)
        adopt_orphans()
        for member in self._members:
            self._start(member)
        watched = [woken.fileno(), *([] if self._until is None else [self._until])]
        while True:
            pause = RESTART_PAUSE_S if self._unstarted else None
            ready, _, _ = select.select(watched, [], [], pause)
            if self._until in ready and not os.read(ready[ready.index(self._until)], 4096):
                break
            if woken.fileno() in ready:
                if set(woken.recv(4096)) & {signal.SIGTERM, signal.SIGINT}:
                    break
                self._restart_dead()
            waiting, self._unstarted = self._unstarted, []
            for member in waiting:
                self._start(member, again=True)
        end_all_strays((), STOP_S)

    def _start(self, member: Member, *, again: bool = False) -> None:
        """Start a process; if the fork fails, log that once and try again later."""
        # signals are blocked, because a child that still has our handlers would swallow one
        signal.pthread_sigmask(signal.SIG_BLOCK, _OUR_SIGNALS)
        ends: tuple[int, ...] = ()
        try:
            ends = lifeline, our_end = os.pipe()
            pid = os.fork()
        except OSError as exc:
            for end in ends:
                os.close(end)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, _OUR_SIGNALS)
            self._put_off(member, exc, said=again)
            return
        if pid == 0:
            _become(member, lifeline)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _OUR_SIGNALS)
        os.close(lifeline)
        self._running[pid] = (member, our_end)

    def _put_off(self, member: Member, exc: OSError, *, said: bool) -> None:
        self._unstarted.append(member)
        if not said:
            event = f"a {member.name} could not be started; trying again: {exc.strerror}"
            sys.stderr.write(json.dumps({"level": "warning", "event": event}) + "\n")
            sys.stderr.flush()

    def _restart_dead(self) -> None:
        while pid := _reaped():
            if pid in self._running:  # else it is an orphan of a process
                member, our_end = self._running.pop(pid)
                os.close(our_end)
                time.sleep(RESTART_PAUSE_S)  # a process that dies at once must not spin
                self._start(member)
        end_strays(self._running)  # the processes that a dead one has left


def program(name: str, command: Sequence[str], environment: Mapping[str, str]) -> Member:
    """Return the process of a program, which finds its lifeline in its environment.

    Args:
        name: for the log.
        command: the program's path and arguments.
        environment: all its variables but `LIFELINE`.
    """

    def become(lifeline: int) -> None:
        os.set_inheritable(lifeline, True)
        os.execve(command[0], list(command), {**environment, LIFELINE: str(lifeline)})

    return Member(name, (), become)


def own_lifeline() -> int | None:
    """Return the descriptor of this program's lifeline, or None if no supervisor started it."""
    text = os.environ.pop(LIFELINE, None)
    if text is None:
        return None
    os.set_inheritable(int(text), False)
    return int(text)


def _become(member: Member, lifeline: int) -> NoReturn:
    code = 1
    try:
        die_with_parent()
        signal.set_wakeup_fd(-1)
        for number in _OUR_SIGNALS:
            signal.signal(number, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _OUR_SIGNALS)
        nothing = os.open(os.devnull, os.O_RDONLY)
        os.dup2(nothing, 0)
        close_other_files({*member.files, lifeline})
        member.become(lifeline)
        code = 0
    except SystemExit as exc:
        code = exc.code if isinstance(exc.code, int) else 1
    finally:
        os._exit(code)


def _reaped() -> int | None:
    """Return the pid of a dead child; 0 if none has died, None if there are no children."""
    try:
        return os.waitpid(-1, os.WNOHANG)[0]
    except ChildProcessError:
        return None
