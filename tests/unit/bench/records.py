"""Invented measurements."""

from __future__ import annotations

from bench.corpus import Corpus
from bench.results import Record, Status
from bench.trial import Judged, Trial

CODE = "abc"
TEXT = Corpus("text", 1000)


def record(
    contender: str,
    wall_s: float = 1.0,
    *,
    case: str = "word-count",
    corpus: Corpus = TEXT,
    repeat: int = 0,
    status: Status = "ok",
    why: str = "",
    code: str = CODE,
    size_bytes: int = 1000,
    **figures: float,
) -> Record:
    """Return a measurement of one contender."""
    return Record(
        case=case,
        contender=contender,
        variant="",
        corpus=corpus.name,
        repeat=repeat,
        code=code,
        status=status,
        why=why,
        size_bytes=size_bytes,
        wall_s=wall_s,
        figures=figures,
    )


def trial(contender: str, corpus: Corpus = TEXT, needs: tuple[str, ...] = ()) -> Trial:
    """Return a trial."""
    return Trial(
        "word-count",
        contender,
        contender,
        corpus,
        lambda _: [],
        lambda *_: Judged({}, ""),
        needs=needs,
    )
