"""Why map tasks are not reused: which part of their keys differs from the nearest earlier run.

The parts are those from which `driver.plan.tasks` makes the keys. Pure.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

from driver.forecast.document import Difference, KeyPart
from driver.plan.tasks import RunPlan, map_identity, pieces_identity
from driver.text import plural, shown
from mapreduce.wire.messages import InputObject, Split, StoredObject

NAMES_SHOWN = 3


def nearest(plan: RunPlan, earlier: Iterable[RunPlan]) -> RunPlan | None:
    """Return the earlier run of the same job that shares the most inputs; of several, the last.

    Args:
        plan: the run.
        earlier: plans of other runs, in any order.
    """
    inputs = {given.url for given in plan.inputs}
    alike = [
        each
        for each in earlier
        if (each.job.module, each.job.file, each.job.name)
        == (plan.job.module, plan.job.file, plan.job.name)
        and not each.chain
    ]
    return max(
        alike,
        key=lambda each: (len(inputs & {given.url for given in each.inputs}), each.created),
        default=None,
    )


def differences(
    plan: RunPlan,
    new: Sequence[Split],
    before: RunPlan,
    splits_before: Sequence[Split],
    boundaries: tuple[StoredObject | None, StoredObject | None] = (None, None),
) -> tuple[Difference, ...]:
    """Return why map tasks are new, the most frequent part first.

    Args:
        plan: the run.
        new: the splits of its map tasks that are not reused.
        before: the nearest earlier run.
        splits_before: its splits.
        boundaries: the keys that separate the key ranges, of this run and of the earlier one.
    """
    if not new:
        return ()
    common = _common(plan, before, boundaries)
    if common is not None:
        part, detail = common
        return (Difference(part=part, tasks=len(new), detail=detail),)
    known = {given.url: given for given in before.inputs}
    kept = {_identity(split) for split in splits_before}
    found: defaultdict[KeyPart, list[str]] = defaultdict(list)
    counts: defaultdict[KeyPart, int] = defaultdict(int)
    for split in new:
        part, url = _of_split(split, known, kept)
        counts[part] += 1
        if url not in found[part]:
            found[part].append(url)
    ordered = sorted(counts, key=lambda part: -counts[part])
    return tuple(
        Difference(part=part, tasks=counts[part], detail=_detail(part, found[part], known))
        for part in ordered
    )


def _common(
    plan: RunPlan,
    before: RunPlan,
    boundaries: tuple[StoredObject | None, StoredObject | None],
) -> tuple[KeyPart, str] | None:
    """Return the first part that differs for all map tasks, and how; None when none does."""
    now, then = (
        map_identity(each, bounds) for each, bounds in zip((plan, before), boundaries, strict=True)
    )
    if now["build"] != then["build"]:
        return "build", _build(now["build"], then["build"])
    if now["job"]["packages"] != then["job"]["packages"]:
        return "packages", f"the packages of {plan.job.name} are others (requirements)"
    if _without(now["job"], "parameters") != _without(then["job"], "parameters"):
        return "code", f"the code of {plan.job.name} that its map tasks run has changed"
    if now["job"]["parameters"] != then["job"]["parameters"]:
        return "parameters", _parameters(now["job"]["parameters"], then["job"]["parameters"])
    held = [each.get("broadcast") or "nothing" for each in (now, then)]
    if held[0] != held[1]:
        return "partitions", f"broadcast of {held[0]}, and of {held[1]} before (--broadcast)"
    if now["partitions"] != then["partitions"]:
        return "partitions", f"--reducers {now['partitions']}, and {then['partitions']} before"
    if now["boundaries"] != then["boundaries"]:
        return "key ranges", "the keys that separate the parts are others (--sort)"
    if now["keep_pairs"] != then["keep_pairs"]:
        return "parameters", "a run from Python keeps the result's pairs with their exact types too"
    if now["top"] != then["top"]:
        return "parameters", f"--top {now['top']}, and {then['top']} before"
    return None


def _of_split(
    split: Split, known: Mapping[str, InputObject], kept: set[str]
) -> tuple[KeyPart, str]:
    """Return the part of a split's identity that differs, and the object that shows it."""
    for piece in split.pieces:
        given = known.get(piece.source)
        if given is None or (not piece.digest and given.etag != piece.etag):
            return "input", piece.source
    for piece in split.pieces:
        given = known[piece.source]
        if given.format != piece.format or given.name != piece.name:
            return "format", piece.source
    first = split.pieces[0].source if split.pieces else ""
    return "kept" if _identity(split) in kept else "cut", first


def _identity(split: Split) -> str:
    return repr(pieces_identity(split))


def _detail(part: KeyPart, urls: Sequence[str], known: Mapping[str, InputObject]) -> str:
    names = ", ".join(shown(url.rpartition("/")[2], 40) for url in urls[:NAMES_SHOWN])
    more = f" and {len(urls) - NAMES_SHOWN} more" if len(urls) > NAMES_SHOWN else ""
    if part == "input":
        fresh = sum(url not in known for url in urls)
        words = [f"{plural(fresh, 'file')} new"] if fresh else []
        words += [f"{plural(len(urls) - fresh, 'file')} changed"] if len(urls) > fresh else []
        return f"{', '.join(words)}: {names}{more}"
    if part == "cut":
        return f"the splits are cut in another way (--chunk-size, --chunks): {names}{more}"
    if part == "format":
        return f"the format or the input's name is another: {names}{more}"
    return f"the results are no longer there, or were not kept: {names}{more}"


def _without(values: Mapping[str, object], name: str) -> dict[str, object]:
    return {key: value for key, value in values.items() if key != name}


def _parameters(now: Mapping[str, object], then: Mapping[str, object]) -> str:
    names = sorted(name for name in {*now, *then} if now.get(name) != then.get(name))
    pairs = (
        f"{name}={shown(now.get(name), 40)} (was {shown(then.get(name), 40)})" for name in names
    )
    return f"--param {', '.join(pairs)}"


def _build(now: Mapping[str, object], then: Mapping[str, object]) -> str:
    names = sorted(name for name in {*now, *then} if now.get(name) != then.get(name))
    return f"another build of this program or its environment: {', '.join(names)}"
