"""Objects that are lost, damaged or changed between two stages."""

from __future__ import annotations

import os
import time
from pathlib import Path

from mapreduce.wire import keys
from tests.faults.fault import Fault, Missed, register
from tests.faults.trial import MAPS, Trial


def an_output(trial: Trial) -> Path:
    """Return the output of a finished map."""
    trial.wait_for_tasks(1 + trial.chance.randint(1, MAPS))
    found = sorted((Path(trial.store) / keys.MAPS).glob("*/*/map-*.attempt-0"))
    if not found:
        raise Missed("there is no output")
    return trial.chance.choice(found)


def rot(path: Path, trial: Trial) -> None:
    """Change a byte of a file and restore its times."""
    stat = path.stat()
    change_a_byte(path, trial)
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))


def change_a_byte(path: Path, trial: Trial) -> None:
    """Change a byte of a file at a random place."""
    with path.open("r+b") as file:
        at = trial.chance.randrange(path.stat().st_size)
        file.seek(at)
        before = file.read(1)[0]
        file.seek(at)
        file.write(bytes([before ^ trial.chance.randrange(1, 256)]))


@register
class OutputDeleted(Fault):
    name = "map-output-deleted"
    says = "a map's output is deleted before the reduces have read it"
    shows = "output lost|^\\[\\]$"

    def inject(self, trial: Trial) -> None:
        """Delete one output."""
        path = an_output(trial)
        path.unlink()
        trial.injected(f"deleted {path.name}")


@register
class OutputDamaged(Fault):
    name = "map-output-damaged"
    says = "a byte of a map's output is changed, and its time of change tells"
    shows = "output lost|^\\[\\]$"

    def inject(self, trial: Trial) -> None:
        """Change one byte of an output."""
        path = an_output(trial)
        change_a_byte(path, trial)
        trial.injected(f"changed a byte of {path.name}")


@register
class OutputDamagedUnseen(Fault):
    name = "map-output-rotten"
    says = "a byte of a map's output is changed, and only its checksum tells"
    shows = "CorruptBlock|output lost|^\\[\\]$"

    def inject(self, trial: Trial) -> None:
        """Change one byte of an output, and restore the file's times."""
        path = an_output(trial)
        rot(path, trial)
        trial.injected(f"changed a byte of {path.name}, and put its times back")


@register
class ListDamaged(Fault):
    name = "map-list-damaged"
    says = "the list of map outputs is deleted or rots before all reduces have read it"
    shows = "CorruptBlock|OutputLost|^\\[\\]$"

    def inject(self, trial: Trial) -> None:
        """Delete the list, or change one byte of it and restore the file's times."""
        while not (lists := _lists(trial)):
            if trial.over:
                raise Missed("the run was over before its list was found")
            time.sleep(0.001)
        if trial.chance.random() < 0.5:
            lists[0].unlink()
            trial.injected(f"deleted {lists[0].name}")
        else:
            rot(lists[0], trial)
            trial.injected(f"changed a byte of {lists[0].name}, and put its times back")


def _lists(trial: Trial) -> list[Path]:
    return list((Path(trial.store) / keys.MAPS).glob("*/*/outputs-*.jsonl"))


@register
class InputChanged(Fault):
    name = "input-changed"
    says = "the input is changed while it is being read"
    expected = "fails loudly"
    message = r"error: .*text\.txt.*(changed|ETag)|error: .*ledger.*text\.txt"

    def inject(self, trial: Trial) -> None:
        """Append to the input, cut it, or change a byte."""
        trial.in_map_stage()
        how = trial.chance.choice(("appended to", "cut", "changed"))
        if how == "appended to":
            with trial.text.open("a") as file:
                file.write("one more line\n")
        elif how == "cut":
            os.truncate(trial.text, trial.text.stat().st_size // 2)
        else:
            change_a_byte(trial.text, trial)
        trial.injected(f"input {how}")


@register
class InputDeleted(Fault):
    name = "input-deleted"
    says = "the input is deleted while it is being read"
    expected = "fails loudly"
    message = r"error: .*text\.txt"

    def inject(self, trial: Trial) -> None:
        """Delete the input."""
        trial.in_map_stage()
        trial.text.unlink()
        trial.injected("input deleted")
