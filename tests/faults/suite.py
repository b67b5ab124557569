"""Run the trials: first without faults in each setting, then rounds of faults in parallel."""

from __future__ import annotations

import json
import random
import shutil
import threading
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from bench.zipf import write_text
from mapreduce.storage import open_storage
from tests.faults.fault import Fault, Missed, Setting, Skipped, quiet_of
from tests.faults.judge import Verdict, judge
from tests.faults.trial import Trial

TEXT_BYTES = 200_000
POISON_LINES = (37, 1501, 2999)
TRIES = 4
BUCKET = "faults"


@dataclass(frozen=True, slots=True)
class Quiet:
    """A run without a fault: the parts of its result, and its duration."""

    answer: tuple[bytes, ...]
    seconds: float


@dataclass(frozen=True, slots=True)
class Row:
    """One trial's row of the report; `verdict` may say why there was no trial."""

    fault: str
    round: int
    verdict: Verdict | Literal["never injected", "skipped", "broken"]
    injections: tuple[str, ...]
    seconds: float
    quiet_s: float
    complaints: tuple[str, ...] = ()
    leaked: tuple[str, ...] = ()
    leftovers: tuple[str, ...] = ()

    @property
    def is_good(self) -> bool:
        """Return whether there is no complaint."""
        return not (self.complaints or self.leaked or self.leftovers)


class Suite:
    """All trials of one command.

    Args:
        folder: the folder of all files.
        seed: chooses the moments of the faults, as far as the machine allows it.
        s3: the S3 emulator's address, if there is one.
        keep: whether folders of good trials are kept.
    """

    def __init__(self, folder: Path, seed: int, s3: str, *, keep: bool = False) -> None:
        self._keep = keep
        self._folder = folder
        self._seed = seed
        self._s3 = s3
        self._quiet: dict[Setting, Quiet] = {}
        self._guard = threading.Lock()
        self._texts = {name: folder / f"{name}.txt" for name in ("plain", "poison")}
        _write_texts(self._texts)

    def run(
        self, faults: Sequence[type[Fault]], rounds: int, jobs: int, told: Callable[[Row], None]
    ) -> None:
        """Run every fault in every round; report each row as it comes."""
        with ThreadPoolExecutor(jobs) as pool:
            wanted = {quiet_of(kind) for kind in faults if rounds and self._can(kind)}
            self._quiet |= dict(zip(wanted, pool.map(self._quiet_run, wanted), strict=True))

            for _ in pool.map(lambda pair: told(self._round(*pair)), _rounds(faults, rounds)):
                pass

    def _can(self, kind: type[Fault]) -> bool:
        return bool(self._s3) or not kind.setting.s3

    def _quiet_run(self, setting: Setting) -> Quiet:
        trial = self._trial(setting, random.Random(0))
        started = time.monotonic()
        command = trial.start()
        command.wait()
        seconds = time.monotonic() - started
        if command.process.returncode:
            raise RuntimeError(
                f"the quiet run of {setting} failed:\n{command.err.read_text()[-3000:]}"
            )
        urls = json.loads(command.out.read_bytes())["result_urls"]
        quiet = Quiet(tuple(open_storage().read(url) for url in urls), seconds)
        self._remove(trial)
        return quiet

    def _round(self, number: int, kind: type[Fault]) -> Row:
        """Run one trial; repeat it if its moment did not come."""
        if not self._can(kind):
            return _without(
                kind, number, "skipped", "there is no S3 emulator; run: make .venv/emulator"
            )
        row = None
        for attempt in range(TRIES):
            try:
                row = self._carry_out(
                    kind, number, random.Random(f"{self._seed}/{kind.name}/{number}/{attempt}")
                )
            except Skipped as exc:
                return _without(kind, number, "skipped", str(exc))
            except Exception as exc:  # noqa: BLE001 - an error in one trial must not end the others
                return _without(kind, number, "broken", f"{type(exc).__name__}: {exc}")
            if row.injections or not row.is_good:
                return row
        assert row is not None
        return _without(kind, number, "never injected", f"not once in {TRIES} runs")

    def _carry_out(self, kind: type[Fault], number: int, chance: random.Random) -> Row:
        fault, quiet = kind(), self._quiet[quiet_of(kind)]
        trial = self._trial(kind.setting, chance)
        try:
            fault.prepare(trial)
            started = time.monotonic()
            trial.start()
            with suppress(Missed):
                fault.inject(trial)
            trial.wait()
            seconds = time.monotonic() - started
            fault.finish(trial)
            judgement = judge(fault, trial, quiet.answer)
            row = Row(
                kind.name,
                number,
                judgement.verdict,
                tuple(trial.injections),
                seconds,
                quiet.seconds,
                judgement.complaints,
                judgement.leaked,
                judgement.leftovers,
            )
        finally:
            self._end(trial)
            fault.finish(trial)
        if row.is_good and not self._keep:
            self._remove(trial)
        return row

    def _trial(self, setting: Setting, chance: random.Random) -> Trial:
        folder = self._folder / f"trial-{uuid.uuid4().hex[:8]}"
        (folder / "tmp").mkdir(parents=True)
        text = folder / "text.txt"
        shutil.copyfile(self._texts[setting.text], text)
        store = f"s3://{BUCKET}/{folder.name}" if setting.s3 else str(folder / "store")
        trial = Trial(
            folder, uuid.uuid4().hex, setting, text, store, chance, self._s3 if setting.s3 else ""
        )
        if setting.s3:
            open_storage().write(trial.input, text)
        return trial

    def _end(self, trial: Trial) -> None:
        """Kill the processes that still run; leaks are counted already."""
        for process in trial.driver.processes():
            process.kill()
        trial.wait()

    def _remove(self, trial: Trial) -> None:
        shutil.rmtree(trial.folder, ignore_errors=True)


def _rounds(faults: Iterable[type[Fault]], rounds: int) -> Iterator[tuple[int, type[Fault]]]:
    kinds = list(faults)
    for number in range(rounds):
        for kind in kinds:
            yield number, kind


def _without(
    kind: type[Fault],
    number: int,
    verdict: Literal["never injected", "skipped", "broken"],
    why: str,
) -> Row:
    return Row(kind.name, number, verdict, (), 0.0, 0.0, (why,))


def _write_texts(texts: dict[str, Path]) -> None:
    write_text(texts["plain"], TEXT_BYTES, seed=7)
    lines = texts["plain"].read_text().splitlines(keepends=True)
    for number in POISON_LINES:
        lines[number] = f"poison {lines[number]}"
    texts["poison"].write_text("".join(lines))
