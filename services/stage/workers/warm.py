"""Run the engine once on a few bytes, in the process from which all tasks' processes are forked.

What Python and the engine build at first use (specialised bytecode, attribute caches, validators)
is then shared by every task's process. Otherwise each of them builds its own, and copies the memory
pages.
"""

from __future__ import annotations

import secrets
import shutil
import tempfile
from collections.abc import Iterable
from functools import cache
from pathlib import Path

from mapreduce.aggregate import Sum
from mapreduce.engine import TaskContext, run_task
from mapreduce.job import Job
from mapreduce.storage import open_storage
from mapreduce.wire.build import this_build
from mapreduce.wire.messages import AttemptId, ByteRange, Done, JobSpec, MapTask, Split, parse_task
from services.stage.workers.order import Order, received_order

_ROUNDS = 2
_TEXT = b"a b\nb c\n"
_MEMORY_BYTES = 64 << 20


class _Words(Job):
    reduce = Sum()

    def map(self, key: int, value: str) -> Iterable[tuple[str, int]]:
        for word in value.split():
            yield word, 1


@cache  # once in a process and its forks
def warm_engine() -> None:
    """Run one of our map tasks in a temporary folder; leaves no thread and no open file."""
    folder = Path(tempfile.mkdtemp(prefix="mapreduce-warm-"))
    try:
        for number in range(_ROUNDS):
            _run_steps(_task(folder, number), folder)
    except OSError:
        pass  # a full disk is reported by the tasks
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _task(folder: Path, number: int) -> MapTask:
    text = folder / "text"
    text.write_bytes(_TEXT)
    url = text.as_uri()
    info = open_storage().head(url)
    piece = ByteRange(source=url, url=url, start=0, end=info.size, size=info.size, etag=info.etag)
    return MapTask(
        store=folder.as_uri(),
        run="warm",
        index=number,
        attempt="0",
        job=JobSpec(code="0" * 64, module=__name__, name=_Words.__name__),
        partitions=1,
        split=Split(index=number, pieces=(piece,)),
    )


def _run_steps(task: MapTask, folder: Path) -> None:
    """Take the same steps as a worker and a task's process, so that all are warm."""
    order = Order.of(task, secrets.token_bytes(16))
    _, message = received_order(Order.decoded(order.encoded()).for_process())
    found = parse_task.validate_json(message)
    context = TaskContext(open_storage(), folder / "scratch", _MEMORY_BYTES, lambda spec: _Words())
    result = run_task(found, context)
    Done(
        attempt=AttemptId.of(found, order.nonce.hex()), result=result, build=this_build()
    ).model_dump_json()
