"""The errors of a model server, with the HTTP status that the inference protocol has for each.

UsageError
├── BadRequest     a body or a tensor that the model cannot take              HTTP 400
└── UnknownModel   a model or version that this server does not serve         HTTP 404
TaskLost
└── Unready        the model is not loaded, the queue is full, or the server stops   HTTP 503
"""

from __future__ import annotations

from typing import ClassVar

from mapreduce.errors import TaskLost, UsageError


class BadRequest(UsageError):
    """A request that the model cannot answer as it stands."""

    http_status: ClassVar[int] = 400


class UnknownModel(UsageError):
    """Another model, or another version, than the one that is served."""

    http_status: ClassVar[int] = 404


class Unready(TaskLost):
    """The server cannot take a request now; another may, or this one later."""
