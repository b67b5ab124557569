"""The names of runs: an id that sorts by time and that people can say, of steps, and of epochs."""

from __future__ import annotations

import random
import re
import time
from collections import defaultdict
from collections.abc import Iterable, Mapping

from mapreduce.wire import keys

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
_EPOCH_NAME = re.compile(rf"(.+?){keys.EPOCH}([1-9]\d{{0,3}})", re.ASCII)
_STEP_NAME = re.compile(rf"(.+){keys.STEP}([1-9]\d{{0,8}})", re.ASCII)


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


def chain_of(run: str) -> str | None:
    """Return the chain of which a run is a step; None for other runs."""
    step = _STEP_NAME.fullmatch(run)
    return step[1] if step else None


def epoch_of(run: str) -> tuple[str, int]:
    """Return the id of a run's first epoch, and the number of the epoch that this id names."""
    epoch = _EPOCH_NAME.fullmatch(run)
    return (epoch[1], int(epoch[2])) if epoch else (run, 1)


def whole_of(run: str) -> str:
    """Return the id of the first epoch of a run, or of the chain of which this is a step."""
    return epoch_of(chain_of(run) or run)[0]


def newest_epochs(names: Iterable[str]) -> dict[str, str]:
    """Return the newest epoch among the names of runs, by the id of the run's first epoch.

    Steps are left out: each belongs to one epoch of its chain.
    """
    newest: dict[str, int] = {}
    for name in names:
        if not chain_of(name):
            first, number = epoch_of(name)
            newest[first] = max(number, newest.get(first, 0))
    return {first: keys.epoch(first, number) for first, number in newest.items()}


def is_superseded(name: str, newest: Mapping[str, str]) -> bool:
    """Return whether a later epoch goes on with a run, or with the chain of a step."""
    whole = chain_of(name) or name
    return newest.get(epoch_of(whole)[0], whole) != whole


def is_run_name(name: str) -> bool:
    """Return whether a folder's name can be that of a run."""
    return _RUN_NAME.fullmatch(name) is not None


def is_stamped(name: str) -> bool:
    """Return whether a name begins with the time of its plan, as those of `new_run_id` do."""
    return _STAMPED.fullmatch(name) is not None


def second_of(name: str) -> str:
    """Return the part of a stamped name that says the second of its plan."""
    return name[: len(_STAMP)]
