"""The layout of the store: the only module that spells an object's key.

input/<sha256>/<name>                       a local input, uploaded once
chunks/<run>/chunk-0.txt                    chunk files (--split-mode copy)
chunks/<run>/boundaries-<digest>            the keys that separate the key ranges
maps/<0-f>/<run>/map-00000.attempt-0        one map attempt: R blocks in sequence, and their index
maps/0/<run>/outputs-<digest>.jsonl         the map outputs that the reduce tasks read
reduce/<run>/part-00000.attempt-0.jsonl     one reduce attempt
pairs/<run>/pairs-00000.attempt-0           its pairs with exact types (chains, Python)
pairs/states/<digest>                       merged states of some map outputs, for a later run
reduce/<run>/part-00000.jsonl, result.json  the committed result
reduce/<run>/_SUCCESS                       written last, when the ledger balances
runs/<run>/                                 plan.json, results.json, events.jsonl, report.json,
                                            ledger.json, failure.json, ended.json, services.log,
                                            report.html, the page for people,
                                            and dead-letters/00000.json: a record that was set aside
runs/<run>/events/00000.jsonl               while it goes: its events so far, in segments
runs/<run>/lease.json                       while it goes: renewed by its driver
runs/<run>/cancel                           asks its driver to end it
runs/<run>/epochs/0002.json                 the driver that goes on with a lost run, or the end of
                                            the run's epochs: what its last driver commits. The run
                                            of the second driver is <run>-epoch-2, and so on
runs/<run>/driver.log                       what a driver in the background prints
index/<run>/<summary>                       what `runs` shows of a run that is over, in the key
jobs/<sha256>/code.zip                      a job's code
packages/sets/<sha256>.json                 the wheels that a job's requirements resolved to
packages/wheels/<sha256>.whl                one of them, whichever jobs use it
packages/locks/<sha256>.json                the set of some requirements, platform and Python
tasks/<task key>.json                       a finished task, for a later run to reuse
forecasts/<digest>.json                     how the last runs of a job came out, for forecasts
schedules/<name>.json                       in AWS: what a schedule submits again and again
fleet/leases/<lease>                        in AWS: a run uses the fleet, which so stays
fleet/scaling.json                          in AWS: the numbers of tasks before a run changed them
"""

from __future__ import annotations

import re

INPUT, CHUNKS, MAPS, PAIRS, REDUCE = "input", "chunks", "maps", "pairs", "reduce"
RUNS, JOBS, TASKS, INDEX, FORECASTS = "runs", "jobs", "tasks", "index", "forecasts"
PACKAGES = "packages"
SCHEDULES = "schedules"
LEASES, SCALING = "fleet/leases", "fleet/scaling.json"
STEP = "-step-"
EPOCH = "-epoch-"
EPOCHS = "epochs"
BEGUN = "begun"
STATES = "states"
DEAD_LETTERS = "dead-letters"
EVENTS = "events"

MAP_FOLDERS = tuple("0123456789abcdef")
"""The folders of the map outputs. S3 serves 5,500 GETs a second from one prefix, and divides a busy
bucket by prefixes, so the outputs of one run are spread over several."""

_OF_RUNS = (CHUNKS, MAPS, PAIRS, REDUCE, RUNS, INDEX)
_RUN_FOLDERS = "|".join(
    (CHUNKS, rf"{MAPS}(?:/[{''.join(MAP_FOLDERS)}])?", PAIRS, REDUCE, RUNS, INDEX)
)
# earlier versions wrote the map outputs of a run to one folder. A store may be a whole bucket, in
# which a user has folders of the same names: the ids identify the keys that belong to a run
_OWN = re.compile(
    rf"({INPUT}|{JOBS})/[0-9a-f]{{64}}(/.*)?|{TASKS}/[0-9a-f]{{64}}\.json|"
    rf"{PACKAGES}/(sets|locks)/[0-9a-f]{{64}}\.json|{PACKAGES}/wheels/[0-9a-f]{{64}}\.whl|"
    rf"{FORECASTS}/[0-9a-f]{{32}}\.json|"
    rf"{PAIRS}/{STATES}/[0-9a-f]{{32}}|{LEASES}/[0-9a-z.-]+|{re.escape(SCALING)}|"
    rf"{SCHEDULES}/[A-Za-z0-9][A-Za-z0-9_.-]{{0,63}}\.json|"
    rf"({_RUN_FOLDERS})/run-[0-9]{{8}}-[0-9]{{6}}-[a-z0-9-]+(/.*)?",
    re.DOTALL,
)
_ATTEMPT = re.compile(r".*/(part|pairs|map)-[0-9]{5,}\.attempt-[^/]+", re.DOTALL)
_COMMITTED = re.compile(rf"{REDUCE}/(run-[a-z0-9-]+)/(result\.json|part-[0-9]{{5,}}\.jsonl)")


def is_own(key: str) -> bool:
    """Return whether a key below the store's root belongs to a run, or to one of its folders."""
    return _OWN.fullmatch(key) is not None


def run_of(key: str) -> str | None:
    """Return the run in whose folders a key below the store's root lies, or None."""
    first, second, third, *_ = [*key.split("/"), "", ""]
    if not is_own(key) or first not in _OF_RUNS or second == STATES:
        return None
    return third if first == MAPS and second in MAP_FOLDERS else second


def is_attempt(key: str) -> bool:
    """Return whether a key is that of an attempt's object, which no result is named by."""
    return _ATTEMPT.fullmatch(key) is not None


def run_of_result(key: str) -> str | None:
    """Return the run that committed the part with this key below the store's root, or None."""
    match = _COMMITTED.fullmatch(key)
    return match[1] if match else None


def run_of_results(key: str) -> str | None:
    """Return the run whose folder of results has this key below the store's root, or None."""
    folder, _, run = key.rpartition("/")
    return run if folder == REDUCE and is_own(key) else None


def join(store: str, *parts: str) -> str:
    """Return a URL below the store's root URL."""
    return "/".join([store.rstrip("/"), *parts])


def uploaded_input(store: str, sha256: str, name: str) -> str:
    """Return the URL of a local input's upload."""
    return join(store, INPUT, sha256, name)


def chunks(store: str, run: str) -> str:
    """Return the folder of a run's chunk files."""
    return join(store, CHUNKS, run)


def chunk(store: str, run: str, index: int) -> str:
    """Return the URL of a chunk file of copy mode."""
    return join(store, CHUNKS, run, f"chunk-{index}.txt")


def boundaries(store: str, run: str, digest: str) -> str:
    """Return the URL of the keys that separate a run's key ranges."""
    return join(store, CHUNKS, run, f"boundaries-{digest}")


def maps(store: str, run: str) -> list[str]:
    """Return the folders of a run's map outputs."""
    return [join(store, MAPS, folder, run) for folder in MAP_FOLDERS]


def map_attempt(store: str, run: str, index: int, attempt: str) -> str:
    """Return the URL of a map attempt's object; neighbours lie in different folders."""
    folder = MAP_FOLDERS[index % len(MAP_FOLDERS)]
    return join(store, MAPS, folder, run, f"map-{index:05d}.attempt-{attempt}")


def map_outputs(store: str, run: str, digest: str) -> str:
    """Return the URL of the list of map outputs that a run's reduce tasks read."""
    return join(store, MAPS, MAP_FOLDERS[0], run, f"outputs-{digest}.jsonl")


def part_attempt(store: str, run: str, index: int, attempt: str, ending: str) -> str:
    """Return the URL of a part as one attempt writes it."""
    return join(store, REDUCE, run, f"part-{index:05d}.attempt-{attempt}.{ending}")


def pairs_attempt(store: str, run: str, index: int, attempt: str) -> str:
    """Return the URL of a part's pairs for the next step of a chain, as one attempt writes them."""
    return join(store, PAIRS, run, f"pairs-{index:05d}.attempt-{attempt}")


def pairs(store: str, run: str) -> str:
    """Return the folder of a run's pairs for the next step."""
    return join(store, PAIRS, run)


def kept_state(store: str, key: str) -> str:
    """Return the URL of the merged states of some map outputs."""
    return join(store, PAIRS, STATES, key)


def step(run: str, number: int) -> str:
    """Return the run id of a chain's step; the first step is number 1."""
    return f"{run}{STEP}{number}"


def epoch(run: str, number: int) -> str:
    """Return the run id under which the driver of an epoch carries a run out; the first is 1."""
    return run if number == 1 else f"{run}{EPOCH}{number}"


def epoch_slot(store: str, run: str, number: int) -> str:
    """Return the URL of the object by which a driver takes an epoch of a run, from number 2."""
    return join(store, RUNS, run, EPOCHS, f"{number:04d}.json")


def result(store: str, run: str, index: int, *, whole: bool) -> str:
    """Return the URL of a committed part, or of the whole result."""
    return join(store, REDUCE, run, "result.json" if whole else f"part-{index:05d}.jsonl")


def success(store: str, run: str) -> str:
    """Return the URL of the object that marks a run's result as complete."""
    return join(store, REDUCE, run, "_SUCCESS")


def results(store: str, run: str) -> str:
    """Return the folder of a run's results."""
    return join(store, REDUCE, run)


def runs(store: str) -> str:
    """Return the folder of all runs."""
    return join(store, RUNS)


def is_part_of(run: str, whole: str) -> bool:
    """Return whether a run is another one, or a step or an epoch of it."""
    return run == whole or run.startswith((f"{whole}{STEP}", f"{whole}{EPOCH}"))


def run_file(store: str, run: str, name: str) -> str:
    """Return the URL of one of the files that the driver keeps about a run."""
    return join(store, RUNS, run, name)


def segments(store: str, run: str) -> str:
    """Return the URL of the folder with the segments of a run's events."""
    return run_file(store, run, EVENTS)


def segment(store: str, run: str, number: int) -> str:
    """Return the URL of one of the segments of a run's events, from number 0."""
    return join(segments(store, run), f"{number:05d}.jsonl")


def run_lease(store: str, run: str) -> str:
    """Return the URL of the lease of the driver that carries a run out."""
    return run_file(store, run, "lease.json")


def cancel(store: str, run: str) -> str:
    """Return the URL of the object that asks a run's driver to end it."""
    return run_file(store, run, "cancel")


def index(store: str) -> str:
    """Return the folder of the index of runs."""
    return join(store, INDEX)


def indexed(store: str, run: str, summary: str) -> str:
    """Return the URL of a run's entry in the index; `summary` may be "", for its folder."""
    return join(store, INDEX, run, summary).rstrip("/")


def code(store: str, digest: str) -> str:
    """Return the URL of a job's packed code."""
    return join(store, JOBS, digest, "code.zip")


def package_set(store: str, digest: str) -> str:
    """Return the URL of a set of packages, which names its wheels."""
    return join(store, PACKAGES, "sets", f"{digest}.json")


def wheel(store: str, sha256: str) -> str:
    """Return the URL of a wheel."""
    return join(store, PACKAGES, "wheels", f"{sha256}.whl")


def package_lock(store: str, digest: str) -> str:
    """Return the URL of what some requirements were resolved to."""
    return join(store, PACKAGES, "locks", f"{digest}.json")


def task(store: str, key: str) -> str:
    """Return the URL of a finished task's result, under its content-addressed key."""
    return join(store, TASKS, f"{key}.json")


def forecasts(store: str, digest: str) -> str:
    """Return the URL of the last runs of a job, as forecasts use them."""
    return join(store, FORECASTS, f"{digest}.json")


def schedule(store: str, name: str) -> str:
    """Return the URL of what a schedule submits."""
    return join(store, SCHEDULES, f"{name}.json")


def lease(name: str) -> str:
    """Return the key, below the store's root, of the lease of a run that uses the fleet."""
    return f"{LEASES}/{name}"


def dead_letter(task: int, number: int) -> str:
    """Return the file name of a record that a map task has set aside, below its run."""
    return f"{DEAD_LETTERS}/map-{task:05d}-{number:05d}.json"
