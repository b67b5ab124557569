"""The code of a job as the store has it, for a driver that goes on without the author's files."""

from __future__ import annotations

import os
import shutil
import tempfile
import weakref
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from driver.history.run_store import RunStore
from driver.plan.tasks import RunPlan
from mapreduce.code.unpacking import unpack
from mapreduce.errors import InputError, ObjectMissing
from mapreduce.wire import keys

_PREFIX = "mapreduce-code-"


@dataclass(frozen=True, slots=True, weakref_slot=True)
class Unpacked:
    """A job's code in a folder that is deleted with this object.

    Attributes:
        job: names the job, as `--job` does.
    """

    job: str


def stored_code(runs: RunStore, plan: RunPlan) -> Unpacked:
    """Unpack the code of a planned job.

    Raises:
        InputError: the store has no such code.
        CorruptBlock: it is damaged.
    """
    try:
        data = runs.storage.read(keys.code(runs.store, plan.job.code))
    except ObjectMissing as exc:
        raise InputError(
            f"the code of {plan.run} is not in the store any more; give its command again"
        ) from exc
    delete_leftovers(Path(tempfile.gettempdir()))
    folder = tempfile.mkdtemp(prefix=f"{_PREFIX}{os.getpid()}-")
    root = Path(folder, "code")
    try:
        unpack(data, plan.job.code, root)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    file = root / (plan.job.file or f"{plan.job.module.replace('.', '/')}.py")
    if not file.is_file():  # the module is a package
        file = file.with_suffix("") / "__init__.py"
    unpacked = Unpacked(f"{file}:{plan.job.name}")
    weakref.finalize(unpacked, shutil.rmtree, folder, ignore_errors=True)
    return unpacked


def delete_leftovers(folder: Path) -> None:
    """Delete the code that killed drivers have left in a folder for temporary files."""
    for each in folder.glob(f"{_PREFIX}*-*"):
        process = each.name.removeprefix(_PREFIX).partition("-")[0]
        if process.isdigit() and not _is_running(int(process)):
            shutil.rmtree(each, ignore_errors=True)


def _is_running(process: int) -> bool:
    with suppress(PermissionError):
        try:
            os.kill(process, 0)
        except (ProcessLookupError, OverflowError):
            return False
    return True
