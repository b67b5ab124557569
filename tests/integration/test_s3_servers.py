"""Whole runs with their store in S3, on each of two S3 servers."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from bench.zipf import write_text
from mapreduce.storage import open_storage
from tests.contract.emulator import SERVERS, Emulator, running_emulator
from tests.integration.commands import Driver, ascii_words

pytestmark = pytest.mark.s3
BUCKET = "whole-runs"
CHUNKS = 12
SLOW = """
import time

from mapreduce import Job, Sum, words


class SlowCount(Job):
    reduce = Sum()

    def map_setup(self):
        time.sleep(0.3)

    def map(self, offset, line):
        for word in words(line):
            yield word, 1
"""

JOINED = """
from mapreduce import Chain, Job, Step


class Names(Job):
    def map(self, offset, line):
        name, _, other = line.partition(" ")
        yield name, other
        yield other, ""

    def reduce(self, name, others):
        yield name, (1, sorted(filter(None, set(others))))


class Spread(Job):
    def map(self, name, value):
        for other in value[1]:
            yield other, value[0]

    def reduce(self, name, values):
        weight, others = next(values)
        yield name, (weight + sum(values), others)


class Joined(Chain):
    def steps(self):
        first = yield Names()
        yield Step(Spread(), joins=first)
        yield Step(Spread(), joins="previous")
        yield Step(Spread(), joins=first)
"""


@pytest.fixture(scope="module", params=SERVERS)
def emulator(request: pytest.FixtureRequest) -> Iterator[Emulator]:
    """Each S3 server in turn, with one bucket."""
    server = SERVERS[request.param]
    if server.missing:
        pytest.skip(server.missing)
    with running_emulator(BUCKET, server=server) as running:
        yield running


@pytest.fixture
def in_s3(driver: Driver, emulator: Emulator, monkeypatch: pytest.MonkeyPatch) -> Driver:
    """A driver whose default store is a folder of the bucket; this process finds the server too."""
    for name, value in emulator.environment.items():
        monkeypatch.setenv(name, value)
    return replace(driver, variables={"MAPREDUCE_STORE": f"s3://{BUCKET}/{driver.mark}"})


@pytest.fixture
def text(driver: Driver) -> Path:
    """A text."""
    path = driver.folder / "text.txt"
    write_text(path, 400_000, seed=3)
    return path


def _store(driver: Driver) -> str:
    return driver.variables["MAPREDUCE_STORE"]


def test_a_run_is_whole_and_its_damage_is_found(in_s3: Driver, text: Path) -> None:
    """A run is right; its ledger balances, `verify` and `audit` accept it until a part changes."""
    ran = in_s3.run("run", "--input", text, "--reducers", "3", "--target", "local", "--json")
    assert ran.code == 0, ran.err
    urls, run = ran.document["result_urls"], ran.document["run_id"]
    storage = open_storage()
    rows = [json.loads(line) for url in urls for line in storage.read(url).splitlines()]
    assert ascii_words(text.read_bytes()) == {row["key"]: row["value"] for row in rows}
    assert "_SUCCESS" in {info.url.rpartition("/")[2] for info in storage.list(_store(in_s3))}
    for command in ("verify", "audit"):
        assert in_s3.run(command, run).code == 0, command
    whole = storage.read(urls[1])
    storage.write(urls[1], whole.replace(b"1", b"2", 1))
    for command in ("verify", "audit"):
        assert in_s3.run(command, run).code == 1, command


def test_a_run_goes_on_after_its_driver_was_killed(in_s3: Driver, text: Path) -> None:
    """After a kill in the map stage, the same command does only the remaining tasks."""
    (in_s3.folder / "slow.py").write_text(SLOW)
    size = ("--chunks", str(CHUNKS), "--mappers", "2", "--reducers", "1")
    command = ("run", "--job", "slow.py", "--input", text, *size, "--target", "local", "--json")
    process = in_s3.start(*command)
    storage, deadline = open_storage(), time.monotonic() + 60
    while len(list(storage.list(f"{_store(in_s3)}/tasks"))) < 3:
        assert time.monotonic() < deadline, "no task finished"
        time.sleep(0.05)
    process.kill()
    process.communicate(timeout=30)
    assert in_s3.wait_until_none_is_left() == []
    again = in_s3.run(*command)
    assert again.code == 0, again.err
    assert 3 <= again.document["reused_tasks"] < CHUNKS + 2
    (url,) = again.document["result_urls"]
    assert ascii_words(text.read_bytes()) == json.loads(storage.read(url))


def test_a_joined_chain_gives_the_folders_answer(in_s3: Driver) -> None:
    """Steps that join an earlier step read its parts from S3 too: each part is, byte for byte, that
    of a store in a folder, and the sums are those of a plain loop. `verify` accepts the run.
    """
    (in_s3.folder / "joined.py").write_text(JOINED)
    edges = {(f"n{at % 97}", f"n{at * at % 89}") for at in range(900)}
    text = "".join(f"{one} {other}\n" for one, other in sorted(edges))
    (in_s3.folder / "edges.txt").write_text(text, encoding="ascii")
    command = ("run", "--job", "joined.py:Joined", "--input", "edges.txt", "--reducers", "3")
    found = []
    for driver in (replace(in_s3, variables={}), in_s3):
        ran = driver.run(*command, "--chunk-size", "2KiB", "--target", "local", "--json")
        assert ran.code == 0, ran.err
        found.append([open_storage().read(url) for url in ran.document["result_urls"]])
        assert driver.run("verify", ran.document["run_id"]).code == 0
    assert len(found[0]) == 3
    assert found[0] == found[1]
    rows = [json.loads(line) for part in found[1] for line in part.splitlines()]
    assert _spread(edges) == {row["key"]: row["value"][0] for row in rows}


def _spread(edges: set[tuple[str, str]]) -> dict[str, int]:
    """Return the weights after the chain's steps; the last one joins the first weights again."""
    first = dict.fromkeys((name for edge in edges for name in edge), 1)
    weights = first
    for start in (None, None, first):
        given = dict(start or weights)
        for one, other in edges:
            given[other] += weights[one]
        weights = given
    return weights
