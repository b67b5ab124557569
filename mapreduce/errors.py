"""The tree of this program's errors. Each class is one cause on which a user can act.

    MapReduceError
    ├── UsageError            the request cannot be run as it stands            exit 2   HTTP 422
    │   ├── JobLoadError      the job cannot be found, imported or constructed
    │   ├── ParameterError    a --param that the job does not have, or of a wrong type
    │   ├── InputError        an input that is missing, or cannot be read
    │   └── RefusedURL        a URL outside the places this process may use             HTTP 403
    ├── UserCodeError         the job's code raised, or yielded an unsupported value    exit 1
    │   └── TooManyBadRecords more bad records than --skip-bad-records allows
    ├── DataError             the bytes are not those that were planned         exit 1
    │   ├── InputChanged      an input's ETag is not the one pinned at planning
    │   ├── RecordError       a record does not have the format of its input
    │   ├── OutputLost        another task's output is missing or has changed
    │   ├── CorruptBlock      a block's length, count or checksum is wrong
    │   └── LedgerError       the counts of what went in and what came out differ
    ├── StorageError          the object store failed                           exit 1
    │   ├── ObjectMissing     no object at that URL
    │   └── ObjectExists      a conditional create found an existing object
    ├── InjectedFault         fault injection made the task fail
    ├── TaskLost              a worker died, hung or could not be reached                HTTP 503
    ├── InternalError         an exception that this program does not expect
    ├── JobFailed             a task used up its attempts                       exit 1
    │   └── StageFailed       the same, with every failure of its stage
    ├── RunStopped            the user has ended the run                        exit 130
    ├── LeaseTaken            another driver carries out the run                exit 1
    ├── NotWritten            standard output or an --output cannot be written  exit 1
    ├── FleetError            the services cannot be started or reached         exit 3
    ├── PriceRefused          the run would cost more than --max-usd            exit 4
    ├── LimitReached          the run has paused at --max-usd                   exit 5
    └── Unauthorized          a request without a valid token, or a service     exit 3   HTTP 401
                              whose certificate is not of the signing key

Exit code, HTTP status and whether another attempt can help are attributes of the classes. Between
processes an error travels as its class's name, which `KINDS` maps back to the class. Every message
names the cause, the place, and the next step.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any, ClassVar, Literal

if TYPE_CHECKING:
    from mapreduce.wire.messages import TaskError


EndState = Literal["done", "failed", "interrupted", "paused"]
"""How a run can end."""
RUNS_ON_IMPORT = (
    "run() was called while the job's file was imported: a worker imports the file too, and would "
    'begin another run; move the call below `if __name__ == "__main__":`'
)
"""The message of the `JobLoadError` for a script without that line."""


class Retry(Enum):
    """Whether another attempt at a task can help after an error."""

    YES = "the next attempt may succeed"
    ONCE = "one more attempt, on another worker, tells whether the machine was to blame"
    PRODUCER = "the task that wrote the object must write it again"
    NO = "every attempt would fail: the request, the input or the key must change"


class MapReduceError(Exception):
    """The root of all errors of this program.

    Attributes:
        exit_code: of a command that ends with this error.
        http_status: of the answer to a request that is refused with it.
        retry: whether another attempt at a task can help.
        ends: the state of a run that ends with this error.
        failure: the run's record of this error, once it is written.
    """

    exit_code: ClassVar[int] = 1
    http_status: ClassVar[int] = 500
    retry: ClassVar[Retry] = Retry.YES
    ends: ClassVar[EndState] = "failed"
    failure: Any = None


class UsageError(MapReduceError):
    """The request cannot be run as it stands; the caller must change it."""

    exit_code: ClassVar[int] = 2
    http_status: ClassVar[int] = 422
    retry: ClassVar[Retry] = Retry.NO


class JobLoadError(UsageError):
    """The job cannot be found, imported or constructed."""


class ParameterError(UsageError):
    """A parameter that the job does not have, or a value of a wrong type."""


class InputError(UsageError):
    """An input that does not exist or cannot be read."""


class RefusedURL(UsageError):
    """A URL outside the places that this process may use."""

    http_status: ClassVar[int] = 403


class UserCodeError(MapReduceError):
    """The job's code raised, or yielded an unsupported value.

    Args:
        message: what happened, in one line.
        traceback: the frames of the user's code, as Python prints them ("" if there are none).
        place: the record's origin: the object's URL and the byte offset.
        record: the record that caused the error, as `repr`, cut to a limit.
        url: the record's object.
        offset: the byte at which the record begins, in an object of text.
    """

    retry: ClassVar[Retry] = Retry.ONCE

    def __init__(
        self,
        message: str,
        *,
        traceback: str = "",
        place: str = "",
        record: str = "",
        url: str = "",
        offset: int | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.traceback = traceback
        self.place = place
        self.record = record
        self.url = url
        self.offset = offset


class TooManyBadRecords(UserCodeError):
    """More bad records than `--skip-bad-records` allows."""

    retry: ClassVar[Retry] = Retry.NO


class DataError(MapReduceError):
    """The bytes are not those that were planned.

    Args:
        message: what is wrong.
        url: the object, if known.
    """

    def __init__(self, message: str = "", *, url: str = "") -> None:
        super().__init__(message)
        self.url = url


class InputChanged(DataError):
    """An object's ETag is not the one pinned at planning."""

    retry: ClassVar[Retry] = Retry.NO

    @classmethod
    def since_planning(cls, url: str) -> InputChanged:
        """Return the error of an input that is not what it was."""
        return cls(
            f"{url} has changed since the run was planned; run again to read it as it is now"
        )


@dataclass(frozen=True, slots=True)
class TextPlace:
    """The place of a record in an object of text: the object's URL, and the byte offset."""

    url: str
    offset: int

    def __str__(self) -> str:
        return f"{self.url} at byte {self.offset}"


class RecordError(DataError):
    """A record does not have the format of its input.

    Args:
        message: what is wrong with the record.
        place: the object, and the record's position in it.
        record: the record, cut to a limit.
    """

    retry: ClassVar[Retry] = Retry.NO

    def __init__(self, message: str, *, place: str | TextPlace = "", record: str = "") -> None:
        super().__init__(message, url=place.url if isinstance(place, TextPlace) else "")
        self.message = message
        self.place = str(place)
        self.record = record
        self.offset = place.offset if isinstance(place, TextPlace) else None


class OutputLost(DataError):
    """Another task's output, the object `url`, is missing or has changed; it must run again."""

    retry: ClassVar[Retry] = Retry.PRODUCER


class CorruptBlock(DataError):
    """A block's length, count or checksum is wrong; `url` is the object that holds it, if known."""

    retry: ClassVar[Retry] = Retry.ONCE


class LedgerError(DataError):
    """The counts of what went in and what came out differ."""


class StorageError(MapReduceError):
    """The object store failed."""


class ObjectMissing(StorageError):
    """No object at that URL."""


class ObjectExists(StorageError):
    """A conditional create found an existing object."""


class InjectedFault(MapReduceError):
    """Fault injection made the task fail."""


class TaskLost(MapReduceError):
    """A worker died, hung or could not be reached; the task may run again elsewhere."""

    http_status: ClassVar[int] = 503


class InternalError(MapReduceError):
    """An exception that this program does not expect; the message holds its class and text."""


class JobFailed(MapReduceError):
    """A task used up its attempts."""


class StageFailed(JobFailed):
    """A task used up its attempts, or its stage the limit on failures or time.

    Args:
        what: the task or the stage, and why the run gave it up; one line.
        failures: every failure of the stage, by the task's name, in the order of time.
    """

    def __init__(self, what: str, failures: Mapping[str, Sequence[TaskError]]) -> None:
        super().__init__("\n".join([what, *(f"  {line}" for line in causes_of(failures))]))
        self.what = what
        self.failures = failures


def causes_of(failures: Mapping[str, Sequence[TaskError]]) -> list[str]:
    """Return a line for each cause among the failures of a stage, the most frequent first."""
    causes = Counter((each.kind, each.message) for errors in failures.values() for each in errors)
    return [f"{count} x {kind}: {message}" for (kind, message), count in causes.most_common()]


class RunStopped(MapReduceError):
    """The user has ended the run, by a signal or by `cancel`; the same command goes on."""

    exit_code: ClassVar[int] = 130
    retry: ClassVar[Retry] = Retry.NO
    ends: ClassVar[EndState] = "interrupted"


class LeaseTaken(MapReduceError):
    """Another driver carries out the run; this one must not write its records any more."""

    retry: ClassVar[Retry] = Retry.NO


class NotWritten(MapReduceError):
    """Standard output or an `--output` file cannot be written; the result itself is committed."""


class FleetError(MapReduceError):
    """The services cannot be started or reached."""

    exit_code: ClassVar[int] = 3


class PriceRefused(MapReduceError):
    """The run would cost more than `--max-usd`; nothing has been started."""

    exit_code: ClassVar[int] = 4
    http_status: ClassVar[int] = 422
    retry: ClassVar[Retry] = Retry.NO


class LimitReached(MapReduceError):
    """The run has paused at `--max-usd`; what it has done is kept, and a later run goes on.

    Args:
        stage: the stage that did not start its next task.
        left: how many of its tasks are not done.
        spent_usd: what the run has spent, by list prices.
        limit_usd: the limit.
    """

    exit_code: ClassVar[int] = 5
    retry: ClassVar[Retry] = Retry.NO
    ends: ClassVar[EndState] = "paused"

    def __init__(
        self, stage: str, left: int, *, spent_usd: float = 0.0, limit_usd: float = 0.0
    ) -> None:
        super().__init__(
            f"paused at --max-usd {limit_usd:g}: ${spent_usd:.4f} are spent, and another task "
            f"would pass the limit; {left} of the {stage} tasks are not done. "
            "The same command with a higher --max-usd goes on from here"
        )
        self.spent_usd = spent_usd
        self.limit_usd = limit_usd


class Unauthorized(MapReduceError):
    """A request without a valid token, or a service whose certificate is not of the signing key."""

    exit_code: ClassVar[int] = 3
    http_status: ClassVar[int] = 401
    retry: ClassVar[Retry] = Retry.NO


def _tree(root: type[MapReduceError]) -> Iterator[type[MapReduceError]]:
    yield root
    for cls in root.__subclasses__():
        yield from _tree(cls)


KINDS: Mapping[str, type[MapReduceError]] = {cls.__name__: cls for cls in _tree(MapReduceError)}
"""The classes of this module by name: the values of `TaskError.kind`."""


def kind_of(exc: BaseException) -> str:
    """Return the wire name of an exception: its class here, or the nearest base."""
    if isinstance(exc, MemoryError):
        return TaskLost.__name__
    names = (cls.__name__ for cls in type(exc).__mro__ if KINDS.get(cls.__name__) is cls)
    return next(names, InternalError.__name__)
