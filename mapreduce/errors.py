"""What can go wrong, as one tree. Each class is one cause that somebody can act on.

    MapReduceError
    ├── UsageError            the request cannot be carried out as it stands     exit 2   HTTP 422
    │   ├── JobLoadError      the job cannot be found, imported or constructed
    │   ├── ParameterError    a --param that the job does not have, or of a wrong type
    │   ├── InputError        an input that is not there, or cannot be read
    │   └── RefusedURL        a URL outside the places this process may touch             HTTP 403
    ├── UserCodeError         the job's own code raised, or yielded what we cannot carry  exit 1
    │   └── TooManyBadRecords more records would have to be set aside than may be
    ├── DataError             the bytes are not those that were planned          exit 1
    │   ├── InputChanged      an input's ETag is not the one pinned at planning
    │   ├── RecordError       a record is not of the format that its input should have
    │   ├── OutputLost        what another task has written is gone, or is not what it wrote
    │   ├── CorruptBlock      a block's length, count or checksum is wrong
    │   └── LedgerError       what went in is not what came out
    ├── StorageError          the object store failed                            exit 1
    │   ├── ObjectMissing     no object at that URL
    │   └── ObjectExists      a conditional create found one there already
    ├── InjectedFault         a fault drill made the task fail                   (retried)
    ├── TaskLost              a worker died, hung or could not be reached        (retried)
    ├── JobFailed             a task used up its attempts                        exit 1
    ├── NotWritten            standard output or an --output cannot be written   exit 1
    ├── FleetError            the services cannot be started or reached          exit 3
    └── Unauthorized          a request without a good token                     exit 3   HTTP 401

Every message says the cause, the place, and what to do.
"""

from __future__ import annotations


class MapReduceError(Exception):
    """The root of all errors of ours."""


class UsageError(MapReduceError):
    """The request cannot be carried out as it stands; the caller must change it."""


class JobLoadError(UsageError):
    """The job cannot be found, imported or constructed."""


class ParameterError(UsageError):
    """A parameter that the job does not have, or a value of a wrong type."""


class InputError(UsageError):
    """An input that is not there or cannot be read."""


class RefusedURL(UsageError):
    """A URL outside the places that this process may touch."""


class UserCodeError(MapReduceError):
    """The job's own code raised, or yielded something that cannot be carried.

    Args:
        message: what happened, one line.
        traceback: the user's own frames, as Python prints them ("" when there is none).
        place: where the record came from: the object's URL and the byte offset.
        record: the record that caused it, as `repr`, cut to a limit.
    """

    def __init__(
        self, message: str, *, traceback: str = "", place: str = "", record: str = ""
    ) -> None:
        super().__init__(message)
        self.message = message
        self.traceback = traceback
        self.place = place
        self.record = record


class TooManyBadRecords(UserCodeError):
    """More records would have to be set aside than `--skip-bad-records` allows."""


class DataError(MapReduceError):
    """The bytes are not those that were planned."""


class InputChanged(DataError):
    """An object's ETag is not the one pinned at planning."""


class RecordError(DataError):
    """A record is not of the format that its input should have.

    Args:
        message: what is wrong with it.
        place: the object's URL and the byte offset.
        record: the record, cut to a limit.
    """

    def __init__(self, message: str, *, place: str = "", record: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.place = place
        self.record = record


class OutputLost(DataError):
    """What another task has written is gone or is not what it wrote; that task must be done again.

    Args:
        message: what is wrong.
        url: the object.
    """

    def __init__(self, message: str, *, url: str = "") -> None:
        super().__init__(message)
        self.url = url


class CorruptBlock(DataError):
    """A block's length, count or checksum is wrong.

    Args:
        message: what is wrong.
        url: the object that holds the block, if that is known.
    """

    def __init__(self, message: str, *, url: str = "") -> None:
        super().__init__(message)
        self.url = url


class LedgerError(DataError):
    """What went in is not what came out."""


class StorageError(MapReduceError):
    """The object store failed."""


class ObjectMissing(StorageError):
    """No object at that URL."""


class ObjectExists(StorageError):
    """A conditional create found an object there already."""


class InjectedFault(MapReduceError):
    """A fault drill made the task fail."""


class TaskLost(MapReduceError):
    """A worker died, hung or could not be reached; the task may run again elsewhere."""


class JobFailed(MapReduceError):
    """A task used up its attempts."""


class NotWritten(MapReduceError):
    """Standard output, or a file that was asked for beside the store, cannot be written to; the result is committed."""


class FleetError(MapReduceError):
    """The services cannot be started or reached."""


class Unauthorized(MapReduceError):
    """A request without a good token."""
