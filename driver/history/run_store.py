"""The records of runs: plan, results, ledger, events, report, and `_SUCCESS`."""

from __future__ import annotations

import shlex
import time
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import Any, Literal, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import PydanticSerializationError

from driver.history.epochs import Epochs
from driver.history.failure import Failure
from driver.history.lease import sign_of_life, state_without_end
from driver.history.run_index import RunSummary, by_run
from driver.history.run_names import (
    chain_of,
    epoch_of,
    is_run_name,
    is_stamped,
    is_superseded,
    new_run_id,
    newest_epochs,
    second_of,
    steps_by_chain,
)
from driver.history.written_by import version_in, why_unread
from driver.plan.run_state import RunState
from driver.plan.tasks import RunPlan
from driver.program.command_name import COMMAND
from driver.text import shown
from mapreduce.errors import (
    DataError,
    InputChanged,
    InputError,
    MapReduceError,
    ObjectExists,
    ObjectMissing,
    OutputLost,
    UsageError,
    kind_of,
)
from mapreduce.storage import ObjectInfo, Requests, Storage
from mapreduce.wire import keys
from mapreduce.wire.messages import MapResult, Message, ReduceResult, SplitResult

PLANNED, FORECAST = "planned.json", "forecast.json"
"""The command of a plan, which a driver carries out later or goes on with; and its forecast."""
FIRST_EPOCH = f"{keys.EPOCH}1"
"""Ends the name of a run whose first epoch is meant, although a later one goes on with it."""
COPIES_AT_ONCE = 16
"""Parts that get their final names at the same time."""

Model = TypeVar("Model", bound=BaseModel)
RecordedState = RunState | Literal["unreadable"]


class Ended(Message):
    """The record of a run that ended without a result and without a failure."""

    state: Literal["interrupted", "paused"]
    at: float
    why: str


class _Started(BaseModel):
    """Of a plan's command (`Planned`), how long a driver that was started may take; 0 without."""

    starts_s: float = 0.0


class RunResults(Message):
    """The winning results of a run so far."""

    split: SplitResult | None = None
    maps: tuple[MapResult, ...] = ()
    reduces: tuple[ReduceResult, ...] = ()

    @property
    def parts(self) -> tuple[MapResult | ReduceResult, ...]:
        """The results whose objects are the answer: the reduces', or without reduce the maps'."""
        return self.reduces or tuple(result for result in self.maps if not result.blocks)


class DeadLetter(Message):
    """A record that was set aside: its place, its JSON value, and the error of the job's code."""

    place: str
    url: str
    key: Any
    record: Any
    message: str
    traceback: str


class Success(Message):
    """The content of `_SUCCESS`: the parts in order (URL, bytes, ETag), and their digests.

    `columns` and `keep_order` are the job's: the names of the columns, and whether the parts are in
    the order in which their pairs were yielded, and not in key order.
    """

    run: str
    parts: tuple[tuple[str, int, str], ...]
    records: int
    digests: tuple[str, ...] = ()
    columns: tuple[str, ...] | dict[str, tuple[str, ...]] = ()
    keep_order: bool = False

    @property
    def objects(self) -> tuple[ObjectInfo, ...]:
        """The parts as they were committed; without digests in a record of an older version."""
        digests = self.digests or ("",) * len(self.parts)
        return tuple(
            ObjectInfo(*part, digest) for part, digest in zip(self.parts, digests, strict=True)
        )


class RunStore:
    """The records of the runs in one store.

    Args:
        storage: reads and writes objects.
        store: the store's root URL.
        given: the store as the user gave it with `--store`, or nothing.

    Attributes:
        option: ends a command that a message names, so that it means the same store.
    """

    def __init__(self, storage: Storage, store: str, given: str | None = None) -> None:
        self.storage = storage
        self.store = store
        self.option = f" --store {shlex.quote(given)}" if given else ""

    def requests_at_end(self, *, entered: bool = True) -> Requests:
        """Return the requests of this process, and those that will write the report with this
        number; for a run that is `entered`, which a step is not, also its receipt, its entry in the
        index, its page, and its place in what forecasts go by, which is read first.
        """
        last = Requests()
        if self.store.startswith("s3://"):
            last = Requests(put=1 + 4 * entered, get=int(entered))
        return self.storage.requests + last

    def begin(self, plan: RunPlan) -> RunPlan:
        """Write the plan under a new run id, and return it with that id."""
        while True:
            named = plan.model_copy(update={"run": new_run_id(plan.created)})
            try:
                self.storage.create(self._url(named.run, "plan.json"), _json(named))
            except ObjectExists:
                continue
            return named

    def take_epoch(self, run: str) -> str:
        """Take the next epoch of a run whose driver is lost; return the id of that epoch.

        The lost driver may only sleep: it ends once it is awake. A run that was committed just
        before its driver was lost gets its `_SUCCESS`.

        Raises:
            UsageError: another driver has taken it, or the run is committed.
        """
        taken = Epochs(self.storage, self.store).take(run, time.time())
        if taken.answer:
            content = taken.answer.encode()
            self.storage.write(keys.success(self.store, taken.run), content, durable=True)
            raise UsageError(
                f"{taken.run} was committed before its driver was lost, so it is done; "
                f"see: {COMMAND} result {taken.run}{self.option}"
            )
        number = str(epoch_of(taken.run)[1]).encode()
        self.storage.write(keys.cancel(self.store, run), number)
        return taken.run

    def has_command(self, run: str) -> bool:
        """Return whether the command of a run is kept, so that another driver can go on with it."""
        return self.has(epoch_of(run)[0], PLANNED)

    def is_unwanted(self, run: str) -> bool:
        """Return whether the user has asked to end this run, and its driver has not heeded it."""
        try:
            wish = self.storage.read(keys.cancel(self.store, run))
        except ObjectMissing:
            return False
        return not wish.isdigit()

    def write(self, run: str, name: str, content: BaseModel | bytes) -> None:
        """Write one of the run's records."""
        self.storage.write(
            self._url(run, name), content if isinstance(content, bytes) else _json(content)
        )

    def commit(
        self,
        run: str,
        parts: Sequence[tuple[ObjectInfo, str]],
        records: int,
        *,
        columns: tuple[str, ...] | dict[str, tuple[str, ...]] = (),
        keep_order: bool = False,
    ) -> Success:
        """Give parts their final names, and then write `_SUCCESS`.

        After a power failure at any moment `_SUCCESS` exists only with all parts, and once this
        returns both stay.

        Args:
            run: the run.
            parts: each part as it was checked, and its final URL.
            records: how many pairs they hold.
            columns: the names of the result's columns, or those of each of its outputs.
            keep_order: the pairs of a part are in the order in which they were yielded.

        Raises:
            OutputLost: a part is gone, or has changed since it was checked; then there is no
                `_SUCCESS`.
            LeaseTaken: another driver goes on with the run; then there is no `_SUCCESS` either.
        """

        def give_name(part: tuple[ObjectInfo, str]) -> ObjectInfo:
            proven, url = part
            try:
                return self.storage.copy(proven.url, url, expected=proven, durable=True)
            except (ObjectMissing, InputChanged) as exc:
                raise OutputLost(
                    f"a part of the result changed before its commit: {exc}; run again",
                    url=proven.url,
                ) from exc

        with ThreadPoolExecutor(COPIES_AT_ONCE) as pool:
            named = list(pool.map(give_name, parts))
        success = Success(
            run=run,
            parts=tuple((part.url, part.size, part.etag) for part in named),
            records=records,
            digests=tuple(part.digest for part in named),
            columns=columns,
            keep_order=keep_order,
        )
        content = _json(success)
        if chain_of(run) is None:  # a step belongs to its chain, which is what counts
            Epochs(self.storage, self.store).close(run, content)
        self.storage.write(keys.success(self.store, run), content, durable=True)
        return success

    def plan(self, run: str) -> RunPlan:
        """Return a run's plan.

        Raises:
            InputError: there is no such run, or its plan cannot be read.
        """
        url = self._url(run, "plan.json")
        try:
            plan = self._read(RunPlan, url)
        except ObjectMissing:
            raise InputError(
                f"there is no run {run!r} in {self.store}; see: {COMMAND} runs{self.option}"
            ) from None
        if why := why_unread(plan.version):
            raise InputError(f"{shown(url)} cannot be read: {why}")
        return plan

    def results(self, run: str) -> RunResults:
        """Return a run's results so far."""
        return self._found(RunResults, self._url(run, "results.json")) or RunResults()

    def success(self, run: str) -> Success | None:
        """Return the content of `_SUCCESS`; None without it."""
        return self._found(Success, keys.success(self.store, run))

    def record(self, run: str, name: str) -> bytes | None:
        """Return the bytes of one of the run's records; None when it does not exist."""
        try:
            return self.storage.read(self._url(run, name))
        except ObjectMissing:
            return None

    def dead_letters(self, run: str, most: int | None = None) -> list[DeadLetter]:
        """Return the records that the run has set aside, or the first `most` of them."""
        found = islice(self.storage.list(self._url(run, keys.DEAD_LETTERS)), most)
        return [self._read(DeadLetter, info.url) for info in found]

    def enter(self, run: str, summary: RunSummary) -> None:
        """Enter a run that is over into the index."""
        self.storage.write(keys.indexed(self.store, run, summary.encoded()), b"")

    def entered(self) -> dict[str, RunSummary]:
        """Return the index: the runs that are over, as far as they have been entered."""
        folder = keys.index(self.store) + "/"
        return by_run(
            info.url.removeprefix(folder) for info in self.storage.list(keys.index(self.store))
        )

    def state(self, run: str, now: float | None = None) -> RecordedState:
        """Return the state of a run; a step that has no end of its own has that of its chain.

        Args:
            run: the run.
            now: the time, in seconds since the epoch; None for this machine's clock.
        """
        try:
            return self._state(run, time.time() if now is None else now)
        except MapReduceError:
            return "unreadable"

    def _state(self, run: str, now: float) -> RecordedState:
        if self.success(run) is not None:
            return "done"
        if self.record(run, "failure.json") is not None:
            return "failed"
        if chain := chain_of(run):
            return self._state(chain, now)
        if ended := self.ended(run):
            return ended.state
        seen = sign_of_life(self.storage, self.store, run)
        if seen is None and self.is_plan(run):
            return "planned"
        return state_without_end(seen.modified if seen else self.plan(run).created, now)

    def is_plan(self, run: str) -> bool:
        """Return whether `plan` has made this, and no driver has carried it out yet."""
        return self.has(run, PLANNED) and not any(
            self.has(run, name) for name in (keys.BEGUN, "events.jsonl", "lease.json")
        )

    def awaits_driver(self, run: str) -> bool:
        """Return whether a driver has been started for a plan, and has not begun it yet."""
        if not self.is_plan(run):
            return False
        try:
            found = self._found(_Started, self._url(run, PLANNED))
        except MapReduceError:
            return False
        return found is not None and found.starts_s > 0

    def has(self, run: str, name: str) -> bool:
        """Return whether the run has this record."""
        try:
            self.storage.head(self._url(run, name))
        except ObjectMissing:
            return False
        return True

    def ended(self, run: str) -> Ended | None:
        """Return how a run ended that was interrupted or paused; None for other runs."""
        return self._found(Ended, self._url(run, "ended.json"))

    def failure(self, run: str) -> Failure | None:
        """Return why the run failed; None when it has no record of a failure."""
        try:
            return self._found(Failure, self._url(run, "failure.json"))
        except MapReduceError as exc:
            why = f"why it failed cannot be read: {exc}"
            return Failure(run=run, kind=kind_of(exc), message=why)

    def runs(self) -> list[str]:
        """Return the names of all folders of runs, oldest run first.

        Other programs may have made some of them, which then have no plan.
        """
        return list(self.storage.folders(keys.runs(self.store)))

    def steps(self, run: str) -> list[str]:
        """Return the run ids of a chain's steps that have begun, in order."""
        return steps_by_chain(self.runs()).get(run, [])

    def steps_of_chain(self, plan: RunPlan) -> list[str]:
        """Return the steps of a chain that have begun; none for a job."""
        return self.steps(plan.run) if plan.chain else []

    def steps_of(self, plan: RunPlan) -> list[str]:
        """Return the ids under which a run's tasks are recorded: its id, or a chain's steps."""
        return self.steps(plan.run) if plan.chain else [plan.run]

    def resolve(self, run: str | None) -> str:
        """Return the run that a user means: for None the last, else one that begins or ends so.

        Of a run with several epochs it is the newest one.
        """
        return self._resolve(run, self.runs())

    def resolve_each(self, names: Iterable[str]) -> list[str]:
        """Return the run that each name means; the store is listed once for all of them."""
        known = self.runs()
        return [self._resolve(name, known) for name in names]

    def _resolve(self, run: str | None, known: list[str]) -> str:
        if not known:
            raise InputError(
                f"there is no run in {self.store} yet; "
                f"start one with: {COMMAND} run --input FILE{self.option}"
            )
        newest = newest_epochs(known)
        if run in known:
            return newest.get(run, run)
        if run is not None and run.endswith(FIRST_EPOCH) and run.removesuffix(FIRST_EPOCH) in known:
            return run.removesuffix(FIRST_EPOCH)
        if run is None:
            current = [name for name in known if not is_superseded(name, newest)]
            return self._last(
                [name for name in current if is_run_name(name) and not chain_of(name)]
            )
        matching = [name for name in known if name.startswith(run) or name.endswith(run)]
        whole = {newest.get(epoch_of(name)[0], name) for name in matching if not chain_of(name)}
        matching = sorted(whole) or matching
        if len(matching) != 1:
            what = f"{len(matching)} runs match {run!r}" if matching else f"there is no run {run!r}"
            raise InputError(f"{what} in {self.store}; see: {COMMAND} runs{self.option}")
        return matching[0]

    def _last(self, names: Sequence[str]) -> str:
        """Return the run that was planned last: names give the second, plans the exact time.

        A folder whose name is not made by `new_run_id` counts only without any other. Unreadable
        plans are skipped, as are those for which no driver was started if there is any other.
        """
        names = [name for name in names if is_stamped(name)] or names
        only_planned = ""
        for second in sorted({second_of(name) for name in names}, reverse=True):
            created = [(self._created(name), name) for name in names if name.startswith(second)]
            for _, name in sorted(
                ((at, name) for at, name in created if at is not None), reverse=True
            ):
                if not self.is_plan(name) or self.awaits_driver(name):
                    return name
                only_planned = only_planned or name
        if only_planned:
            return only_planned
        raise InputError(f"no run in {self.store} can be read; see: {COMMAND} runs{self.option}")

    def _created(self, run: str) -> float | None:
        try:
            return self.plan(run).created
        except (InputError, DataError):
            return None

    def _url(self, run: str, name: str) -> str:
        return keys.run_file(self.store, run, name)

    def _found(self, model: type[Model], url: str) -> Model | None:
        try:
            return self._read(model, url)
        except ObjectMissing:
            return None

    def _read(self, model: type[Model], url: str) -> Model:
        return parsed(model, self.storage.read(url), shown(url))


def parsed(model: type[Model], data: bytes, what: str) -> Model:
    """Return a record of a run; raises `InputError`, which names it by `what`."""
    try:
        return model.model_validate_json(data)
    except ValidationError as exc:
        why = why_unread(version_in(data)) or (
            "another version of this program has written it; start a new run"
        )
        if exc.errors(include_input=False, include_url=False)[0]["type"] == "json_invalid":
            why = "it is not a complete JSON document; start a new run"
        raise InputError(f"{what} cannot be read: {why}") from exc


def _json(content: BaseModel) -> bytes:
    try:
        return content.model_dump_json().encode()
    except PydanticSerializationError as exc:
        raise DataError(
            f"the {type(content).__name__} of the run cannot be written: {exc}; "
            "it holds a text that is "
            "not Unicode (half a surrogate pair, e.g. in the name of a counter)"
        ) from exc
