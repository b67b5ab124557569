"""Run the trials in turns, and record each result."""

from __future__ import annotations

import datetime
import hashlib
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

from bench.measure import LAST_WORDS, ROOT, measured, read_whole, size_of
from bench.results import Record, Results
from bench.trial import Place, Trial

MEASURED_CODE = (
    "mapreduce",
    "services",
    "driver",
    "mapreduce_jobs",
    "bench/jobs",
    "bench/peers",
    "bench/native",
)
ENOUGH_S = 20.0
"""A trial that has taken so long is not repeated: the longer a run, the steadier its time."""


@dataclass(frozen=True, slots=True)
class Runner:
    """Runs trials. `say` reports progress; `code` is the digest of the measured code."""

    peers: Path
    build: Path
    results: Results
    code: str
    say: Callable[[str], None]

    def run_trials(self, trials: Sequence[Trial], repeats: int) -> None:
        """Run the contenders in turns, A B C A B C, so that a disturbance of the machine affects
        all; a trial is not repeated once its runs have taken `ENOUGH_S`.
        """
        given_up: set[Trial] = set()
        for repeat in range(repeats):
            for trial in trials:
                record = empty_record(trial, repeat, self.code)
                if (
                    trial in given_up
                    or repeat >= trial.most_repeats
                    or self.results.done(record.key)
                    or 0.0 < self.results.spent_s(record.key) >= ENOUGH_S
                ):
                    continue
                record = self._tried(trial, record)
                self.results.add(record)
                self.say(_line(trial, record))
                if record.status != "ok":
                    given_up.add(trial)

    def _tried(self, trial: Trial, record: Record) -> Record:
        missing = [why for need in trial.needs if (why := reason_missing(need, self.peers))]
        if missing:
            return replace(record, status="missing", why="; ".join(missing))
        corpus = trial.corpus.made_in(self.build / "corpora")
        scratch = Path(tempfile.mkdtemp(prefix="scratch-", dir=self.build))
        try:
            return self._measured(trial, record, Place(self.peers, self.build, corpus, scratch))
        except Exception as exc:  # noqa: BLE001  # a contender's error must not stop the others
            return replace(record, status="failed", why=f"{type(exc).__name__}: {exc}"[:LAST_WORDS])
        finally:
            shutil.rmtree(scratch, ignore_errors=True)

    def _measured(self, trial: Trial, record: Record, place: Place) -> Record:
        command = trial.command(place)
        with trial.world(place) as environment:
            read_whole(place.corpus)
            took = measured(command, place.scratch, environment)
        record = replace(
            record,
            size_bytes=size_of(place.corpus),
            wall_s=took.wall_s,
            cpu_s=took.cpu_s,
            peak_bytes=took.peak_bytes,
        )
        if took.exit_code:
            return replace(
                record,
                status="failed",
                why=f"exit code {took.exit_code}: {took.last_words.strip()}",
            )
        judged = trial.judge(place, took.stdout)
        return replace(
            record,
            status="wrong" if judged.wrong else "ok",
            why=judged.wrong,
            figures=judged.figures,
        )


def empty_record(trial: Trial, repeat: int, code: str) -> Record:
    """Return the record of a measurement before it is made."""
    return Record(
        case=trial.case,
        contender=trial.contender,
        variant=trial.variant,
        corpus=trial.corpus.name,
        repeat=repeat,
        code=code,
        status="ok",
        at=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
    )


@cache
def reason_missing(need: str, peers: Path) -> str:
    """Return why a contender cannot run here, or ""."""
    kind, _, module = need.partition(":")
    if kind == "file":
        return "" if (ROOT / module).exists() else f"{module} is not there"
    if kind != "module":
        return "" if shutil.which(need) else f"{need} is not installed"
    if not peers.exists():
        return (
            f"there is no environment of the peers ({peers.name} not found); run: make .venv/bench"
        )
    done = subprocess.run(
        [peers, "-c", f"import {module}"], capture_output=True, text=True, check=False
    )
    words = done.stderr.strip().splitlines()
    return (
        f"it cannot be run here: {words[-1] if words else 'import fails'}"
        if done.returncode
        else ""
    )


def digest_of_code() -> str:
    """Return the digest of all measured code; measurements of another state of it do not count."""
    hashed = hashlib.sha256()
    files = [
        path
        for folder in MEASURED_CODE
        for path in (ROOT / folder).rglob("*")
        if path.suffix in (".py", ".sh", ".c", ".h")
    ]
    for path in [
        *sorted(files),
        ROOT / "requirements" / "bench.txt",
        ROOT / "requirements" / "dev.txt",
    ]:
        hashed.update(
            path.relative_to(ROOT).as_posix().encode() + b"\0" + path.read_bytes() + b"\0"
        )
    return hashed.hexdigest()[:16]


def _line(trial: Trial, record: Record) -> str:
    name = " ".join(filter(None, (record.case, record.contender, record.variant)))
    if record.status == "ok":
        return f"{name}: {record.wall_s:.2f} s, {record.size_bytes / 1e6 / record.wall_s:.1f} MB/s"
    return f"{name}: {'!' * 5} {record.status.upper()}: {record.why}"
