"""The formula of a run's requests gives the requests that a run makes."""

from __future__ import annotations

from dataclasses import astuple

import pytest

from driver.forecast.requests import RHYTHM_S, RunShape, run_requests
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
