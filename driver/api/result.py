"""What `run` returns: a finished run's answer, its figures, and its picture in a notebook."""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import chain
from typing import Any

from driver.api.tables import arrow_table, pandas_frame, polars_frame
from driver.forecast.receipt import Receipt
from driver.history.run_store import RunStore, Success
from driver.program.command_name import COMMAND
from driver.report.document import Report, Timings
from driver.report.page.document import PAGE
from driver.run.chain import read_pairs_of
from driver.text import plural, shown_repr
from mapreduce.encoding import encode_key
from mapreduce.engine import Ledger
from mapreduce.errors import InputError, MapReduceError, ObjectMissing, UsageError
from mapreduce.wire import keys

TOP_SHOWN = 5


@dataclass(frozen=True, eq=False, repr=False)
class Result:
    """The result of a run that is done, which stays in the store.

    Attributes:
        document: the run's report, which `run --json` prints.
        notes: messages about the inputs, and failures that did not end the run.
    """

    document: Report
    notes: tuple[str, ...] = ()
    _runs: RunStore = field(kw_only=True)

    @property
    def run(self) -> str:
        """The run's id, for `python -m driver status`, `result`, `verify` and others."""
        return self.document.run_id

    @property
    def job(self) -> str:
        """The name of the job's class."""
        return self.document.job

    @property
    def top(self) -> list[tuple[Any, Any]]:
        """The pairs with the greatest values, as JSON values."""
        return [(key, value) for key, value in self.document.top]

    @property
    def counters(self) -> Counter[str]:
        """The sums of the job's counters over all tasks; one that was never used is 0."""
        return Counter(self.document.counters)

    @property
    def timings(self) -> Timings:
        """The seconds of each stage, and of the whole run."""
        return self.document.timings

    @property
    def receipt(self) -> Receipt | None:
        """What the run used, beside its forecast."""
        return self.document.receipt

    @property
    def ledger(self) -> Ledger:
        """The counts and checksums which prove that nothing is lost or counted twice."""
        return self.document.ledger

    @property
    def parts(self) -> tuple[str, ...]:
        """The URLs of the result's parts."""
        return self.document.result_urls

    @property
    def _success(self) -> Success:
        """The record of the result, which names its columns."""
        found = self._runs.success(self.run)
        if found is None:
            raise _gone(self.run, self._runs)
        return found

    @property
    def report(self) -> str:
        """The run's page: the path of an HTML file, or its URL in S3."""
        url = keys.run_file(self._runs.store, self.run, PAGE)
        return url.removeprefix("file://")

    def __len__(self) -> int:
        """Return the number of pairs."""
        return self.document.records

    def __bool__(self) -> bool:
        """Return True: a result with no pairs is a result."""
        return True

    def __iter__(self) -> Iterator[tuple[Any, Any]]:
        return self.pairs()

    def pairs(self) -> Iterator[tuple[Any, Any]]:
        """Yield all pairs with their exact types, in the order of their keys; with `keep_order`,
        as the job has yielded them.

        They are read from the store one by one, so memory does not grow with the result.

        Raises:
            InputError: they are no longer in the store.
        """
        name = self.document.steps[-1] if self.document.steps else self.run
        objects = [part.pairs for part in self._runs.results(name).parts if part.pairs]
        if not objects and self.document.records:
            raise _gone(self.run, self._runs)
        storage = self._runs.storage
        parts = [read_pairs_of([each], storage) for each in objects]
        merged: Iterator[tuple[Any, Any]] = chain.from_iterable(parts)
        if len(parts) > 1 and not self._success.keep_order:
            merged = heapq.merge(*parts, key=_order)
        try:
            yield from merged
        except ObjectMissing as exc:
            raise _gone(self.run, self._runs) from exc

    def to_dict(self) -> dict[Any, Any]:
        """Return the pairs as a dict; raises `UsageError` when a key comes twice."""
        found: dict[Any, Any] = {}
        for key, value in self.pairs():
            if key in found:
                raise UsageError(
                    f"the key {shown_repr(key, 60)} comes twice in the result of {self.job}; "
                    "use pairs()"
                )
            found[key] = value
        return found

    def to_arrow(self) -> Any:
        """Return a `pyarrow.Table` with the columns of a .parquet result: those that the job names,
        or `key` and `value`.

        Raises:
            UsageError: pyarrow is not installed, or the job has several outputs.
        """
        return arrow_table(self._success, self._runs.storage)

    def to_polars(self) -> Any:
        """Return a `polars.DataFrame` as `to_arrow` does; raises `UsageError` without polars."""
        return polars_frame(self._success, self._runs.storage)

    def to_pandas(self) -> Any:
        """Return a `pandas.DataFrame` as `to_arrow` does; raises `UsageError` without pandas."""
        return pandas_frame(self._success, self._runs.storage)

    def __repr__(self) -> str:
        pairs, seconds = plural(self.document.records, "pair"), self.timings.end_to_end
        top = ", ".join(
            f"{shown_repr(key, 30)}: {shown_repr(value, 30)}" for key, value in self.top[:TOP_SHOWN]
        )
        more = f"; top keys: {top}" if top else ""
        return f"<Result of {self.job}: {self.run} is done in {seconds:.2f} s, {pairs}{more}>"

    def _repr_html_(self) -> str | None:
        """Return the run's picture for a notebook; None when its records are gone."""
        from driver.report.page.document import read_document  # a script needs no pictures
        from driver.report.page.picture import picture

        try:
            return picture(read_document(self._runs, self.run))
        except MapReduceError:
            return None


def _order(pair: tuple[Any, Any]) -> bytes:
    return encode_key(pair[0])


def _gone(run: str, runs: RunStore) -> InputError:
    return InputError(
        f"the pairs of {run} are no longer in the store; run the job again, or export what is "
        f"left: {COMMAND} result {run}{runs.option} --output result.jsonl"
    )
