"""The process that runs a sample ends, whatever the job's code does in it."""

from __future__ import annotations

import time
from pathlib import Path

from driver.forecast.sampling.messages import SampleAnswer
from driver.forecast.sampling.sample import SampledJob, _asked, _Copies, _request
from mapreduce.code import find_job
from mapreduce.engine.split import plan_splits
from mapreduce.storage import open_storage
from mapreduce.wire.messages import InputObject, JobSpec, SplitRule
from tests.integration.commands import wait_until_gone

JOB = """
import os, subprocess, sys, time

from mapreduce import Job, Sum


class Odd(Job):
    reduce = Sum()

    def map(self, offset, line):
        {body}
        yield line, 1
"""


def _answer(folder: Path, body: str, limit_s: float) -> SampleAnswer:
    path = folder / "odd.py"
    path.write_text(JOB.format(body=body))
    source, _ = find_job(str(path))
    storage = open_storage()
    info = storage.write(f"file://{folder}/in.txt", b"a\nb\n" * 100)
    given = InputObject(url=info.url, size=info.size, etag=info.etag)
    (split,) = plan_splits([given], SplitRule(splits=1))
    sample = _Copies(storage, folder).beginning(split)
    spec = JobSpec(code="0" * 64, module=source.module, file=source.file, name=source.name)
    job = SampledJob(source.root, spec, 2)
    return _asked(_request(job, (sample,), str(folder)), limit_s)


def test_code_that_hangs_is_ended_with_what_it_has_started(tmp_path: Path) -> None:
    """After the limit nothing of the sample runs, also no process of the job's own."""
    note = tmp_path / "child"
    body = (
        "child = subprocess.Popen(['sleep', '60']); "
        f"open({str(note)!r}, 'w').write(str(child.pid)); time.sleep(60)"
    )
    began = time.monotonic()
    answer = _answer(tmp_path, body, 4.0)
    assert "did not end within 4 s" in answer.error
    assert time.monotonic() - began < 8
    # a killed process takes a moment to end
    assert wait_until_gone(int(note.read_text()), seconds=5)


def test_code_that_ends_its_process_is_said(tmp_path: Path) -> None:
    """`os._exit` leaves no answer."""
    assert "ended its process on the sample (code 7)" in _answer(tmp_path, "os._exit(7)", 10).error


def test_what_the_job_prints_is_not_part_of_the_answer(tmp_path: Path) -> None:
    """The figures come through."""
    answer = _answer(tmp_path, "print('{}', flush=True)", 10.0)
    assert "" == answer.error
    assert answer.maps
