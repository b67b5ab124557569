"""Plans a run without carrying it out: its splits, what it reuses, a sample, and the forecast."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

from driver.cloud.stack import read_stack
from driver.cloud.terraform import terraform_folder
from driver.forecast.document import Basis, Forecast, Reuse, Sampled
from driver.forecast.figures import Figures
from driver.forecast.model import (
    Place,
    Work,
    forecast_lines,
    money_of,
    raw_values,
    requests_of,
    stages_of,
)
from driver.forecast.past import JobHistory, PastRun, spreads
from driver.forecast.sampling.messages import figures_of
from driver.forecast.sampling.sample import SampledJob, SampleOutcome, run_sample
from driver.forecast.sampling.skew import skew_of
from driver.history.forecasts import history_url, read_history
from driver.history.reuse import FinishedTasks
from driver.history.run_names import chain_of, is_run_name
from driver.history.run_store import RunStore
from driver.history.why_not_reused import differences, nearest
from driver.plan.tasks import RunPlan, map_tasks, messages_of, reduce_tasks, split_task
from driver.plan.upload import uploaded_already
from driver.targets.accounting import place_in, place_of
from driver.targets.prepare import Prepared
from driver.targets.written_plan import packed_code, plan_of, uploads_inputs
from driver.text import plural
from driver.transport.endpoint import Role
from mapreduce.engine import TaskContext
from mapreduce.engine.split import plan_splits, run_split
from mapreduce.errors import FleetError, MapReduceError
from mapreduce.job import Job
from mapreduce.storage import Requests
from mapreduce.wire.messages import MapResult, Split, SplitResult

EARLIER_RUNS = 20
"""How many of the last runs are looked at for the nearest one."""
SCANNED_BYTES = 64 << 20
"""CSV is read whole to find the quotes at each cut: beyond this, its cuts are not marked."""
LOOKUPS = 8


@dataclass(frozen=True, slots=True)
class _Splits:
    """The splits of a run; `result` is known when they are those of the run, part by part."""

    splits: tuple[Split, ...]
    result: SplitResult | None


def plan_run(prepared: Prepared) -> tuple[RunPlan, Forecast]:
    """Return the plan of a run, without an id, and its forecast; writes nothing.

    Raises:
        MapReduceError: an input cannot be read.
    """
    before = prepared.runs.storage.requests
    code, _ = packed_code(prepared)
    runs, inputs = prepared.runs, prepared.inputs
    if uploads_inputs(prepared):
        inputs = uploaded_already(inputs, runs.storage, runs.store)
    plan = plan_of(prepared, code, inputs)
    place = place_of(prepared, _counts_now(prepared))
    history = read_history(runs.storage, history_url(runs.store, prepared.source, prepared.target))
    if plan.chain:
        forecast = _of_chain(prepared, place, history)
    else:
        forecast = _of_job(prepared, plan, place, history)
    made = runs.storage.requests - before
    return plan, forecast.model_copy(update={"notes": (*forecast.notes, *_said(made))})


def _said(made: Requests) -> list[str]:
    total = made.get + made.head + made.put + made.copy + made.list
    return [f"this plan has made {plural(total, 'request')} to S3"] if total else []


def _counts_now(prepared: Prepared) -> dict[Role, int] | None:
    """Return how many tasks each service of the stack has; None on other targets."""
    if prepared.stack is None or prepared.aws is None:
        return None
    from driver.cloud.fleet.fleet_use import Services  # imports boto3, which is slow

    return Services(prepared.stack, prepared.aws).desired()


def _of_job(prepared: Prepared, plan: RunPlan, place: Place, history: JobHistory) -> Forecast:
    finished = FinishedTasks(prepared.runs.storage, prepared.runs.store)
    found = _splits(prepared, plan, finished)
    reuse, new = _reuse(prepared, plan, found, finished)
    sizes = tuple(split.length for split in found.splits)
    work = Work(
        inputs=len(plan.inputs),
        new_maps=tuple(split.length for split in new),
        all_maps=sizes,
        partitions=plan.partitions,
        reduces_reused=reuse.reduces_reused,
        total_order=plan.total_order,
    )
    outcome = _sampled(prepared, plan, place, new or found.splits)
    figures = figures_of(outcome.answer, outcome.unpacked)
    sampled = Sampled(
        samples=outcome.samples,
        bytes_read=outcome.bytes_read,
        seconds=outcome.seconds,
        requests=outcome.requests,
        error=outcome.answer.error,
    )
    basis, figures, earlier = _basis(figures, history, place, prepared.code_name)
    skew = skew_of(prepared.job, outcome.answer, plan.partitions)
    if skew is not None:
        work = work.model_copy(update={"shares": skew.shares})
    forecast = _first(prepared, place, history).model_copy(
        update={
            "basis": basis,
            "sampled": sampled,
            "earlier_runs": len(earlier),
            "reuse": reuse,
            "skew": skew,
        }
    )
    return (
        forecast
        if figures is None
        else _with_figures(forecast, prepared, work, figures, place, earlier)
    )


def _basis(
    figures: Figures | None, history: JobHistory, place: Place, code: str
) -> tuple[Basis, Figures | None, list[PastRun]]:
    """Return what the forecast goes by: a sample with earlier samples, earlier runs, or a sample.

    Figures of earlier runs were measured where the run will be; a sample is of the code as it is.
    """
    samples = history.forecasts("sample", cold=place.is_cold)
    measured = history.newest_figures(code)
    if figures is not None and (samples or measured is None):
        return "sample", figures, samples
    if measured is not None:
        return "earlier runs", measured, history.forecasts("earlier runs", cold=place.is_cold)
    return "nothing", None, []


def _first(prepared: Prepared, place: Place, history: JobHistory) -> Forecast:
    """Return what is known of a run without figures."""
    total = sum(given.size for given in prepared.inputs)
    held, forecasts = history.held
    return Forecast(
        job=prepared.source.name,
        target=prepared.target,
        place=_place_text(prepared, place),
        inputs=len(prepared.inputs),
        size_bytes=total,
        cut=prepared.cut_reason(total),
        partitions=prepared.partitions,
        held_before=held,
        forecasts_before=forecasts,
        command=prepared.command,
    )


def _with_figures(
    forecast: Forecast,
    prepared: Prepared,
    work: Work,
    figures: Figures,
    place: Place,
    earlier: Sequence[PastRun],
) -> Forecast:
    raw = raw_values(work, figures, place)
    requests = requests_of(work, figures, raw["end_to_end"]) if place.uses_s3 else Requests()
    lines = forecast_lines(raw, spreads(earlier, raw), place, requests)
    return forecast.model_copy(
        update={
            "figures": figures,
            "raw": raw,
            "lines": lines,
            "stages": stages_of(work, lines, place, figures),
            "money": money_of(lines, place),
            "notes": tuple(_price_elsewhere(prepared, work, figures)),
        }
    )


def _of_chain(prepared: Prepared, place: Place, history: JobHistory) -> Forecast:
    """Return the forecast of a chain: its steps follow from one another, so only from history."""
    forecast = _first(prepared, place, history)
    last = next((run for run in reversed(history.runs) if "end_to_end" in run.actual), None)
    note = "each step of a chain reads what the step before wrote: its tasks are not forecast"
    if last is None:
        return forecast.model_copy(update={"notes": (note,)})
    raw = {"end_to_end": last.actual["end_to_end"] * _growth(forecast.size_bytes, last.size_bytes)}
    earlier = history.forecasts("earlier runs", cold=place.is_cold)
    lines = forecast_lines(raw, spreads(earlier, raw), place, Requests())
    return forecast.model_copy(
        update={
            "basis": "earlier runs",
            "raw": raw,
            "lines": lines,
            "earlier_runs": len(earlier),
            "money": money_of(lines, place),
            "notes": (f"{note}; the time is that of {last.run}, by the size of the input",),
        }
    )


def _growth(now: int, then: int) -> float:
    return max(1, now) / max(1, then)


def _splits(prepared: Prepared, plan: RunPlan, finished: FinishedTasks) -> _Splits:
    """Return the splits: those of an earlier run, else as the split stage would make them.

    The keys that separate key ranges are sampled by the author's code, which does not run here.
    """
    task = split_task(plan)
    known = None if prepared.config.fresh else finished.find([task]).get(0)
    if isinstance(known, SplitResult):
        return _Splits(known.splits, known)
    total = sum(given.size for given in plan.inputs)
    is_long_scan = total > SCANNED_BYTES and any(each.format.is_scanned for each in plan.inputs)
    if plan.mode == "copy" or is_long_scan:
        return _Splits(plan_splits(plan.inputs, plan.cut, broadcast=plan.broadcast), None)
    messages = messages_of(plan)
    with tempfile.TemporaryDirectory(prefix="mapreduce-") as scratch:
        context = TaskContext(
            storage=prepared.runs.storage,
            scratch=Path(scratch),
            memory_bytes=256 << 20,
            load_job=_no_job,
        )
        bare = messages.split(plan.inputs, plan.cut).model_copy(
            update={"key_ranges": None, "job": None}
        )
        result = run_split(bare, context)
    return _Splits(result.splits, result if messages.key_ranges is None else None)


def _no_job(spec: object) -> Job:
    raise AssertionError("a split without key ranges loads no job")


def _reuse(
    prepared: Prepared, plan: RunPlan, found: _Splits, finished: FinishedTasks
) -> tuple[Reuse, list[Split]]:
    """Return what is reused, why the rest is not, and the splits of the map tasks to run."""
    maps, new = dict[int, MapResult](), list(found.splits)
    if found.result is not None and not prepared.config.fresh:
        specs = map_tasks(plan, found.result)
        results = finished.find(specs)
        maps = {at: each for at, each in results.items() if isinstance(each, MapResult)}
        new = [split for split in found.splits if split.index not in maps]
    reduced = 0
    if maps and not new and plan.partitions:
        ordered = [maps[split.index] for split in found.splits]
        reduced = len(finished.find(reduce_tasks(plan, ordered, None)))
    reuse = Reuse(
        maps=len(found.splits),
        maps_reused=len(maps),
        reduces=plan.partitions,
        reduces_reused=reduced,
    )
    before = nearest(plan, _earlier(prepared.runs)) if new and not prepared.config.fresh else None
    if before is None:
        return reuse, new
    result = prepared.runs.results(before.run).split
    now = found.result.boundaries if found.result else None
    then = result.boundaries if result else None
    why = differences(plan, new, before, result.splits if result else (), (now, then))
    return reuse.model_copy(update={"nearest": before.run, "new": why}), new


def _earlier(runs: RunStore) -> list[RunPlan]:
    """Return the plans of the last runs that can be read; not those that were only planned."""
    names = [name for name in runs.runs() if is_run_name(name) and not chain_of(name)]

    def read(name: str) -> RunPlan | None:
        try:
            return None if runs.is_plan(name) else runs.plan(name)
        except MapReduceError:
            return None

    with ThreadPoolExecutor(LOOKUPS) as pool:
        return [plan for plan in pool.map(read, names[-EARLIER_RUNS:]) if plan is not None]


def _sampled(
    prepared: Prepared, plan: RunPlan, place: Place, splits: Sequence[Split]
) -> SampleOutcome:
    job = SampledJob(
        root=prepared.source.root,
        spec=plan.job,
        packages=prepared.packages.folder if prepared.packages else None,
        partitions=plan.partitions,
        total_order=plan.total_order,
        memory_bytes=place.map_memory_bytes or 256 << 20,
    )
    why_not = ""
    if plan.broadcast:
        why_not = "the beginnings of two inputs have few keys in common, and say nothing of a join"
    return run_sample(job, splits, prepared.runs.storage, why_not)


def _price_elsewhere(prepared: Prepared, work: Work, figures: Figures) -> list[str]:
    """Return what a run on this machine would cost on the stack, if there is one."""
    if prepared.target != "local":
        return []
    try:
        stack = read_stack(terraform_folder())
    except FleetError:
        return []
    if stack is None:
        return []
    place = place_in(stack, prepared)
    raw = raw_values(work, figures, place)
    money = money_of(
        forecast_lines(raw, {}, place, requests_of(work, figures, raw["end_to_end"])), place
    )
    if money is None:
        return []
    low, high = money.together.low, money.together.high
    return [f'on the stack "{stack.name}" it would cost about ${low:.3f} to ${high:.3f}']


def _place_text(prepared: Prepared, place: Place) -> str:
    """Return e.g. `stack "books", 10 mappers, Spot 60 %`."""
    if prepared.stack is None:
        where = {"local": "this machine", "inline": "this process", "spark": "Apache Spark"}
        name = where.get(prepared.target, prepared.target)
        return f"{name}, {plural(place.map_slots, 'map slot')}"
    spot = f", Spot {prepared.stack.spot_share} %" if prepared.stack.spot_share else ""
    cold = ", stopped" if place.is_cold else ""
    mappers = plural(place.counts.get("mapper", 0), "mapper")
    return f'stack "{prepared.stack.name}"{cold}, {mappers}{spot}'


def with_plan(prepared: Prepared, plan: RunPlan, forecast: Forecast) -> Prepared:
    """Return a prepared run that carries out a plan."""
    return replace(
        prepared, planned=plan, forecast=forecast, cut=plan.cut, partitions=plan.partitions
    )
