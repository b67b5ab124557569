"""Two runs side by side: what changed in their inputs, code and parameters, and what came of it.
Pure.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from driver.report.page.document import RunDocument
from driver.report.page.measures import phases, skew
from driver.report.page.tasks import done
from driver.report.words import quantity_text
from driver.text import LINE_LIMIT, shown, storable
from mapreduce.wire.messages import InputObject, Message

INPUTS_SHOWN = 20


class Pair(Message):
    """A quantity or a property of two runs; `ratio` is the second by the first, of numbers."""

    name: str
    unit: str = ""
    first: Any = None
    second: Any = None

    @property
    def changed(self) -> bool:
        """Whether the two differ."""
        return bool(self.first != self.second)

    @property
    def ratio(self) -> float | None:
        """The second by the first; None where that says nothing."""
        numbers = isinstance(self.first, int | float) and isinstance(self.second, int | float)
        return self.second / self.first if numbers and self.first else None

    def text(self, side: str) -> str:
        """Return one side in words; side is `first` or `second`."""
        value = getattr(self, side)
        if value is None:
            return "–"
        return quantity_text(value, self.unit) if self.unit else shown(value)


class InputChange(Message):
    """An input that only one run has, or whose content differs; sizes in bytes."""

    url: str
    what: str
    first: int | None = None
    second: int | None = None


class Comparison(Message):
    """Two runs side by side, the first being what the second is compared with.

    `same_inputs` counts the inputs that both have unchanged.
    """

    first: str
    second: str
    properties: tuple[Pair, ...]
    inputs: tuple[InputChange, ...]
    same_inputs: int
    results: tuple[Pair, ...]
    times: tuple[Pair, ...]
    counters: tuple[Pair, ...]


def compared(first: RunDocument, second: RunDocument) -> Comparison:
    """Return what differs between two runs, and what is the same."""
    changes, same = _inputs(first.plan.inputs, second.plan.inputs)
    return Comparison(
        first=first.plan.run,
        second=second.plan.run,
        properties=tuple(_paired(_properties(first), _properties(second))),
        inputs=tuple(changes),
        same_inputs=same,
        results=tuple(_paired(_results(first), _results(second))),
        times=tuple(_paired(_times(first), _times(second))),
        counters=tuple(_paired(_counters(first), _counters(second))),
    )


@dataclass(frozen=True, slots=True)
class _Value:
    value: Any
    unit: str = ""


def _paired(first: dict[str, _Value], second: dict[str, _Value]) -> Iterator[Pair]:
    nothing = _Value(None)
    for name in dict.fromkeys([*first, *second]):
        one, two = first.get(name, nothing), second.get(name, nothing)
        if one.value in (None, "") and two.value in (None, ""):
            continue
        yield Pair(name=name, unit=one.unit or two.unit, first=one.value, second=two.value)


def _properties(document: RunDocument) -> dict[str, _Value]:
    plan = document.plan
    found: dict[str, Any] = {
        "state": document.model.state,
        "job": f"{plan.job.module}:{plan.job.name}",
        "code": plan.job.code,
        **{f"parameter {name}": shown(value) for name, value in plan.job.parameters.items()},
        **{f"built with: {name}": value for name, value in plan.build.model_dump().items()},
        "target": plan.target,
        "cut": ", ".join(f"{k} {v}" for k, v in plan.cut.model_dump(exclude_none=True).items()),
        "mode": plan.mode,
        "partitions": plan.partitions,
        "inputs": len(plan.inputs),
    }
    return {
        storable(name, LINE_LIMIT): _Value(storable(value) if isinstance(value, str) else value)
        for name, value in found.items()
    }


def _inputs(
    first: Sequence[InputObject], second: Sequence[InputObject]
) -> tuple[list[InputChange], int]:
    """Return the inputs that differ, and how many do not."""
    before, after = {each.url: each for each in first}, {each.url: each for each in second}
    changes = []
    for url in dict.fromkeys([*before, *after]):
        one, two = before.get(url), after.get(url)
        if one and two and one.etag == two.etag:
            continue
        what = "changed" if one and two else "left out" if one else "new"
        sizes = {"first": one.size if one else None, "second": two.size if two else None}
        changes.append(InputChange(url=storable(url, LINE_LIMIT), what=what, **sizes))
    return changes, len(before.keys() | after.keys()) - len(changes)


def _results(document: RunDocument) -> dict[str, _Value]:
    report, receipt = document.report, document.receipt
    partitions = [line.volumes.bytes_in for line in document.tasks if line.stage == "reduce"]
    found = {
        "input": _Value(sum(given.size for given in document.plan.inputs), "bytes"),
        "tasks": _Value(len(document.tasks), "tasks"),
        "reused tasks": _Value(report.reused_tasks if report else None, "tasks"),
        "records in": _Value(report.ledger.records_in if report else None, "tasks"),
        "pairs shuffled": _Value(report.ledger.pairs_shuffled if report else None, "tasks"),
        "pairs out": _Value(report.records if report else None, "tasks"),
        "attempts lost": _Value(
            sum(each.state in ("failed", "cancelled") for each in document.model.attempts), "tasks"
        ),
        "price": _Value(receipt.usd if receipt else None, "usd"),
        "requests to S3": _Value(report.requests.dollars if report else None, "usd"),
        "peak memory": _Value(
            max((line.volumes.peak_memory_bytes for line in document.tasks), default=None), "bytes"
        ),
    }
    scores = {
        "skew of partitions": skew(partitions),
        "skew of map tasks": skew([line.seconds for line in done(document.tasks, "map")]),
    }
    return found | {
        name: _Value(None if score is None else round(score, 2), "score")
        for name, score in scores.items()
    }


def _times(document: RunDocument) -> dict[str, _Value]:
    found = {"end to end": _Value(document.seconds, "s")}
    for name, seconds in phases(document):
        before = found[name].value if name in found else 0.0
        found[name] = _Value(before + seconds, "s")
    return found


def _counters(document: RunDocument) -> dict[str, _Value]:
    counters = document.report.counters if document.report else {}
    return {storable(name, LINE_LIMIT): _Value(count, "tasks") for name, count in counters.items()}
