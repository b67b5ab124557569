"""Judge a run: its answer against the run without faults, its ledger, its messages, and what it
left.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from driver.history.audit import audit_run
from driver.history.run_store import RunStore
from mapreduce.storage import open_storage
from tests.faults.fault import Fault
from tests.faults.trial import Command, Trial

Verdict = Literal["survived", "failed loudly", "wrong answer", "failed badly"]
_JOBS_TRACEBACK = "Traceback of the job's code"
_ANY_TRACEBACK = "Traceback (most recent call last)"


@dataclass(frozen=True, slots=True)
class Judgement:
    """The verdict on a trial.

    Attributes:
        verdict: "failed badly" is an error without its cause, or a success without its mark.
        complaints: the differences from the expected outcome.
        leaked: processes that still ran.
        leftovers: temporary files that were left.
    """

    verdict: Verdict
    complaints: tuple[str, ...]
    leaked: tuple[str, ...]
    leftovers: tuple[str, ...]


def judge(fault: Fault, trial: Trial, answer: Sequence[bytes]) -> Judgement:
    """Judge a trial after all commands have ended.

    Args:
        fault: the fault that was injected.
        trial: the trial.
        answer: the parts of the result without faults.
    """
    leaked = tuple(str(process) for process in trial.driver.wait_until_none_is_left())
    verdicts = [
        _of(command, fault, trial, answer)
        for command in trial.commands
        if not (command.killed or command.another)
    ]
    order: list[Verdict] = ["wrong answer", "failed badly", "failed loudly", "survived"]
    worst = min((verdict for verdict, _ in verdicts), key=order.index)
    complaints = [complaint for _, found in verdicts for complaint in found]
    if worst in ("survived", "failed loudly") and fault.expected not in (
        _AS_EXPECTED[worst],
        "either",
    ):
        complaints.append(f"it {worst}, and was expected otherwise")
    return Judgement(worst, tuple(complaints), leaked, tuple(_leftovers(trial)))


_AS_EXPECTED = {"survived": "survives", "failed loudly": "fails loudly"}


def _of(
    command: Command, fault: Fault, trial: Trial, answer: Sequence[bytes]
) -> tuple[Verdict, list[str]]:
    if command.process.returncode == 0:
        return _success(command, fault, trial, answer)
    return _failure(command, fault, trial)


def _success(
    command: Command, fault: Fault, trial: Trial, answer: Sequence[bytes]
) -> tuple[Verdict, list[str]]:
    storage = open_storage()
    runs = RunStore(storage, trial.store_url)
    document = json.loads(command.out.read_bytes())
    if not fault.is_right([storage.read(url) for url in document["result_urls"]], answer):
        return "wrong answer", ["the parts are not those of the quiet run"]
    ledger = audit_run(document["run_id"], runs)
    if ledger.balanced and command.spoilt:
        return "wrong answer", ["the audit does not find what was changed after the run"]
    if not ledger.balanced and not command.spoilt:
        return "wrong answer", [f"the audit finds: {ledger.discrepancies}"]
    seen = json.dumps(document.get("recoveries", ()))
    if fault.shows and not re.search(fault.shows, seen):
        return "survived", [f"the report does not show it: {seen[:500]}"]
    return "survived", []


def _failure(command: Command, fault: Fault, trial: Trial) -> tuple[Verdict, list[str]]:
    runs = RunStore(open_storage(), trial.store_url)
    said = command.err.read_text(errors="replace")
    last = " | ".join(line for line in said.splitlines()[-6:])
    if all(each.process.returncode for each in trial.commands) and any(
        runs.state(run) == "done" for run in runs.runs()
    ):
        return "wrong answer", ["it failed, and yet there is a _SUCCESS"]
    if _ANY_TRACEBACK in said.replace(_JOBS_TRACEBACK, ""):
        return "failed badly", [f"a traceback instead of a sentence: {last}"]
    if command.process.returncode < 0:
        return "failed badly", [
            f"the command ended by signal {-command.process.returncode}, or hung: {last}"
        ]
    if not re.search(fault.message, said.replace("\n", " ")):
        return "failed badly", [f"exit {command.process.returncode} without the cause: {last}"]
    return "failed loudly", []


def _leftovers(trial: Trial) -> Iterator[str]:
    """Return the temporary files: everything in TMPDIR, and unfinished writes to the store.

    An empty folder does not count: a driver may be killed between creating it and the next step.
    """
    temporary = [
        path for path in trial.temporary.rglob("*") if path.is_file() and path.stat().st_size
    ]
    for path in [*temporary, *trial.folder.rglob("*.unfinished")]:
        yield str(path.relative_to(trial.folder))
