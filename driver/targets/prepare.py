"""Checks a configuration and plans the run; starts nothing."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Self

from driver.cloud.stack import Stack, read_stack
from driver.cloud.terraform import terraform_folder
from driver.forecast.document import Forecast
from driver.history.run_store import RunStore
from driver.output.place import Output
from driver.packages.of_job import (
    JobPackages,
    PackagesWanted,
    check_compiled,
    digest_of_packages,
    foreign_modules,
)
from driver.plan import cut
from driver.plan.broadcast import SPLIT_FACTOR, Broadcast, choose
from driver.plan.config import DEFAULT_STORE, READY_MADE, RunConfig
from driver.plan.inputs import FoundInputs, check_name, declared_names, find_inputs, local_url
from driver.plan.origins import Origin
from driver.plan.settings import asked_settings, others_text, with_settings
from driver.plan.target import Target, WantedTarget
from driver.plan.tasks import RunPlan
from driver.targets.option_checks import (
    check_buckets,
    check_options,
    check_regions,
    check_target,
)
from driver.targets.s3_access import check_services_keys, user_bucket
from driver.targets.stored_code import Unpacked
from mapreduce.aggregate import Aggregation
from mapreduce.code import CodeIdentity, JobClass, JobSource, Modules, find_job, identity_of
from mapreduce.errors import FleetError, UsageError
from mapreduce.formats.values import MOST_BYTES, value_ranges
from mapreduce.input_formats import Values
from mapreduce.job import Job, reduce_of
from mapreduce.storage import Storage, open_storage
from mapreduce.storage.digest import digest_of_bytes
from mapreduce.user_code.column_check import has_columns
from mapreduce.user_code.parameters import check_required, parameters_as_json, parse_parameters
from mapreduce.wire.build import HASH_SEED, Build, this_build
from mapreduce.wire.messages import InputObject, SplitRule

if TYPE_CHECKING:
    from driver.cloud.aws import Aws


INLINE_AT_LEAST = 2
"""Splits and partitions of an inline run: with one of each, code that relies on having all of the
data would never fail."""
SLOW_UPLINK_S = 300.0
"""Seconds of one request: it may send 64 MiB at once, from a laptop with 2 Mbit/s."""


@dataclass(frozen=True, slots=True)
class FromPython:
    """What a program in Python gives beside the options: parameters by name, as they are; and the
    origins of a job that was gathered from the cells of a notebook. `written` has the parameters of
    a plan, as JSON, `inputs` its inputs, which are not looked for again, and `packages` the digest
    of its packages, which the store has.
    """

    parameters: Mapping[str, object] = field(default_factory=dict)
    written: Mapping[str, object] = field(default_factory=dict)
    origins: tuple[Origin, ...] = ()
    inputs: tuple[InputObject, ...] = ()
    packages: str = ""

    def added_to(self, parsed: dict[str, object], job: JobClass) -> dict[str, object]:
        """Return all parameters as JSON; raises `ParameterError`."""
        return {**parsed, **parameters_as_json(job, self.parameters), **self.written}


@dataclass(frozen=True, slots=True)
class Prepared:
    """A run that has been checked; nothing has been written or started.

    `left_out` is how many entries of the given folders are not inputs; `notes` are messages to the
    user about the inputs. `command` is the one that the user gave; `planned` is the plan of `plan`
    that is carried out, and `forecast` its forecast; with `goes_on` a driver has begun it and is
    lost, and this run is the next epoch of that one. `unpacked` holds the job's code if it comes
    from the store. `asked`
    names the settings that the command says, `said` has those that the job says instead.
    """

    config: RunConfig
    target: Target
    runs: RunStore
    source: JobSource
    job: JobClass
    parameters: dict[str, object]
    inputs: tuple[InputObject, ...]
    cut: SplitRule
    partitions: int
    map_slots: int
    stack: Stack | None
    aws: Aws | None
    modules: Modules
    packages: JobPackages | None = None
    left_out: int = 0
    notes: tuple[str, ...] = ()
    command: str = ""
    planned: RunPlan | None = None
    goes_on: bool = False
    unpacked: Unpacked | None = None
    forecast: Forecast | None = None
    origins: tuple[Origin, ...] = ()
    asked: tuple[str, ...] = ()
    said: Mapping[str, int] = field(default_factory=dict)
    broadcast: Broadcast = field(default_factory=Broadcast)

    @property
    def identity(self) -> CodeIdentity:
        """That part of the job; a chain has one for each step only."""
        return self.identity_of(self.job) if issubclass(self.job, Job) else CodeIdentity()

    def identity_of(self, job: type[Job]) -> CodeIdentity:
        """Return the part of the code that the tasks of a job, or of a chain's step, depend on."""
        return identity_of(self.source, self.modules, job)

    @property
    def build(self) -> Build:
        """The build that the tasks run on: this program, in the services' or this environment.

        The images' tag stands for the environment of the services. Locally the job's packages are
        in its identity, so other installed packages do not count.
        """
        here = this_build()
        if self.stack is not None:
            return Build(engine=here.engine, python="image", environment=self.stack.image_tag)
        return here.model_copy(
            update={"environment": "", "hashing": here.hashing if self._hashes_here else ""}
        )

    @property
    def code_name(self) -> str:
        """A name of the code that map tasks run, and its parameters, for figures of its speed."""
        parameters = {name: repr(value) for name, value in sorted(self.parameters.items())}
        packages = digest_of_packages(self.packages)
        return digest_of_bytes(f"{self.identity.map} {parameters}{packages}".encode())

    @property
    def map_tasks(self) -> int:
        """About how many map tasks the run has; a fleet is started for them."""
        if self.cut.splits is not None:
            return self.cut.splits
        total = sum(given.size for given in self.inputs)
        return max(1, math.ceil(total / (self.cut.split_bytes or 1)))

    def cut_reason(self, total: int) -> str:
        """Return how the input, of so many bytes, is cut."""
        return cut.reason(total, self.cut, self.partitions, self.said, over=self.config.over)

    def with_cut_said(self) -> Self:
        """Return the run with notes on how it is cut, and on what the job says about the run."""
        total = sum(given.size for given in self.inputs)
        others = others_text(dict(self.said))
        settings = [f"settings  {others} (the job says so)"] if others else []
        joined = [f"join      {self.broadcast.reason}"] if self.broadcast.reason else []
        notes = (*self.notes, f"cut       {self.cut_reason(total)}", *joined, *settings)
        return replace(self, notes=notes)

    @property
    def _hashes_here(self) -> bool:
        """Whether tasks have this process's hash seed; services and Spark have a fixed one."""
        return self.target == "inline" and os.environ.get("PYTHONHASHSEED") != HASH_SEED


def open_runs(store: str | None) -> RunStore:
    """Return the store of a path or URL; by default the stack's bucket, else `.mapreduce`."""
    text = store or os.environ.get("MAPREDUCE_STORE")
    stack = None if text else read_stack(terraform_folder())
    return _runs_in(text or (stack.store if stack else DEFAULT_STORE), stack, store)[0]


def prepare(
    config: RunConfig,
    target: WantedTarget,
    store: str | None,
    output: Output | None = None,
    command: str = "",
    given: FromPython = FromPython(),
) -> Prepared:
    """Check all that can be checked before anything is started or written.

    Raises:
        UsageError: an option's value is wrong, or options contradict each other.
        FleetError: the stack, or AWS, cannot be reached.
    """
    check_target(config, target)
    places = _Places(target, store)
    wanted = _wanted(config, places, given.packages)
    source, job = find_job(config.job, READY_MADE, wanted.provide)
    check_name(source.file)
    asked = asked_settings(config)
    config, said = with_settings(config, job)
    check_target(config, target)
    parameters = given.added_to(parse_parameters(job, config.parameters), job)
    check_required(job, parameters)
    stack, (runs, aws) = places.stack, places.opened
    where: Target = "aws" if stack else target if target in ("inline", "spark") else "local"
    _check_store(places, config)
    found = FoundInputs(()) if given.inputs else _found(config, job, runs, output)
    inputs = given.inputs or _formatted(found.objects, job, config)
    check_options(config, job, stack)
    unsure = check_buckets(inputs, stack, aws) if stack else ()
    if _tasks_are_here(config, where):
        check_services_keys([runs.store, *(given.url for given in inputs)])
    broadcast = _broadcast_of(config, job, parameters, inputs, stack)
    rule, partitions = _cut_of(config, job, inputs, where, runs.storage, broadcast)
    modules = source.modules()
    notes = _notes(wanted, found.notes, source, modules, stack)
    return Prepared(
        config=config,
        target=where,
        runs=runs,
        source=source,
        job=job,
        parameters=parameters,
        inputs=inputs,
        cut=rule,
        partitions=partitions,
        broadcast=broadcast,
        map_slots=_map_slots(config, where, stack),
        stack=stack,
        aws=aws,
        modules=modules,
        packages=wanted.found,
        left_out=sum(found.left_out.values()),
        notes=(*notes, *unsure),
        command=command,
        origins=given.origins,
        asked=asked,
        said=said,
    ).with_cut_said()


def _check_store(places: _Places, config: RunConfig) -> None:
    if places.stack and places.runs.store != places.stack.store:
        bucket = places.stack.store
        raise UsageError(f"--store {places.text}: a run in AWS uses the stack's bucket, {bucket}")
    check_regions(config, places.stack, places.opened[1])


def _tasks_are_here(config: RunConfig, where: Target) -> bool:
    """Return whether other processes of this machine carry out the tasks."""
    return where == "local" or (where == "spark" and config.spark_master.startswith("local"))


def _cut_of(
    config: RunConfig,
    job: JobClass,
    inputs: tuple[InputObject, ...],
    where: Target,
    storage: Storage,
    broadcast: Broadcast,
) -> tuple[SplitRule, int]:
    """Return how the inputs are cut, and the number of partitions: none with a broadcast."""
    total = sum(given.size for given in inputs)
    least = INLINE_AT_LEAST if where == "inline" else 1
    rule = _split_rule(config, inputs, total, least, storage, in_bulk=maps_in_bulk(job))
    if not broadcast.name:
        return rule, _partitions(config, job, total, least)
    if config.chunks is None and config.chunk_bytes is None:
        rule = cut.at_least(rule, SPLIT_FACTOR * broadcast.size_bytes)
    return rule, 0


def maps_in_bulk(job: JobClass) -> bool:
    """Return whether the map takes many records at once: over columns, or over batches whose values
    combine into states of fixed size. Its splits are longer. The steps of a chain share one cut.
    """
    if not issubclass(job, Job):
        return False
    return has_columns(job) or (job.map_batch is not Job.map_batch and _combines(job))


def _combines(job: type[Job]) -> bool:
    reduce = reduce_of(job)
    return isinstance(reduce, Aggregation) and not reduce.grows


def _broadcast_of(
    config: RunConfig,
    job: JobClass,
    parameters: dict[str, object],
    inputs: tuple[InputObject, ...],
    stack: Stack | None,
) -> Broadcast:
    """Return which input is broadcast; a chain's steps have none.

    Raises:
        UsageError: --broadcast is given, and the job has no `broadcasts`.
    """
    if not issubclass(job, Job) or job.broadcasts is Job.broadcasts:
        if config.broadcast_bytes:
            raise UsageError(
                f"--broadcast says how long an input may be that each map task holds, and "
                f"{job.__name__} holds none (it has no `broadcasts`); leave it out"
            )
        return Broadcast()
    memory = config.task_memory_bytes
    if stack is not None:
        mapper = stack.services["mapper"]
        memory = (mapper.memory << 20) // mapper.slots
    return choose(job(**parameters), inputs, config, memory)


def _split_rule(
    config: RunConfig,
    inputs: tuple[InputObject, ...],
    total: int,
    least: int,
    storage: Storage,
    *,
    in_bulk: bool,
) -> SplitRule:
    """Return how the inputs are cut; with --over as many splits as there are values."""
    if not config.over:
        return cut.split_rule(
            total,
            chunks=config.chunks,
            chunk_bytes=config.chunk_bytes,
            least=least,
            in_bulk=in_bulk,
        )
    if len(inputs) != 1:
        raise UsageError(f"--over {config.inputs[0]}: names {len(inputs):,} files; name one")
    (given,) = inputs
    if given.size > MOST_BYTES:
        raise UsageError(f"--over {given.url}: is longer than 64 MiB; give it with --input")
    content = storage.read(given.url, etag=given.etag)
    return SplitRule(splits=len(value_ranges(content, given.url)))


def _found(config: RunConfig, job: JobClass, runs: RunStore, output: Output | None) -> FoundInputs:
    """Return the inputs of the options, without an earlier result at `--output`."""
    names = declared_names(job)
    found = find_inputs(config.inputs, runs.storage, names=names, store=runs.store)
    return _outside(output, job, found, runs) if output else found


def _outside(output: Output, job: JobClass, found: FoundInputs, runs: RunStore) -> FoundInputs:
    """Return the inputs without an earlier result at `--output`; raises as `Output.checked`."""
    if issubclass(job, Job):  # of a chain, only its last step has the columns
        output.style(job.columns)
    return output.checked(found, runs)


async def mappers_there(prepared: Prepared) -> int | None:
    """Return how many mappers of the stack answer now; None where each run starts its mappers."""
    if prepared.stack is None or prepared.aws is None:
        return None
    from driver.cloud.ecs import EcsFleet  # imports boto3, which is slow

    return len(await EcsFleet(prepared.stack, prepared.aws).endpoints("map"))


def _wanted(config: RunConfig, places: _Places, kept: str) -> PackagesWanted:
    return PackagesWanted(
        config.requirements,
        config.refresh_packages,
        lambda: (places.stack, places.runs),
        kept,
    )


def _notes(
    wanted: PackagesWanted,
    notes: tuple[str, ...],
    source: JobSource,
    modules: Modules,
    stack: Stack | None,
) -> list[str]:
    """Return the notes on inputs and packages; raises `JobLoadError` for what AWS cannot import."""
    if stack is None:
        return [*notes, *wanted.notes()]
    check_compiled(source, modules, stack)
    return [*notes, *wanted.notes(), *foreign_modules(source, modules)]


class _Places:
    """The stack and the store of a run, opened when they are first needed.

    Args:
        target: the wanted target.
        store: the wanted store.
    """

    def __init__(self, target: WantedTarget, store: str | None) -> None:
        self._target = target
        self._store = store

    @cached_property
    def stack(self) -> Stack | None:
        return _stack_for(self._target)

    @cached_property
    def text(self) -> str:
        given = self._store or os.environ.get("MAPREDUCE_STORE")
        return given or (self.stack.store if self.stack else DEFAULT_STORE)

    @cached_property
    def opened(self) -> tuple[RunStore, Aws | None]:
        return _runs_in(self.text, self.stack, self._store)

    @property
    def runs(self) -> RunStore:
        return self.opened[0]


def _stack_for(target: WantedTarget) -> Stack | None:
    """Return the deployed stack when the run's target is AWS; None for other targets."""
    if target in ("local", "inline", "spark"):
        return None
    stack = read_stack(terraform_folder())
    if stack is None and target == "aws":
        raise FleetError("there is no deployed stack; run ./deploy.sh first, or use --target local")
    return stack


def _runs_in(text: str, stack: Stack | None, given: str | None) -> tuple[RunStore, Aws | None]:
    """Return the store of a path or URL, and the AWS session that was opened for it.

    Args:
        text: the path or URL.
        stack: the deployed stack, if the store is its bucket.
        given: what the user gave with `--store`.
    """
    if not text.startswith("s3://"):
        url = text.rstrip("/") if "://" in text else local_url(Path(text).expanduser())
        check_name(url)
        return RunStore(open_storage(open_bucket=user_bucket()), url, given), None
    from driver.cloud.aws import Aws  # boto3 takes a quarter of a second to import
    from driver.cloud.patient_storage import PatientStorage

    aws = Aws(stack.region if stack else None)

    def opened() -> Storage:
        return open_storage(
            credentials=aws.credential_provider(),
            region=aws.region,
            request_limit_s=SLOW_UPLINK_S,
            copy_large=aws.copy_large,
        )

    storage = PatientStorage(opened, lambda: aws.renewals)
    return RunStore(storage, text.rstrip("/"), given), aws


def _formatted(
    inputs: tuple[InputObject, ...], job: JobClass, config: RunConfig
) -> tuple[InputObject, ...]:
    """Return the inputs with their formats; for a chain, its steps name the formats."""
    if not issubclass(job, Job):
        if config.over:
            raise UsageError(f"--over: {job.__name__} is a chain; give its input with --input")
        return inputs
    if config.over:
        return tuple(given.model_copy(update={"format": Values()}) for given in inputs)
    return tuple(given.model_copy(update={"format": job.format_of(given.name)}) for given in inputs)


def _partitions(config: RunConfig, job: JobClass, total_bytes: int, least: int) -> int:
    """Return the number of partitions: 0 for a job without a reduce stage."""
    if issubclass(job, Job) and reduce_of(job) is None:
        return 0
    combines = issubclass(job, Job) and _combines(job)
    return config.reducers or max(least, cut.reducer_count(total_bytes, combines=combines))


def _map_slots(config: RunConfig, target: Target, stack: Stack | None) -> int:
    """Return how many map tasks will run at the same time."""
    if target == "spark":
        from driver.spark.master import map_slots  # imported only for a run on Spark

        return config.mappers or map_slots(config.spark_master)
    if stack is None:
        return config.mappers or os.cpu_count() or 1
    mapper = stack.services["mapper"]
    return max(1, config.mappers or mapper.desired_count) * mapper.slots
