"""The epochs of a run: its drivers, one after another, of which only the last one's answer counts.

The driver that plans a run has epoch 1. A driver that goes on with a lost run takes the next epoch
by creating an object that no other driver can create, and carries the run out under an id of its
own: nothing reads what a driver of an earlier epoch still writes. A driver commits by taking the
next epoch itself, as the end of all epochs, so the object holds either its successor or its answer.
"""

from __future__ import annotations

import os
import secrets
import socket
from dataclasses import dataclass
from itertools import count

from driver.history.lease import is_held
from driver.history.run_names import epoch_of
from driver.program.command_name import COMMAND
from driver.text import NAME_LIMIT, shown, storable
from mapreduce.errors import DataError, LeaseTaken, ObjectExists, UsageError
from mapreduce.storage import Storage
from mapreduce.wire import keys
from mapreduce.wire.messages import Message


class Slot(Message):
    """Who has taken an epoch: a driver, or with `answer` the driver of the epoch before, which
    commits; `answer` is the content of `_SUCCESS`.
    """

    number: int
    host: str
    process: int
    nonce: str
    answer: str = ""


@dataclass(frozen=True, slots=True)
class Taken:
    """The id under which a driver goes on with a run.

    With `answer`, this epoch is committed already and only its `_SUCCESS` is missing, whose content
    this is.
    """

    run: str
    answer: str = ""


@dataclass(frozen=True, slots=True)
class Epochs:
    """Takes the epochs of the runs in one store.

    Args:
        storage: reads and writes objects.
        store: the store's root URL.
    """

    storage: Storage
    store: str

    def take(self, run: str, now: float) -> Taken:
        """Take the next epoch of a run.

        Args:
            run: the newest epoch of a run whose driver is lost.
            now: the time, in seconds since the epoch of the clock.

        Raises:
            UsageError: another driver has just taken it.
        """
        first, newest = epoch_of(run)
        for number in count(newest + 1):
            slot = _slot(number)
            if (other := self._taken(first, slot)) is None:
                return Taken(keys.epoch(first, number))
            if other.answer:
                return Taken(keys.epoch(first, number - 1), other.answer)
            taken = self.storage.head(keys.epoch_slot(self.store, first, number)).modified
            if is_held(taken, now):  # its driver has not written its plan and its lease yet
                raise UsageError(
                    f"another driver goes on with {first}: process {other.process} on "
                    f"{other.host}; watch it: {COMMAND} attach {first}"
                )
        raise AssertionError("there is a free number")

    def close(self, run: str, answer: bytes) -> None:
        """Commit: take the next epoch as the end of all epochs, with the content of `_SUCCESS`.

        Raises:
            LeaseTaken: another driver goes on with the run, so this answer does not count.
        """
        first, number = epoch_of(run)
        slot = _slot(number + 1, answer.decode())
        other = self._taken(first, slot)
        # the same driver closes once more if a part had to be given its name again
        if other is not None and other.answer != slot.answer:
            raise taken_over(other.number)

    def _taken(self, first: str, slot: Slot) -> Slot | None:
        """Return who has this epoch already; None once this driver has it."""
        url = keys.epoch_slot(self.store, first, slot.number)
        try:
            self.storage.create(url, slot.model_dump_json().encode(), durable=True)
        except ObjectExists:
            other = self._read(url)
            # a request that was sent twice finds its own first copy
            return None if other.nonce == slot.nonce else other
        return None

    def _read(self, url: str) -> Slot:
        try:
            return Slot.model_validate_json(self.storage.read(url))
        except ValueError as exc:
            raise DataError(f"{shown(url)} is damaged: {exc}") from exc


def taken_over(epoch: int) -> LeaseTaken:
    """Return the error of a driver whose run another one goes on with."""
    return LeaseTaken(
        f"another driver goes on with this run, as its epoch {epoch}; this one has stopped; "
        f"see: {COMMAND} attach"
    )


def _slot(number: int, answer: str = "") -> Slot:
    return Slot(
        number=number,
        host=storable(socket.gethostname(), NAME_LIMIT),
        process=os.getpid(),
        nonce=secrets.token_hex(8),
        answer=answer,
    )
