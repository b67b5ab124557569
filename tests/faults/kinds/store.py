"""Faults of an object store: it throttles, fails, hangs, or sends too few or wrong bytes."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any, ClassVar

from mapreduce.storage import open_storage
from mapreduce.wire import keys
from tests.faults.fault import Fault, Setting, register
from tests.faults.object_store import Deed, Rule, troubled
from tests.faults.trial import Trial


class _StoreFault(Fault):
    """A fault that a proxy in front of the store makes."""

    setting = Setting(s3=True)
    deed: ClassVar[Deed]
    rule: ClassVar[dict[str, Any]] = {}

    def __init__(self) -> None:
        self._ends = ExitStack()

    def prepare(self, trial: Trial) -> None:
        """Give the trial's commands the proxy's address; the suite uses the store directly."""
        rule = Rule(self.deed, trial.chance, trial.injected, **self.rule)
        trial.endpoint = self._ends.enter_context(troubled(trial.endpoint, rule))

    def finish(self, trial: Trial) -> None:
        """End the proxy."""
        self._ends.close()


@register
class SlowDown(_StoreFault):
    name = "s3-slow-down"
    says = "S3 answers 503 SlowDown to a quarter of all requests"
    deed = "slow down"
    rule: ClassVar = {"share": 0.25, "most": 40}


@register
class StoreErrors(_StoreFault):
    name = "s3-server-errors"
    says = "S3 answers 500 InternalError to a quarter of all requests"
    deed = "server error"
    rule: ClassVar = {"share": 0.25, "most": 40}


@register
class StoreTimeouts(_StoreFault):
    name = "s3-timeouts"
    says = "S3 does not answer some requests for three seconds, and then cuts the connection"
    deed = "no answer"
    rule: ClassVar = {"share": 0.1, "most": 6, "seconds": 3.0}


@register
class TruncatedReads(_StoreFault):
    name = "s3-truncated-reads"
    says = "S3 cuts the connection before all the bytes that it has announced have come"
    deed = "cut short"
    rule: ClassVar = {"share": 0.3, "most": 8, "smallest": 200}


@register
class CorruptedReads(_StoreFault):
    name = "s3-corrupted-shuffle"
    says = "S3 sends map outputs with a changed byte"
    deed = "byte changed"
    rule: ClassVar = {
        "share": 0.3,
        "most": 3,
        "method": "GET",
        "part": f"/{keys.MAPS}/",
        "smallest": 1,
    }
    shows = "CorruptBlock"


class _AnswerLost(_StoreFault):
    """The store carries the request out, and the connection closes before the answer."""

    deed = "answer lost"


@register
class PutAnswerLost(_AnswerLost):
    name = "s3-put-answer-lost"
    says = "S3 stores some objects and cuts the connection instead of an answer"
    rule: ClassVar = {"share": 0.3, "most": 8, "request": "put"}


@register
class CopyAnswerLost(_AnswerLost):
    name = "s3-copy-answer-lost"
    says = "S3 copies parts to their final names and cuts the connection instead of an answer"
    rule: ClassVar = {"share": 0.6, "most": 2, "request": "copy"}


@register
class CompletionAnswerLost(_AnswerLost):
    name = "s3-completion-answer-lost"
    says = "S3 completes uploads in parts and cuts the connection instead of an answer"
    setting = Setting(s3=True, launcher="tests.faults.multipart_driver")
    quiet = Setting(s3=True)
    rule: ClassVar = {"share": 0.5, "most": 3, "request": "completion"}


class _AtCommit(_StoreFault):
    """The store fails at the conditional create by which a commit takes the last epoch."""

    rule: ClassVar = {"share": 1.0, "most": 1, "method": "PUT", "part": f"/{keys.EPOCHS}/"}

    def finish(self, trial: Trial) -> None:
        """Check that there is one answer."""
        super().finish(trial)
        found = list(open_storage().list(keys.join(trial.store, keys.REDUCE)))
        marked = [info.url for info in found if info.url.endswith("/_SUCCESS")]
        assert len(marked) == 1 or not trial.injections, f"there are {len(marked)} answers"


@register
class CommitAnswerLost(_AtCommit):
    name = "s3-epoch-answer-lost"
    says = "S3 stores the epoch of a commit, and cuts the connection instead of an answer"
    deed = "answer lost"
    rule: ClassVar = _AtCommit.rule | {"request": "put"}


@register
class CommitConflict(_AtCommit):
    name = "s3-epoch-conflict"
    says = "S3 answers 409 ConditionalRequestConflict to the create of a commit's epoch"
    deed = "conflict"


@register
class CommitServerError(_AtCommit):
    name = "s3-epoch-server-error"
    says = "S3 answers 500 InternalError to the create of a commit's epoch, twice"
    deed = "server error"
    rule: ClassVar = _AtCommit.rule | {"most": 2}


@register
class CommitTimeout(_AtCommit):
    name = "s3-epoch-timeout"
    says = "S3 does not answer the create of a commit's epoch for three seconds"
    deed = "no answer"
    rule: ClassVar = _AtCommit.rule | {"seconds": 3.0}
