"""What the tests on Spark share: a cluster, an S3 for it, and a Spark of each kind."""

from __future__ import annotations

import importlib.util
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from driver.spark.session import Spark
from tests.contract.conftest import BUCKET, moto
from tests.contract.emulator import MOTO, Emulator
from tests.spark.cluster import Cluster, running_cluster
from tests.spark.runs import JOBS, TEXTS, Place

__all__ = ["moto"]
MISSING = [
    name
    for name, there in (
        ("PySpark", importlib.util.find_spec("pyspark")),
        ("Java", shutil.which("java")),
        ("moto", not MOTO.missing),
    )
    if not there
]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip these tests where Spark cannot run; `make spark` and CI take a skip for a failure."""
    reason = f"no {' and no '.join(MISSING)} here: see `make spark`"
    for item in items:
        if MISSING and Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.skip(reason=reason))


@pytest.fixture(scope="session")
def cluster(moto: Emulator) -> Iterator[Cluster]:
    """A master and two workers of one core; their executors reach the S3 server."""
    with (
        tempfile.TemporaryDirectory(prefix="spark-cluster-") as folder,
        running_cluster(Path(folder), variables=moto.environment) as running,
    ):
        yield running


@pytest.fixture(scope="module", params=["this machine", "cluster", "cluster and S3"])
def place(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Place]:
    """A Spark with two cores: here, then on the cluster with a store in a folder, then in S3."""
    with pytest.MonkeyPatch.context() as patch:
        master = "local[2]"
        if request.param != "this machine":
            running: Cluster = request.getfixturevalue("cluster")
            master = running.url
            for name, value in running.environment.items():
                patch.setenv(name, value)
        spark = Spark(master, tmp_path_factory.mktemp("spark"))
        spark.start()
        yield Place(spark, f"s3://{BUCKET}" if request.param == "cluster and S3" else "")
        spark.stop()


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A folder outside the repository: inputs, a job file, and a module and a file beside it."""
    (tmp_path / "some_jobs.py").write_text(JOBS)
    (tmp_path / "beside.py").write_text("STOP = {'of'}\n")
    (tmp_path / "extra.txt").write_text("and more")
    for name, text in TEXTS.items():
        (tmp_path / name).write_text(text, newline="")
    return tmp_path
