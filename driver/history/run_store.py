"""The records of runs: plan, results, ledger, events, report, and `_SUCCESS`."""

from __future__ import annotations

import random
import re
import time
from collections import defaultdict
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import Any, Literal, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import PydanticSerializationError

from driver.history.failure import Failure
from driver.plan.tasks import RunPlan
from driver.text import shown
from mapreduce.errors import (
    DataError,
    InputChanged,
    InputError,
    MapReduceError,
    ObjectExists,
    ObjectMissing,
    OutputLost,
    kind_of,
)
from mapreduce.storage import ObjectInfo, Requests, Storage
from mapreduce.wire import keys
from mapreduce.wire.messages import MapResult, Message, ReduceResult, SplitResult

COPIES_AT_ONCE = 16
"""Parts that get their final names at the same time."""

_ADJECTIVES = (
    "amber bold brisk calm clear crisp deft eager fair fleet glad keen light lucid merry neat "
    "prime quick ready sharp smart solid sunny swift tidy vivid warm wise"
).split()
_NOUNS = (
    "ant badger beaver bee crane falcon finch fox gecko hare heron ibis jay lark lynx marten mole "
    "newt otter owl puffin raven robin seal stoat swan tern wren"
).split()
_STAMP = "run-20261126-000000"
_STAMPED = re.compile(r"run-\d{8}-\d{6}-.+", re.ASCII)
_RUN_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,79}")
_STEP_NAME = re.compile(rf"(.+){keys.STEP}([1-9]\d{{0,8}})", re.ASCII)
Model = TypeVar("Model", bound=BaseModel)
RunState = Literal["done", "failed", "unfinished", "unreadable"]


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
    """The content of `_SUCCESS`: the parts in order (URL, bytes, ETag), and their digests."""

    run: str
    parts: tuple[tuple[str, int, str], ...]
    records: int
    digests: tuple[str, ...] = ()

    @property
    def objects(self) -> tuple[ObjectInfo, ...]:
        """The parts as they were committed; without digests in a record of an older version."""
        digests = self.digests or ("",) * len(self.parts)
        return tuple(
            ObjectInfo(*part, digest) for part, digest in zip(self.parts, digests, strict=True)
        )


class RunStore:
    """The records of the runs in one store."""

    def __init__(self, storage: Storage, store: str) -> None:
        self.storage = storage
        self.store = store

    @property
    def requests_with_report(self) -> Requests:
        """The requests of this process, and the one that will write the report with this number."""
        return self.storage.requests + (
            Requests(put=1) if self.store.startswith("s3://") else Requests()
        )

    def begin(self, plan: RunPlan) -> RunPlan:
        """Write the plan under a new run id, and return it with that id."""
        while True:
            named = plan.model_copy(update={"run": new_run_id(plan.created)})
            try:
                self.storage.create(self._url(named.run, "plan.json"), _json(named))
            except ObjectExists:
                continue
            return named

    def write(self, run: str, name: str, content: BaseModel | bytes) -> None:
        """Write one of the run's records."""
        self.storage.write(
            self._url(run, name), content if isinstance(content, bytes) else _json(content)
        )

    def commit(self, run: str, parts: Sequence[tuple[ObjectInfo, str]], records: int) -> Success:
        """Give parts their final names, and then write `_SUCCESS`.

        After a power failure at any moment `_SUCCESS` exists only with all parts, and once this
        returns both stay.

        Args:
            run: the run.
            parts: each part as it was checked, and its final URL.
            records: how many pairs they hold.

        Raises:
            OutputLost: a part is gone, or has changed since it was checked; then there is no
                `_SUCCESS`.
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
        )
        self.storage.write(keys.success(self.store, run), _json(success), durable=True)
        return success

    def plan(self, run: str) -> RunPlan:
        """Return a run's plan.

        Raises:
            InputError: there is no such run, or its plan cannot be read.
        """
        try:
            return self._read(RunPlan, self._url(run, "plan.json"))
        except ObjectMissing:
            raise InputError(
                f"there is no run {run!r} in {self.store}; see: python -m driver runs"
            ) from None

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

    def state(self, run: str) -> RunState:
        """Return whether the run is done, failed, unfinished, or has unreadable records."""
        try:
            if self.success(run) is not None:
                return "done"
            return "failed" if self.record(run, "failure.json") is not None else "unfinished"
        except MapReduceError:
            return "unreadable"

    def failure(self, run: str) -> Failure | None:
        """Return why the run failed; None when it has no record of a failure."""
        try:
            return self._found(Failure, self._url(run, "failure.json"))
        except MapReduceError as exc:
            why = f"why it failed cannot be read: {exc}"
            return Failure(run=run, kind=kind_of(exc), message=why)

    def runs(self) -> list[str]:
        """Return the names of all folders of runs, oldest run first.

        Other programs may have made some of them.
        """
        folder = keys.runs(self.store) + "/"
        return sorted(
            info.url.removeprefix(folder).removesuffix("/plan.json")
            for info in self.storage.list(keys.runs(self.store))
            if info.url.endswith("/plan.json")
        )

    def steps(self, run: str) -> list[str]:
        """Return the run ids of a chain's steps that have begun, in order."""
        return steps_by_chain(self.runs()).get(run, [])

    def steps_of(self, plan: RunPlan) -> list[str]:
        """Return the ids under which a run's tasks are recorded: its id, or a chain's steps."""
        return self.steps(plan.run) if plan.chain else [plan.run]

    def resolve(self, run: str | None) -> str:
        """Return the run that a user means: for None the last, else one that begins or ends so."""
        return self._resolve(run, self.runs())

    def resolve_each(self, names: Iterable[str]) -> list[str]:
        """Return the run that each name means; the store is listed once for all of them."""
        known = self.runs()
        return [self._resolve(name, known) for name in names]

    def _resolve(self, run: str | None, known: list[str]) -> str:
        if not known:
            raise InputError(
                f"there is no run in {self.store} yet; "
                "start one with: python -m driver run --input FILE"
            )
        if run in known:
            return run
        if run is None:
            return self._last(
                [name for name in known if is_run_name(name) and not _STEP_NAME.fullmatch(name)]
            )
        matching = [name for name in known if name.startswith(run) or name.endswith(run)]
        matching = [name for name in matching if not _STEP_NAME.fullmatch(name)] or matching
        if len(matching) != 1:
            what = f"{len(matching)} runs match {run!r}" if matching else f"there is no run {run!r}"
            raise InputError(f"{what} in {self.store}; see: python -m driver runs")
        return matching[0]

    def _last(self, names: Sequence[str]) -> str:
        """Return the run that was planned last: names give the second, plans the exact time.

        A folder whose name is not made by `new_run_id` counts only without any other. Unreadable
        plans are skipped.
        """
        names = [name for name in names if _STAMPED.fullmatch(name)] or names
        for second in sorted({name[: len(_STAMP)] for name in names}, reverse=True):
            created = [(self._created(name), name) for name in names if name.startswith(second)]
            readable = [(at, name) for at, name in created if at is not None]
            if readable:
                return max(readable)[1]
        raise InputError(f"no run in {self.store} can be read; see: python -m driver runs")

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
        try:
            return model.model_validate_json(self.storage.read(url))
        except ValidationError as exc:
            why = "another version of this program has written it"
            if exc.errors(include_input=False, include_url=False)[0]["type"] == "json_invalid":
                why = "it is not a complete JSON document"
            raise InputError(f"{shown(url)} cannot be read: {why}; start a new run") from exc


def new_run_id(created: float) -> str:
    """Return a run's id: the time of its plan (UTC), and a name that people can say."""
    stamp = time.strftime("%Y%m%d-%H%M%S", time.gmtime(created))
    chance = random.SystemRandom()
    return f"run-{stamp}-{chance.choice(_ADJECTIVES)}-{chance.choice(_NOUNS)}"


def steps_by_chain(names: Iterable[str]) -> dict[str, list[str]]:
    """Return the steps among the names of runs, in order, by the run id of their chain."""
    found: dict[str, list[tuple[int, str]]] = defaultdict(list)
    for name in names:
        if step := _STEP_NAME.fullmatch(name):
            found[step[1]].append((int(step[2]), name))
    return {chain: [name for _, name in sorted(steps)] for chain, steps in found.items()}


def is_run_name(name: str) -> bool:
    """Return whether a folder's name can be that of a run."""
    return _RUN_NAME.fullmatch(name) is not None


def _json(content: BaseModel) -> bytes:
    try:
        return content.model_dump_json().encode()
    except PydanticSerializationError as exc:
        raise DataError(
            f"the {type(content).__name__} of the run cannot be written: {exc}; "
            "it holds a text that is "
            "not Unicode (half a surrogate pair, e.g. in the name of a counter)"
        ) from exc
