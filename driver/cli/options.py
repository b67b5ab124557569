"""The options of a run, in the groups in which help shows them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Group, Parameter

from driver.cli.values import assignments, duration_s, size_bytes
from driver.plan.config import (
    DEFAULT_JOB,
    DEFAULT_SPARK_MASTER,
    READY_MADE,
    RunConfig,
    check_retries,
)
from driver.plan.fault_rates import parse_chaos
from driver.plan.target import WantedTarget
from driver.program.command_name import COMMAND
from mapreduce.errors import UsageError
from mapreduce.formats.table_files import FileFormat
from mapreduce.wire.messages import SplitMode

if TYPE_CHECKING:
    from driver.output.place import Output

Flag = Annotated[bool, Parameter(negative="", show_default=False)]
Fields = Annotated[str | None, Parameter(negative="")]
"""The option `--fields` of every command that has `--json`, which it implies."""
Place = Annotated[str | None, Parameter(negative="", allow_leading_hyphen=True)]
"""The option `--output`, whose value may be a hyphen alone."""
Header = Annotated[bool, Parameter(negative="--no-header", show_default=False)]
Texts = Annotated[tuple[str, ...], Parameter(negative="", show_default=False)]
SystemName = Annotated[str | None, Parameter(negative="", show_default=False)]
"""The option `--system` of the commands that work on a stack of any system."""
Inputs = Annotated[
    tuple[str, ...],
    Parameter(name="--input", negative="", consume_multiple=True, show_default=False),
]


JOB_AND_INPUT = Group("Job and input", sort_key=1)
Given = Annotated[
    str, Parameter(group=JOB_AND_INPUT, help="Files, folders, globs or URLs, as with --input.")
]
"""An input that is named without `--input`."""


def _group(title: str, order: int) -> Parameter:
    return Parameter(name="*", group=Group(title, sort_key=order))


@Parameter(name="*", group=JOB_AND_INPUT)
@dataclass(frozen=True, kw_only=True)
class JobOptions:
    """The job and its inputs."""

    input: Inputs = ()
    """A file, folder, glob or URL (s3://...), or NAME=one of these for a job that declares input
    names; may be given several times. Names in a folder that begin with . or _ are left out."""
    over: str | None = None
    """Instead of --input: a file of values, one a line, as JSON or text. Each is a map task of its
    own, `map(number, value)`."""
    job: str = DEFAULT_JOB
    """The job: a ready-made one by its short name (top_k), a module or a file, and `:Class` when it
    holds several."""
    param: Texts = ()
    """A parameter of the job, as name=value; may be given several times."""
    requirements: Annotated[Path | None, Parameter(negative="")] = None
    """A requirements file of pip: packages that the job imports, besides its `requirements`."""
    refresh_packages: Flag = False
    """Have pip resolve the job's requirements again; otherwise the packages stay as they were."""

    def with_inputs(self, command: str, *given: str) -> JobOptions:
        """Return the options with the inputs that are named without `--input`, first.

        Raises:
            UsageError: there is no input at all, or one is the name of a ready-made job.
        """
        if job := next(filter(_is_ready_made, given), None):
            raise UsageError(
                f"there is no file {job}, but a job; for it: {COMMAND} {command} INPUT --job {job}"
            )
        inputs = (*given, *self.input)
        if self.over is not None:
            if inputs:
                raise UsageError(f"--over {self.over}: takes the place of the input {inputs[0]}")
            if self.job == DEFAULT_JOB:
                raise UsageError(
                    f"--over {self.over}: name a job whose `map(number, value)` takes the values, "
                    f"for example: {COMMAND} {command} --job FILE --over {self.over}"
                )
            return self
        if not inputs:
            raise UsageError(
                "there is no input; name a file, folder, glob or URL, for example: "
                f"{COMMAND} {command} book.txt\n"
                f"usage: {COMMAND} {command} INPUT... [OPTIONS]"
            )
        return replace(self, input=inputs)


def _is_ready_made(text: str) -> bool:
    return (
        text.isidentifier()
        and not Path(text).exists()
        and find_spec(f"{READY_MADE}.{text}") is not None
    )


@_group("Where it runs", 2)
@dataclass(frozen=True, kw_only=True)
class PlaceOptions:
    """The target of a run, and its store."""

    target: WantedTarget = "auto"
    """local: services on this machine; inline: one process, for a debugger; aws: the deployed
    stack; auto: aws if there is one, else local. spark: Apache Spark."""
    mappers: int | None = None
    """How many mappers to use (by default all; locally one for each processor). In AWS the run
    starts those that are missing, and stops them at its end."""
    keep: str | None = None
    """In AWS, how long the tasks that the run starts stay after it, e.g. 10m or 1h (by default they
    are stopped at its end)."""
    task_memory: str | None = None
    """Memory of a task on this machine, e.g. 512MiB; beyond it, the task spills to disk (by default
    a share of half the machine's memory; in AWS the service's size decides)."""
    spark_master: str = DEFAULT_SPARK_MASTER
    """With --target spark, the master: local[*] is this machine; else as spark-submit takes it."""
    store: str | None = None
    """Folder or URL for everything that the run writes (by default the stack's bucket when there is
    one, else .mapreduce in this folder)."""


@_group("How the work is cut", 3)
@dataclass(frozen=True, kw_only=True)
class CutOptions:
    """Splits and partitions."""

    reducers: int | None = None
    """How many reduce tasks, and so parts of the result (by default by the size of the input: 1 for
    small ones; inline at least 2)."""
    chunks: int | None = None
    """How many splits to cut the input into; one more file then moves all of them."""
    chunk_size: str | None = None
    """Length of a split at most, e.g. 64MiB (by default it grows with the size of the input)."""
    split_mode: SplitMode = "range"
    """range: mappers read byte ranges of the input; copy: the splitter writes chunk files first."""
    sort: Flag = False
    """Make the parts ranges of keys, so that part after part the whole result is in key order."""
    broadcast: str | None = None
    """Of a join, each map task holds the smaller input if it has at most this size, and nothing is
    shuffled; 0 for never (by default 64MiB, or a 32nd of a task's memory)."""


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class ExportOptions:
    """The place of `--output`, and the table that is written there."""

    output: Place = None
    """Write the whole result to this file, too; its ending says the format: .json, .jsonl, .csv,
    .tsv, .txt (values only), .parquet or .arrows; text also with .gz or .zst. A folder, `out/`,
    gets a file for each part; - is standard output."""
    output_format: FileFormat | None = None
    """The format of the files in the folder, or of standard output (by default jsonl)."""
    columns: str | None = None
    """Names of the columns, with commas between: of the key's fields, then the value's (by default
    the job's, else key and value)."""
    header: Header = True
    """Begin a CSV or TSV file with the names of the columns."""
    partition_by: str | None = None
    """Columns, with commas between, whose values make folders, such as country=DE."""

    def place(self, other_answer: str | None) -> Output | None:
        """Return the place of `--output`, or None.

        Args:
            other_answer: the option that prints something else on standard output, if there is one.

        Raises:
            UsageError: an option is wrong, or options contradict each other.
        """
        from driver.cli.export import check_stdout
        from driver.output.place import Output

        place = Output.parse(
            self.output,
            self.output_format,
            columns=self.columns,
            header=self.header,
            partition_by=self.partition_by,
        )
        check_stdout(place, other_answer=other_answer)
        return place


@_group("Result", 4)
@dataclass(frozen=True, kw_only=True)
class ResultOptions(ExportOptions):
    """How the result is shown and written."""

    top: int = 10
    """How many of the top keys to show."""
    urls: Flag = False
    """Show the URLs of all chunks, map outputs and parts of the result."""
    json: Flag = False
    """Print one JSON document on standard output."""
    fields: Fields = None
    """Print only these of its fields, with commas between."""

    @property
    def of_the_run(self) -> ResultOptions:
        """These options without those that only say how the answer is printed."""
        return replace(self, urls=False, json=False, fields=None)

    @property
    def other_answer(self) -> str | None:
        """The option that prints something else than the summary on standard output, if any."""
        return "--json" if self.as_document else "--urls" if self.urls else None

    @property
    def as_document(self) -> bool:
        """Whether the answer is a JSON document."""
        return self.json or self.fields is not None


@_group("Failures and reuse", 5)
@dataclass(frozen=True, kw_only=True)
class FailureOptions:
    """Reuse, bad records, time limits and fault injection."""

    fresh: Flag = False
    """Reuse nothing of earlier runs."""
    skip_bad_records: int | None = None
    """How many records may be set aside as dead letters because the job's code fails on them or
    they are not of their format; one more, and the job fails (by default what the job says, else
    0)."""
    stage_timeout: float | None = None
    """Seconds that a stage may take; then the job fails."""
    chaos: str | None = None
    """Fault injection: how often attempts go wrong, e.g. kill=0.2,hang=0.05,slow=0.1,error=0.1,
    duplicate=0.05,corrupt=0.02. The answer must be the same."""
    chaos_seed: int = 0
    """Another seed breaks other attempts."""


@_group("Price", 6)
@dataclass(frozen=True, kw_only=True)
class PriceOptions:
    """The plan that a run carries out, and what it may cost."""

    plan: str | None = None
    """Carry out this plan of `plan`, by its id, and nothing else; it is refused if an input or the
    code has changed since."""
    ask: Flag = False
    """Show the plan first, and begin only after a yes."""
    max_usd: float | None = None
    """In AWS, dollars that the run may spend. It is refused if it costs more at least, and pauses
    before it spends more."""


@_group("In the background", 7)
@dataclass(frozen=True, kw_only=True)
class BackgroundOptions:
    """Whether the run outlives this command."""

    detach: Flag = False
    """Print the run's id and end; the run goes on in a process of its own. `attach` shows it,
    `cancel` ends it."""
    retries: int = 0
    """With --detach, how often another driver goes on when one is killed."""

    def __post_init__(self) -> None:
        """Refuse wrong values; raises `UsageError`."""
        check_retries("--retries ", self.retries)
        if self.retries and not self.detach:
            raise UsageError(f"--retries {self.retries}: is for --detach; add it")


@_group("In AWS", 7)
@dataclass(frozen=True, kw_only=True)
class SubmitOptions:
    """When a submitted run starts, and what happens when its driver is lost."""

    retries: int = 0
    """How often another driver goes on with the run when one is lost."""
    at: str | None = None
    """Instead of now: when AWS starts the run, again and again: rate(1 day), or cron(0 22 * * ? *).
    Each time, the inputs are looked for anew, and only what is new is mapped."""
    name: str | None = None
    """With --at, the schedule's name; an earlier one of that name is replaced."""

    def __post_init__(self) -> None:
        """Refuse wrong values; raises `UsageError`."""
        check_retries("--retries ", self.retries)
        if (self.at is None) != (self.name is None):
            raise UsageError("--at and --name belong together: --at 'rate(1 day)' --name nightly")


def run_config(
    job: JobOptions,
    place: PlaceOptions,
    cut: CutOptions,
    result: ResultOptions,
    failures: FailureOptions,
    price: PriceOptions = PriceOptions(),
) -> RunConfig:
    """Return the run that the options describe; raises `UsageError`."""
    chaos, size, memory = failures.chaos, cut.chunk_size, place.task_memory
    small = cut.broadcast
    return RunConfig(
        inputs=job.input if job.over is None else (job.over,),
        over=job.over is not None,
        job=job.job,
        parameters=assignments("--param", job.param),
        requirements=job.requirements,
        refresh_packages=job.refresh_packages,
        mappers=place.mappers,
        reducers=cut.reducers,
        chunks=cut.chunks,
        chunk_bytes=size_bytes("--chunk-size", size) if size is not None else None,
        broadcast_bytes=_limit(small),
        mode=cut.split_mode,
        top=result.top,
        fresh=failures.fresh,
        sort=cut.sort,
        spark_master=place.spark_master,
        skip_bad_records=failures.skip_bad_records,
        stage_timeout_s=failures.stage_timeout,
        chaos=parse_chaos(chaos, failures.chaos_seed) if chaos is not None else None,
        task_memory_bytes=size_bytes("--task-memory", memory) if memory is not None else None,
        keep_s=duration_s("--keep", place.keep) if place.keep is not None else None,
        max_usd=price.max_usd,
    )


def _limit(text: str | None) -> int | None:
    """Return the limit of `--broadcast`, which may be 0; raises `UsageError`."""
    if text is None or text == "0":
        return None if text is None else 0
    return size_bytes("--broadcast", text)
