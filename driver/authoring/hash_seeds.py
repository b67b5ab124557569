"""Runs a job on a sample under several seeds of Python's hash, each in a process with that seed.

`python -m driver.authoring.hash_seeds JOB` is such a process. It reads one JSON request a line, and
answers with one line each.
"""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Self

from pydantic import ConfigDict

from driver.packages.of_job import PackagesWanted
from driver.plan.config import READY_MADE
from driver.program.module_path import own_environment, own_process, put_current_folder_last
from mapreduce.check.laws import SEEDED, Pairs, Way, placed
from mapreduce.check.reference import PlainInput
from mapreduce.check.trial import run_trial
from mapreduce.code import find_job
from mapreduce.errors import JobFailed, MapReduceError
from mapreduce.job import Job
from mapreduce.wire.messages import Message

SEEDS = (1, 2)
LIMIT_S = 60.0
"""Seconds for all runs under one seed; then the process is killed."""


class SeededRequest(Message):
    """A request to run one job, which may be a step of a chain, on a sample."""

    model_config = ConfigDict(ser_json_bytes="base64", val_json_bytes="base64")

    module: str
    name: str
    parameters: dict[str, Any]
    inputs: tuple[PlainInput, ...]


class SeededAnswer(Message):
    """The pairs of the answer as JSON holds them, or the error of the job's code."""

    pairs: tuple[tuple[Any, Any], ...] = ()
    error: str = ""


class SeededRuns:
    """A process for each seed, started at its first use, and killed at the end of the block.

    Args:
        job: the job as `find_job` takes it.
    """

    def __init__(self, job: str) -> None:
        self._job = job
        self._processes: dict[int, subprocess.Popen[bytes]] = {}
        self._timers: list[threading.Timer] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for timer in self._timers:
            timer.cancel()
        for process in self._processes.values():
            process.kill()
            process.communicate()

    def ways_of(self, job: Job) -> tuple[Way, ...]:
        """Return one way to run the job for each seed."""
        return tuple((f"PYTHONHASHSEED={seed}", partial(self._pairs, seed, job)) for seed in SEEDS)

    def _pairs(self, seed: int, job: Job, inputs: Sequence[PlainInput]) -> Pairs:
        request = SeededRequest(
            module=type(job).__module__,
            name=type(job).__name__,
            parameters=job.parameter_values(),
            inputs=tuple(inputs),
        )
        process = self._processes.get(seed) or self._started(seed)
        assert process.stdin is not None and process.stdout is not None
        try:
            process.stdin.write(request.model_dump_json().encode() + b"\n")
            process.stdin.flush()
            line = process.stdout.readline()
        except BrokenPipeError:
            line = b""
        if not line:
            raise JobFailed(
                f"{type(job).__name__} did not answer with PYTHONHASHSEED={seed} "
                f"(in {LIMIT_S:.0f} s for all runs): "
                "its process ended; give `check` a smaller --sample"
            )
        answer = SeededAnswer.model_validate_json(line)
        return [("error", answer.error)] if answer.error else list(answer.pairs)

    def _started(self, seed: int) -> subprocess.Popen[bytes]:
        process = subprocess.Popen(
            [*own_process("driver.authoring.hash_seeds"), self._job],
            env=own_environment(os.environ, PYTHONHASHSEED=str(seed)),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        timer = threading.Timer(LIMIT_S, process.kill)
        timer.daemon = True
        timer.start()
        self._timers.append(timer)
        self._processes[seed] = process
        return process


def answered(line: bytes, found: Callable[[str, str], type[Job]]) -> SeededAnswer:
    """Answer one request.

    Args:
        line: the request.
        found: returns a job's class by its module and name.
    """
    request = SeededRequest.model_validate_json(line)
    try:
        job = found(request.module, request.name)(**request.parameters)
        return SeededAnswer(pairs=tuple(placed(job, run_trial(job, request.inputs, SEEDED))))
    except MapReduceError as exc:
        return SeededAnswer(error=str(exc))


def _class(module: str, name: str) -> type[Job]:
    cls: type[Job] = getattr(importlib.import_module(module), name)
    return cls


def _serve(job: str) -> None:
    with os.fdopen(os.dup(1), "wb") as answers:
        os.dup2(2, 1)  # the job's prints must not mix with the answers
        # puts the job's folder and its packages on the module path
        find_job(job, READY_MADE, PackagesWanted().provide)
        for line in sys.stdin.buffer:
            answers.write(answered(line, _class).model_dump_json().encode() + b"\n")
            answers.flush()


if __name__ == "__main__":
    put_current_folder_last(sys.path)
    _serve(sys.argv[1])
