"""Objects of an earlier run: they rot, their program changes, or they are lost and written anew
with other content.
"""

from __future__ import annotations

import json
import shutil
import threading
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import ClassVar

from mapreduce.storage import open_storage
from mapreduce.wire import keys
from tests.faults.fault import Fault, Missed, Setting, register
from tests.faults.kinds.objects import rot
from tests.faults.trial import MAPS, REDUCES, Command, Trial
from tests.integration.commands import ROOT

TASKS = 1 + MAPS + REDUCES


def _parts(trial: Trial) -> list[Path]:
    """Return the parts as the reduce tasks wrote them, not the committed copies."""
    return sorted((Path(trial.store) / keys.REDUCE).glob("*/part-*.attempt-*"))


def _outputs(trial: Trial) -> list[Path]:
    return sorted((Path(trial.store) / keys.MAPS).glob("*/*/map-*.attempt-*"))


def _reused(trial: Trial) -> int:
    return int(json.loads(trial.commands[-1].out.read_bytes())["reused_tasks"])


def _answer(command: Command) -> list[bytes]:
    urls = json.loads(command.out.read_bytes())["result_urls"]
    return [open_storage().read(url) for url in urls]


class _Reused(Fault):
    """A run ends, its objects are damaged, and the same command runs again."""

    reuses: ClassVar[int]

    def inject(self, trial: Trial) -> None:
        """Damage the objects between two runs."""
        first = trial.finish_run()
        self.spoil(trial)
        first.spoilt = True
        trial.start()

    def spoil(self, trial: Trial) -> None:
        """Damage the objects."""

    def finish(self, trial: Trial) -> None:
        """Check that the undamaged objects are reused."""
        if len(trial.commands) > 1 and trial.commands[-1].process.returncode == 0:
            assert _reused(trial) == self.reuses, (
                f"{_reused(trial)} tasks were reused, not {self.reuses}"
            )


@register
class PartRottenAndReused(_Reused):
    name = "part-rotten-reused"
    says = (
        "a byte of a finished run's part is changed, its times put back, "
        "and the same command given again"
    )
    reuses = TASKS - 1

    def spoil(self, trial: Trial) -> None:
        """Change one byte of a part."""
        path = trial.chance.choice(_parts(trial))
        rot(path, trial)
        trial.injected(f"changed a byte of {path.name}")


@register
class OutputRottenAndReused(_Reused):
    name = "map-output-rotten-reused"
    says = (
        "a byte of a finished run's map output is changed, a part is deleted, and the same "
        "command given again"
    )
    reuses = TASKS - 2

    def spoil(self, trial: Trial) -> None:
        """Change one byte of an output, and a part, so that the output is read again."""
        path, part = trial.chance.choice(_outputs(trial)), trial.chance.choice(_parts(trial))
        rot(path, trial)
        part.unlink()
        trial.injected(f"changed a byte of {path.name}, deleted {part.name}")


@register
class OutputChangedForEver(Fault):
    name = "output-changed-for-ever"
    says = "another program changes bytes of every part as soon as it is there, again and again"
    expected = "fails loudly"
    message = r"error: .*(gone or changed|changed before its commit)"

    def __init__(self) -> None:
        self._over = threading.Event()
        self._changer: threading.Thread | None = None

    def prepare(self, trial: Trial) -> None:
        """Start the other program."""
        self._changer = threading.Thread(target=self._change, args=(trial,))
        self._changer.start()

    def _change(self, trial: Trial) -> None:
        folder = Path(trial.store) / keys.REDUCE
        changed: Counter[Path] = Counter()
        while not self._over.wait(0.001):
            for path in folder.glob("*/part-*.attempt-*"):
                with suppress(FileNotFoundError), path.open("r+b") as file:
                    file.write(b"%d" % (changed[path] % 10))
                    changed[path] += 1
        for path, times in changed.items():
            trial.injected(f"changed {path.name} {times} times")

    def inject(self, trial: Trial) -> None:
        """Let it run until the run has ended."""
        trial.commands[-1].wait()
        self._stop()

    def finish(self, trial: Trial) -> None:
        """End the other program."""
        self._stop()

    def _stop(self) -> None:
        self._over.set()
        if self._changer is not None:
            self._changer.join()
            self._changer = None


HELPER = "def keep(word: str) -> bool:\n    return {condition}\n"
HELPED = """
from collections.abc import Iterable, Iterator

from helper import keep
from mapreduce import Job, words


class Paced(Job):
    def map(self, offset: int, line: str) -> Iterator[tuple[str, int]]:
        for word in words(line):
            if keep(word):
                yield word, 1

    def reduce(self, word: str, counts: Iterable[int]) -> Iterator[tuple[str, int]]:
        yield word, sum(counts)
"""


class _AnotherProgram(Fault):
    """The store of a run of another program serves a run of this one, which must reuse nothing."""

    def inject(self, trial: Trial) -> None:
        """Run both; the second run must carry out all maps and reduces."""
        first = trial.finish_run()
        first.another = True
        self.change(trial)
        trial.start()

    def change(self, trial: Trial) -> None:
        """Change the other program to this one."""

    def finish(self, trial: Trial) -> None:
        """Check that the answers differ, and that the second run reused no task."""
        if len(trial.commands) > 1 and all(
            command.process.returncode == 0 for command in trial.commands
        ):
            answers = [_answer(command) for command in trial.commands]
            assert answers[0] != answers[1], (
                "both programs have the same answer, so that nothing is tested"
            )
            assert _reused(trial) <= 1, f"{_reused(trial)} tasks of another program were reused"


@register
class HelperChanged(_AnotherProgram):
    name = "helper-changed"
    says = "a module that the job imports is changed after a run, and the same command given again"

    def prepare(self, trial: Trial) -> None:
        """Write a job for this trial, with a helper that leaves some words out."""
        folder = trial.folder / "code"
        folder.mkdir()
        trial.jobs = folder / "helped.py"
        trial.jobs.write_text(HELPED)
        (folder / "helper.py").write_text(
            HELPER.format(condition=f"len(word) != {trial.chance.randint(2, 4)}")
        )

    def change(self, trial: Trial) -> None:
        """Change the helper, so that it leaves out no words."""
        (trial.folder / "code" / "helper.py").write_text(HELPER.format(condition="True"))
        trial.injected("the helper is another")


@register
class EngineChanged(_AnotherProgram):
    name = "engine-changed"
    says = "a store holds the tasks of another build of the engine, one line of which is different"

    def prepare(self, trial: Trial) -> None:
        """Use another build with other words in the first run."""
        folder = trial.folder / "engine"
        for name in ("mapreduce", "driver", "services"):
            shutil.copytree(
                ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__")
            )
        path = folder / "mapreduce" / "words.py"
        before = path.read_text()
        after = before.replace('r"[a-z\']+"', 'r"[a-y\']+"')
        assert before != after
        path.write_text(after)
        trial.environment["PYTHONPATH"] = str(folder)

    def change(self, trial: Trial) -> None:
        """Use this build in the second run."""
        del trial.environment["PYTHONPATH"]
        trial.injected("the engine is another")


@register
class UnsteadyRedone(Fault):
    name = "unsteady-job-redone"
    says = (
        "a map's output is lost whose task, done again, gives another one: "
        "the job is not deterministic"
    )
    setting = Setting(job="Unsteady")
    quiet = Setting()

    def inject(self, trial: Trial) -> None:
        """Delete outputs that only some reduces have read, or, between two runs, an output and a
        part.
        """
        if trial.chance.random() < 0.5:
            trial.wait_for_tasks(1 + MAPS + trial.chance.randint(0, REDUCES - 1))
        else:
            trial.finish_run()
            _delete(trial, trial.chance.choice(_parts(trial)))
            _delete(trial, trial.chance.choice(_outputs(trial)))
            trial.start()
            return
        if trial.over:
            raise Missed("the run was over")
        _delete(trial, trial.chance.choice(_outputs(trial)))

    def is_right(self, parts: Sequence[bytes], answer: Sequence[bytes]) -> bool:
        """Check that the counts are right, and that each split's pairs come from one attempt."""
        found = [json.loads(line) for part in parts for line in part.splitlines()]
        counts = [{"key": row["key"], "value": row["value"]["count"]} for row in found]
        draws: dict[int, set[float]] = {}
        for row in found:
            for first, draw in row["value"]["draws"]:
                draws.setdefault(first, set()).add(draw)
        expected = [json.loads(line) for part in answer for line in part.splitlines()]
        return (
            counts == expected
            and len(draws) == MAPS
            and all(len(each) == 1 for each in draws.values())
        )


def _delete(trial: Trial, path: Path) -> None:
    path.unlink()
    trial.injected(f"deleted {path.name}")
