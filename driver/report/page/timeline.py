"""The timeline of a run: a row for each slot, a bar for each attempt. Pure."""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from driver.report.model import AttemptModel, Mark, RunModel
from driver.report.page.axis import Axis, axis
from driver.report.page.document import RunDocument
from driver.report.page.tasks import attempt_key, lasted, task_name
from driver.report.words import seconds_text
from driver.text import LINE_LIMIT, bytes_text, shown

MOST_BARS = 2_000
"""More attempts are drawn on a canvas, from numbers, without a title for each."""
CANVAS_CELLS = 50_000
"""Slots times columns of the canvas: bars in the same cell are drawn once."""
KINDS = ("done", "backup", "running", "failed", "cancelled", "ended")
MARKS_SHOWN = 100
LINKS_SHOWN = 40
CURVE_POINTS = 500
_HEIGHTS = ((24, 20), (60, 12), (120, 7))
_CANVAS_HEIGHT = 480


@dataclass(frozen=True, slots=True)
class Bar:
    """An attempt: its place and width in percent, its row, what became of it, and its words."""

    x: float
    width: float
    row: int
    kind: str
    title: str
    is_last_path: bool


@dataclass(frozen=True, slots=True)
class Link:
    """A failed attempt's end, and the start of the attempt that did its work."""

    x1: float
    row1: int
    x2: float
    row2: int


@dataclass(frozen=True, slots=True)
class Band:
    """A pass of a stage: its place and width in percent, and its name."""

    x: float
    width: float
    name: str


@dataclass(frozen=True, slots=True)
class Timeline:
    """All that is drawn. `cells` are the bars of a canvas: row, column, columns, kind, in turn.

    `path` is the last path to the end: the attempts that each waited for the one before.
    """

    axis: Axis
    rows: tuple[str, ...]
    row_height: int
    bars: tuple[Bar, ...]
    cells: tuple[int, ...]
    columns: int
    links: tuple[Link, ...]
    bands: tuple[Band, ...]
    marks: tuple[tuple[float, Mark], ...]
    more_marks: int
    busy: tuple[tuple[float, int], ...]
    most_busy: int
    kinds: tuple[tuple[str, int], ...]
    path: tuple[AttemptModel, ...]
    attempts: int

    @property
    def height(self) -> int:
        """The height of all rows in pixels."""
        return max(1, len(self.rows)) * self.row_height


def timeline(document: RunDocument) -> Timeline:
    """Return the timeline of a run."""
    model = document.model
    spans = [(each.started, each.started + lasted(each, model.now)) for each in model.attempts]
    scale = axis(document.began, model.now, spans)
    path = last_path(model)
    small = len(model.attempts) <= MOST_BARS
    rows = len(model.slots)
    columns = max(200, min(2_000, CANVAS_CELLS // max(1, rows)))
    busy = busy_slots(model)
    return Timeline(
        axis=scale,
        rows=_row_names(model),
        row_height=_row_height(rows),
        bars=_bars(model, scale, path) if small else (),
        cells=() if small else _cells(model, scale, columns),
        columns=columns,
        links=_links(model, scale),
        bands=_bands(model, scale),
        marks=tuple((scale.place(mark.at), mark) for mark in model.marks[:MARKS_SHOWN]),
        more_marks=max(0, len(model.marks) - MARKS_SHOWN),
        busy=_curve(busy, scale),
        most_busy=max((count for _, count in busy), default=0),
        kinds=_counted(model),
        path=tuple(path),
        attempts=len(model.attempts),
    )


def busy_slots(model: RunModel) -> list[tuple[float, int]]:
    """Return how many attempts ran, from each time at which that changed."""
    edges: Counter[float] = Counter()
    for attempt in model.attempts:
        edges[attempt.started] += 1
        edges[attempt.started + lasted(attempt, model.now)] -= 1
    found, running = [], 0
    for at in sorted(edges):
        running += edges[at]
        found.append((at, running))
    return found


def last_path(model: RunModel) -> list[AttemptModel]:
    """Return the attempts on the last path to the end, first to last.

    It ends with the attempt that ended last. Before each comes what it had to wait for: the attempt
    that ended last of those before it in the same slot, at the same task, or in another stage.
    """
    ended = [each for each in model.attempts if each.ended is not None]
    if not ended:
        return []
    groups: dict[object, list[tuple[float, int]]] = {}
    for place, attempt in enumerate(ended):
        for group in _waits_in(attempt):
            groups.setdefault(group, []).append((attempt.ended or 0.0, place))
    for members in groups.values():
        members.sort()
    stages = [group for group in groups if isinstance(group, tuple) and group[0] == "stage"]
    at = max(range(len(ended)), key=lambda place: ended[place].ended or 0.0)
    path = [at]
    while True:
        attempt = ended[at]
        slot, task, stage = _waits_in(attempt)
        before = [
            found
            for group in [slot, task, *(each for each in stages if each != stage)]
            if (found := _before(groups[group], attempt.started, at))
        ]
        if not before:
            return [ended[place] for place in reversed(path)]
        at = max(before)[1]
        path.append(at)


def _waits_in(attempt: AttemptModel) -> tuple[object, object, object]:
    stage = ("stage", attempt.step, attempt.stage)
    return ("slot", attempt.slot), ("task", *attempt_key(attempt)), stage


def _before(
    members: Sequence[tuple[float, int]], started: float, itself: int
) -> tuple[float, int] | None:
    """Return the member that ended last before a time; only one that began before `itself`."""
    place = bisect_right(members, (started, itself - 1))
    return members[place - 1] if place else None


def kind_of(attempt: AttemptModel) -> str:
    """Return how an attempt is drawn: its state, or that it was a backup that won."""
    return "backup" if attempt.state == "done" and attempt.backup else attempt.state


def _row_names(model: RunModel) -> tuple[str, ...]:
    """Return each row's endpoint, and the number of its slot where the endpoint has several."""
    slots = Counter(slot.endpoint for slot in model.slots)
    return tuple(
        shown(slot.endpoint, 40) + (f" · {slot.number + 1}" if slots[slot.endpoint] > 1 else "")
        for slot in model.slots
    )


def _row_height(rows: int) -> int:
    for most, height in _HEIGHTS:
        if rows <= most:
            return height
    return max(2, _CANVAS_HEIGHT // rows)


def _bars(model: RunModel, scale: Axis, path: Sequence[AttemptModel]) -> tuple[Bar, ...]:
    on_path = {id(each) for each in path}
    return tuple(
        Bar(
            x=scale.place(each.started),
            width=_width(each, model, scale),
            row=each.slot,
            kind=kind_of(each),
            title=_title(each, model),
            is_last_path=id(each) in on_path,
        )
        for each in model.attempts
    )


def _width(attempt: AttemptModel, model: RunModel, scale: Axis) -> float:
    end = attempt.started + lasted(attempt, model.now)
    return round(max(0.1, scale.place(end) - scale.place(attempt.started)), 2)


def _title(attempt: AttemptModel, model: RunModel) -> str:
    """Return e.g. `map-3, attempt 2 on mapper-1: failed after 1.2 s: WorkerDied`."""
    name = task_name(attempt.step, attempt.task)
    took = seconds_text(lasted(attempt, model.now))
    what = f"{took}" if attempt.state == "done" else f"{attempt.state} after {took}"
    read = f", {bytes_text(attempt.volumes.bytes_in)} read" if attempt.volumes.bytes_in else ""
    fault = f"; fault injected: {attempt.fault}" if attempt.fault else ""
    kind = f": {attempt.kind}" if attempt.kind else ""
    text = f"{name}, attempt {attempt.number} on {attempt.endpoint}: {what}{read}{kind}{fault}"
    return shown(text, LINE_LIMIT)


def _cells(model: RunModel, scale: Axis, columns: int) -> tuple[int, ...]:
    seen = dict.fromkeys(
        (
            attempt.slot,
            int(scale.place(attempt.started) * columns / 100),
            max(1, round(_width(attempt, model, scale) * columns / 100)),
            KINDS.index(kind_of(attempt)),
        )
        for attempt in model.attempts
    )
    return tuple(number for cell in seen for number in cell)


def _links(model: RunModel, scale: Axis) -> tuple[Link, ...]:
    found = []
    ordered = sorted(recovered(model), key=lambda each: -lasted(each[0], model.now))
    for before, after in ordered[:LINKS_SHOWN]:
        if after is not None and before.ended is not None:
            ends = scale.place(before.ended), scale.place(after.started)
            found.append(Link(ends[0], before.slot, ends[1], after.slot))
    return tuple(found)


def recovered(model: RunModel) -> list[tuple[AttemptModel, AttemptModel | None]]:
    """Return each attempt that failed or was cancelled, and the one that did its work.

    That is the next attempt at the task, or the one that had the result first; None without one.
    """
    by_task: dict[object, list[AttemptModel]] = {}
    for attempt in model.attempts:
        by_task.setdefault(attempt_key(attempt), []).append(attempt)
    found = []
    for attempt in model.attempts:
        if attempt.state not in ("failed", "cancelled"):
            continue
        others = by_task[attempt_key(attempt)]
        if attempt.state == "cancelled":
            after = next((each for each in others if each.state == "done"), None)
        else:
            later = (each for each in others if each.number > attempt.number)
            after = next(later, None)
        found.append((attempt, after))
    return found


def _bands(model: RunModel, scale: Axis) -> tuple[Band, ...]:
    found = []
    for stage in model.stages:
        start = scale.place(stage.started)
        end = scale.place(stage.ended if stage.ended is not None else model.now)
        name = task_name(stage.step, stage.stage) + (" again" if stage.again else "")
        found.append(Band(start, round(max(0.1, end - start), 2), name))
    return tuple(found)


def _curve(busy: Sequence[tuple[float, int]], scale: Axis) -> tuple[tuple[float, int], ...]:
    """Return the corners of the curve of busy slots; of very many, the greatest in a column."""
    if len(busy) <= CURVE_POINTS:
        return tuple((scale.place(at), count) for at, count in busy)
    found: dict[int, int] = {}
    for at, count in busy:
        column = int(scale.place(at) * CURVE_POINTS / 100)
        found[column] = max(found.get(column, 0), count)
    found[int(scale.place(busy[-1][0]) * CURVE_POINTS / 100)] = busy[-1][1]
    return tuple((column * 100 / CURVE_POINTS, count) for column, count in found.items())


def _counted(model: RunModel) -> tuple[tuple[str, int], ...]:
    counts = Counter(map(kind_of, model.attempts))
    return tuple((kind, counts[kind]) for kind in KINDS if counts[kind])
