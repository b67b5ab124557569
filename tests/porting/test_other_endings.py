"""Ports whose end is no list of known pairs: chance, a failure, packages beside the job."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.porting.answers import customer_totals
from tests.porting.compare import differences
from tests.porting.ports import Peer, Port
from tests.porting.processes import JOBS, PEER, WHEELS, needs_mrjob, pairs_of, run_job, run_peer

SAMPLE = 5


def test_a_sample_holds_lines_of_the_log(data: Path, tmp_path: Path) -> None:
    """As many lines as wanted, all of the log; another seed takes others."""
    (tmp_path / "log.txt").write_text("".join(f"line {number}\n" for number in range(1_000)))
    samples = [_sample(tmp_path, seed) for seed in (1, 2)]
    for sample in samples:
        assert len(set(sample)) == SAMPLE
        assert all(line.startswith("line ") and int(line[5:]) < 1_000 for line in sample)
    assert samples[0] != samples[1]


@needs_mrjob
def test_the_example_of_mrjob_samples_as_many_lines(tmp_path: Path) -> None:
    """The sampler of mrjob yields the same number of lines of the same log."""
    (tmp_path / "log.txt").write_text("".join(f"line {number}\n" for number in range(1_000)))
    out = run_peer("mr_log_sampler", ["log.txt"], tmp_path, "--sample-size", str(SAMPLE))
    assert len(set(out.splitlines())) == len(set(_sample(tmp_path, 1)))


def _sample(folder: Path, seed: int) -> list[str]:
    out = folder / f"sample-{seed}.jsonl"
    wanted = ("--param", f"sample_size={SAMPLE}", "--param", f"seed={seed}")
    options = ("--target", "inline", "--store", str(folder / "store"), "--output", str(out))
    run_job("log_sampler.py", ["log.txt"], folder, *wanted, *options)
    return [line for _, line in pairs_of(out.read_bytes())]


@pytest.mark.parametrize("target", ["inline", "local"])
def test_a_failing_hook_shows_the_authors_traceback(
    target: str, data: Path, tmp_path: Path
) -> None:
    """The run ends with the exception, the line of the job and the hook, and no trace of ours."""
    options = ("--target", target, "--store", str(tmp_path / "store"))
    ended = run_job("boom.py", ["texts"], data, *options, may_fail=True)
    assert ended.code == 1
    for word in ("BOOM", "map_setup", "boom.py", 'raise Exception("BOOM")'):
        assert word in ended.err
    assert "mapreduce/engine" not in ended.err


@pytest.mark.parametrize("target", ["inline", "local"])
def test_aggregates_of_a_customer_are_rows_in_the_order_of_one_of_them(
    target: str, data: Path, tmp_path: Path
) -> None:
    """Spark's groupBy, agg and orderBy descending: a table, with the greatest total first."""
    out = tmp_path / "totals.csv"
    kept = ("--store", str(tmp_path / "store"), "--output", str(out), "--reducers", "3")
    job = "customer_totals.py:CustomerTotals"
    run_job(job, ["sales.csv"], data, "--target", target, *kept)
    assert customer_totals(data) == out.read_text()


@needs_mrjob
@pytest.mark.parametrize("target", ["inline", "local"])
def test_a_package_beside_the_job_travels_with_it(target: str, data: Path, tmp_path: Path) -> None:
    """The port of mr_phone_to_url imports warcio from its own folder, and equals mrjob's."""
    shutil.copy(JOBS / "phone_to_url.py", tmp_path)
    pip = [str(PEER), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    found = ["--no-index", "--find-links", str(WHEELS)]
    subprocess.run([*pip, *found, "--target", str(tmp_path), "warcio"], check=True)
    _compare_phones(str(tmp_path / "phone_to_url.py"), data, tmp_path, "--target", target)


@needs_mrjob
def test_a_package_named_on_the_command_line_is_on_the_services(data: Path, tmp_path: Path) -> None:
    """The same job without a package beside it gets warcio from a file of requirements."""
    (tmp_path / "requirements.txt").write_text("warcio\n")
    options = ("--target", "local", "--requirements", str(tmp_path / "requirements.txt"))
    _compare_phones("phone_to_url.py", data, tmp_path, *options)


def _compare_phones(job: str, data: Path, folder: Path, *options: str) -> None:
    port = Port(job, ("crawl",), Peer("mr_phone_to_url"))
    assert isinstance(port.answer, Peer)
    out = folder / "out.jsonl"
    kept = ("--store", str(folder / "store"), "--output", str(out))
    run_job(job, port.inputs, data, *options, *kept)
    wanted = port.answer.answer(port.inputs, data)
    assert differences(port, wanted, pairs_of(out.read_bytes())) == []
