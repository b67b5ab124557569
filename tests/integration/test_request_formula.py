"""The formula of a run's requests gives the requests that a run makes."""

from __future__ import annotations

from dataclasses import astuple, replace
from pathlib import Path

import pytest

from driver.forecast.requests import RHYTHM_S, RunShape, run_requests, signs_of_life
from driver.report.document import Report
from tests.integration.test_requests import BUCKET, Bucket, bucket  # noqa: F401 - a fixture

pytestmark = pytest.mark.s3


@pytest.mark.parametrize(("maps", "reducers"), [(1, 1), (5, 3), (12, 7)])
def test_the_formula_is_that_of_a_counted_run(
    bucket: Bucket,  # noqa: F811 - the fixture
    maps: int,
    reducers: int,
) -> None:
    """For each stage and each kind of request, up to the ends of lines and blocks without pairs."""
    where = ["--input", f"s3://{BUCKET}/books/a.txt", "--store", f"s3://{BUCKET}/{maps}-{reducers}"]
    size = ["--mappers", "1", "--chunks", str(maps), "--reducers", str(reducers)]
    bucket.recording.requests.clear()
    out = bucket.python("-m", "driver", "run", "--json", "--target", "local", *where, *size)
    beats = bucket.alive().head
    report = Report.model_validate_json(out)
    made = report.requests
    rows = [row for row in report.tasks if row.stage == "map"]
    parts = [row for row in report.tasks if row.stage == "reduce"]
    shape = RunShape(
        inputs=1,
        splits=[row.bytes_in for row in rows],
        partitions=reducers,
        map_output_bytes=max(row.bytes_out for row in rows),
        part_bytes=max(row.bytes_out for row in parts),
        seconds=RHYTHM_S * beats,
    )
    formula = run_requests(shape)
    assert maps == len(rows)
    assert formula.split == made.split
    assert formula.driver == made.driver
    assert formula.maps.put == made.maps.put
    assert formula.maps.get - maps <= made.maps.get <= formula.maps.get
    assert formula.reduces.put == made.reduces.put
    # some words fall into few partitions, so some blocks are empty
    listed = reducers * (1 + maps)
    assert listed < made.reduces.get <= formula.reduces.get
    assert 0 <= formula.dollars - made.dollars <= 0.1 * made.dollars
    assert all(count >= 0 for count in astuple(formula.total - made.total))


def test_the_formula_of_a_total_order(bucket: Bucket) -> None:  # noqa: F811 - the fixture
    """The sample of a sort is part of the formula, and of the split stage of the run. In an input
    as small as this one, a sampled place ends within a line, which is read with one request more.
    """
    where = ["--input", f"s3://{BUCKET}/books/a.txt", "--store", f"s3://{BUCKET}/sorted"]
    size = ["--mappers", "1", "--chunks", "2", "--reducers", "2", "--job", "sort"]
    out = bucket.python("-m", "driver", "run", "--json", "--target", "local", *where, *size)
    report = Report.model_validate_json(out)
    formula = run_requests(RunShape(1, [1000, 1000], 2, 1000, 1000, total_order=True))
    made = report.requests.split
    assert formula.split.put == made.put
    assert formula.split.get <= made.get <= 2 * formula.split.get


SLOW = """
import time

from mapreduce import Job, Sum


class Slow(Job):
    reduce = Sum()

    def map_setup(self):
        time.sleep(6)

    def map(self, key, value):
        yield "lines", 1
"""


def test_the_formula_has_the_signs_of_life(
    bucket: Bucket,  # noqa: F811 - the fixture
    tmp_path: Path,
) -> None:
    """A run of some rhythms makes the requests of the formula, and leaves no segment and no lease;
    they are all in its report.
    """
    job = tmp_path / "slow.py"
    job.write_text(SLOW)
    store = f"s3://{BUCKET}/slow"
    where = ["--input", f"s3://{BUCKET}/books/a.txt", "--store", store, "--job", str(job)]
    size = ["--mappers", "1", "--chunks", "2", "--reducers", "1"]
    bucket.recording.requests.clear()
    out = bucket.python("-m", "driver", "run", "--json", "--target", "local", *where, *size)
    report = Report.model_validate_json(out)
    alive = bucket.alive()
    assert alive.head >= 2
    deleted = sum(each.kind == "delete" for each in bucket.recording.requests)
    assert signs_of_life(RHYTHM_S * alive.head) == replace(alive, delete=deleted)
    rows = [row for row in report.tasks if row.stage == "map"]
    shape = RunShape(1, [row.bytes_in for row in rows], 1, 1000, 1000, RHYTHM_S * alive.head)
    assert run_requests(shape).driver == report.requests.driver
    listed = bucket.python(
        "-c",
        "import sys; from mapreduce.storage import open_storage\n"
        f"for info in open_storage().list('{store}/runs'): print(info.url.rpartition('/')[2])",
    )
    assert {"plan.json", "events.jsonl", "services.log"} <= set(listed.split())
    assert not {"lease.json", "00000.jsonl"} & set(listed.split())
