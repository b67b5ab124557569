"""The S3 requests of a run: as few writes as possible, and a report of exactly these requests."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import pytest

from driver.report.document import Report, RunRequests
from mapreduce.storage import Requests
from tests.contract.emulator import SERVERS, running_emulator
from tests.contract.recorder import Recording, Request, recorded
from tests.integration.commands import ROOT

pytestmark = pytest.mark.s3
BUCKET = "request-counts"
MAPS, REDUCES = 4, 2
TASKS = 1 + MAPS + REDUCES
GETS_OF_REDUCES = REDUCES * (
    len(["the list of map outputs"]) + MAPS * len(["the entry", "the block"])
)
FETCHED = Counter({"head": 1, "get": 1})
"""A service fetches the job's code with these; no task has begun then, so no report has them."""
_LIFE = re.compile(r"/runs/[^/]+/(lease\.json|cancel|events/\d+\.jsonl)$")
TEXT = "".join(f"line {number} has the number {number % 7}\n" for number in range(4_000))


@dataclass(frozen=True)
class Asked:
    """A run's report, and the requests that the store received: for its work, and for its signs of
    life.
    """

    report: Report
    requests: tuple[Request, ...]
    life: Requests

    def kinds(self) -> Counter[str]:
        """Return the number of requests of each kind, with those for its signs of life."""
        return Counter(each.kind for each in self.requests) + Counter(asdict(self.life))

    def folders(self, *kinds: str) -> Counter[str]:
        """Return the number of requests of these kinds for each folder, and for the input."""
        return Counter(_folder(each.path) for each in self.requests if each.kind in kinds)


@dataclass(frozen=True)
class Bucket:
    """An S3 bucket with one input, and the requests to it."""

    recording: Recording
    environment: dict[str, str]

    def run(self, *options: str, store: str = "store", target: str = "local") -> Asked:
        """Run word count over the input."""
        self.recording.requests.clear()
        where = [
            "--input",
            f"s3://{BUCKET}/books/a.txt",
            "--store",
            f"s3://{BUCKET}/{store}",
            "--target",
            target,
        ]
        size = ["--mappers", "1", "--chunks", str(MAPS), "--reducers", str(REDUCES)]
        out = self.python("-m", "driver", "run", "--json", *where, *size, *options)
        # on a slow machine the run takes so long that it shows signs of life
        made = [each for each in self.recording.requests if not _LIFE.search(each.path)]
        return Asked(Report.model_validate_json(out), tuple(made), self.alive())

    def alive(self) -> Requests:
        """Return the requests for the signs of life of the runs so far."""
        kinds = Counter(each.kind for each in self.recording.requests if _LIFE.search(each.path))
        return Requests(**kinds)

    def python(self, *arguments: str) -> str:
        """Return the output of a program, which must succeed."""
        done = subprocess.run(
            [sys.executable, *arguments],
            cwd=ROOT,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout


@pytest.fixture(scope="module", params=SERVERS)
def bucket(request: pytest.FixtureRequest) -> Iterator[Bucket]:
    """Each S3 server behind a recording proxy."""
    server = SERVERS[request.param]
    if server.missing:
        pytest.skip(server.missing)
    with (
        running_emulator(BUCKET, server=server) as emulator,
        recorded(emulator.endpoint) as recording,
    ):
        filled = Bucket(
            recording,
            {**os.environ, **emulator.environment, "AWS_ENDPOINT_URL": recording.endpoint},
        )
        filled.python(
            "-c",
            "import sys; from mapreduce.storage import open_storage; "
            f"open_storage().write('s3://{BUCKET}/books/a.txt', sys.argv[1].encode())",
            TEXT[:100_000],
        )
        yield filled


@pytest.fixture(scope="module")
def first(bucket: Bucket) -> Asked:
    """The first run over an empty store."""
    return bucket.run()


def _folder(path: str) -> str:
    _, _, top, *rest = path.split("/")
    return rest[0] if top.startswith("store") else top


def test_writes_of_a_run(first: Asked) -> None:
    """M maps write M objects, R reduces write R, each task writes one record, and the run a few."""
    assert first.folders("put") == {
        "maps": MAPS + len(["the list of map outputs"]),
        "reduce": REDUCES + len(["_SUCCESS"]),
        "tasks": TASKS,
        "jobs": len(["code.zip"]),
        "runs": len(["plan", "results", "ledger", "events", "services.log", "the last epoch"])
        + len(["report", "receipt", "page"]),
        "forecasts": 1,
        "index": 1,
    }
    assert first.folders("copy") == {"reduce": REDUCES}
    assert not first.folders("list", *([] if first.life else ["delete"]))


def test_reads_of_a_run(first: Asked) -> None:
    """Each reduce reads the list of map outputs, and its entry and its block of each of them once;
    a map reads its range and its last line's end.
    """
    gets, heads = first.folders("get"), first.folders("head")
    assert gets["maps"] == GETS_OF_REDUCES
    assert gets["tasks"] == TASKS
    assert (
        gets["books"] <= 1 + 2 * MAPS
    )  # the first bytes, for the compression; then a range, and its last line's end
    assert heads == {
        "books": len(["for the plan", "for the ledger"]),
        "reduce": REDUCES * len(["is it whole", "is it still what was copied", "its copy's ETag"]),
        "jobs": 1,
    }


def test_the_report_has_the_requests_that_were_made(first: Asked) -> None:
    """The report has all requests, with the one that writes the report, and their cost by AWS's
    prices.
    """
    made = first.report.requests
    assert Counter(asdict(made.total)) - Counter() == first.kinds() - FETCHED
    assert made.split + made.maps + made.reduces + made.driver == made.total
    assert (made.maps.put, made.reduces.put, made.reduces.get) == (MAPS, REDUCES, GETS_OF_REDUCES)
    kinds = first.kinds() - FETCHED
    dollars = (kinds["put"] + kinds["copy"]) * 0.005 / 1000 + (
        kinds["get"] + kinds["head"]
    ) * 0.0004 / 1000
    assert made.dollars == pytest.approx(dollars)


def test_a_task_keeps_its_connection(first: Asked) -> None:
    """A task's process writes over one connection."""
    mapping = {
        each.connection for each in first.requests if "/map-" in each.path and each.kind == "put"
    }
    assert len(mapping) <= MAPS


def test_a_run_that_finds_everything_done(bucket: Bucket, first: Asked) -> None:
    """A run that reuses everything reads no input, and does not count an earlier run's requests."""
    again = bucket.run()
    assert again.report.reused_tasks == TASKS
    assert again.folders("get") == {
        "tasks": TASKS,
        "jobs": len(["is the code as it was written"]),
        "forecasts": len(["for the forecast", "to add the run"]),
    }
    assert again.folders("head")["books"] == len(["for the plan", "for the ledger"])
    assert not again.folders("put")["maps"], "a list that no task reads is not written"
    made = again.report.requests
    assert Counter(asdict(made.total)) - Counter() == again.kinds()
    assert (made.split, made.maps, made.reduces) == (Requests(), Requests(), Requests())


@pytest.mark.parametrize("target", ["inline"])
def test_tasks_and_driver_in_one_process(bucket: Bucket, target: str) -> None:
    """In one process, tasks and driver count their requests separately."""
    asked = bucket.run(store="store-of-one-process", target=target)
    made = asked.report.requests
    assert Counter(asdict(made.total)) - Counter() == asked.kinds()
    assert (made.maps.put, made.reduces.put) == (MAPS, REDUCES)


def test_a_chain_counts_all_its_steps(bucket: Bucket) -> None:
    """The report of a chain has the requests of all steps, and the driver's between them."""
    asked = bucket.run("--job", "mapreduce_jobs.top_k", store="store-of-a-chain")
    assert len(asked.report.steps) > 1
    assert Counter(asdict(asked.report.requests.total)) - Counter() == asked.kinds() - FETCHED


def test_a_local_run_asks_nothing_of_s3(bucket: Bucket, tmp_path: Path) -> None:
    """A local run counts no requests."""
    out = bucket.python(
        "-m",
        "driver",
        "run",
        "--json",
        "--target",
        "inline",
        "--store",
        str(tmp_path),
        "--input",
        "README.md",
    )
    assert Report.model_validate_json(out).requests == RunRequests()
