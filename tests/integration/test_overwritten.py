"""Objects of a run that another run's job overwrites: each is found, and no answer is wrong.

In S3 the hostile job has the rights that the policies give its role. In a local folder it has all
of the user's rights, as every process there.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from mapreduce.storage import Storage, open_storage
from mapreduce.wire import keys
from tests.contract.emulator import MINISTACK, Emulator, running_emulator
from tests.integration.commands import Driver, Finished, ascii_words
from tests.integration.gated import URL, gated, pairs_of
from tests.policies.planned import STORE
from tests.policies.policy import Policy

pytestmark = [pytest.mark.s3, pytest.mark.timeout(300)]
HOSTILE = """
from mapreduce import Job
from mapreduce.errors import StorageError
from mapreduce.storage import open_storage

class Hostile(Job):
    def map(self, offset, line):
        yield line, overwritten(line)

class InReduce(Job):
    def map(self, offset, line):
        yield line, ""

    def reduce(self, url, values):
        yield url, overwritten(url)

def overwritten(url):
    storage = open_storage()
    try:
        content = bytearray(storage.read(url))
        content[len(content) // 2] ^= 1
        storage.write(url, bytes(content))
    except StorageError as exc:
        return "denied" if "denies" in str(exc) else str(exc)
    return "overwritten"
"""
LETTERS = str.maketrans("0123456789", "ghijklmnop")


@dataclass(frozen=True)
class Place:
    """A store, and a driver over it."""

    driver: Driver
    store: str
    storage: Storage

    def run(self, *arguments: str | Path) -> dict[str, Any]:
        """Carry out a run; return its report."""
        done = self.driver.run("run", "--target", "local", "--mappers", "2", "--json", *arguments)
        assert done.code == 0, done.err
        document: dict[str, Any] = done.document
        return document

    def put(self, name: str, content: bytes) -> str:
        """Write an input; return its URL."""
        url = f"{self.store}/{name}" if self.in_s3 else f"file://{self.driver.folder}/{name}"
        self.storage.write(url, content)
        return url

    @property
    def in_s3(self) -> bool:
        """Whether the policies of the roles hold here."""
        return self.store.startswith("s3:")

    def objects(self, *folders: str) -> list[str]:
        """Return the URLs of the store's objects below some folders."""
        return [
            info.url for folder in folders for info in self.storage.list(f"{self.store}/{folder}")
        ]

    def attack(self, urls: list[str], job: str = "Hostile") -> dict[str, str]:
        """Run a job that overwrites objects; return what became of each."""
        (self.driver.folder / "hostile.py").write_text(HOSTILE)
        listed = self.put("input/targets.txt", "\n".join(urls).encode())
        report = self.run("--input", listed, "--job", f"hostile.py:{job}", "--fresh")
        return dict(pairs_of(report, self.storage))

    def ended(self, *arguments: str) -> Finished:
        """Carry out another command."""
        return self.driver.run(*arguments)


@pytest.fixture(scope="module")
def emulator() -> Iterator[Emulator]:
    """S3 with the stack's bucket."""
    if MINISTACK.missing:
        pytest.skip(MINISTACK.missing)
    with running_emulator(STORE) as running:
        yield running


@pytest.fixture(params=["folder", "s3"])
def place(
    request: pytest.FixtureRequest, driver: Driver, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Place]:
    """A folder, and a bucket under the planned policies."""
    if request.param == "folder":
        yield Place(driver, f"file://{driver.store}", open_storage())
        return
    running: Emulator = request.getfixturevalue("emulator")
    policies: dict[str, Policy] = request.getfixturevalue("policies")
    for name, value in running.environment.items():
        monkeypatch.setenv(name, value)
    with gated(driver, running, policies) as world:
        yield Place(world.driver, URL, world.storage)


def _text() -> bytes:
    return "".join(f"line {number} of {number % 7}\n" for number in range(3_000)).encode()


def test_overwritten_attempts_are_found_and_written_again(place: Place) -> None:
    """A later run that would reuse the attempts does their tasks again; before that, `audit` names
    them, and the committed result is as it was.
    """
    text = _text()
    command = ("--input", place.put("input/a.txt", text), "--chunks", "4", "--reducers", "2")
    first = place.run(*command)
    attempts = [url for url in place.objects("maps", "reduce") if ".attempt-" in url]
    assert len(attempts) == 6
    assert set(place.attack(attempts).values()) == {"overwritten"}

    assert place.ended("verify", first["run_id"]).code == 0
    audited = place.ended("audit", first["run_id"])
    assert audited.code == 1
    for url in attempts:
        assert url.rpartition("/")[2] in audited.out + audited.err
    again = place.run(*command)
    assert again["reused_tasks"] == len(["split"])
    expected = ascii_words(text)
    for report in (first, again):
        assert expected == dict(pairs_of(report, place.storage))
    assert place.ended("audit", again["run_id"]).code == 0


def test_a_committed_result_is_out_of_reach_or_its_change_is_found(place: Place) -> None:
    """In S3 no task may overwrite what the driver has committed; in a folder, `verify` and `audit`
    find it.
    """
    command = ("--input", place.put("input/b.txt", _text()), "--chunks", "2", "--reducers", "2")
    first = place.run(*command)
    run = first["run_id"]
    committed = [*first["result_urls"], keys.success(place.store, run)]
    records = place.objects("tasks", "runs", "jobs")
    if place.in_s3:
        for job in ("Hostile", "InReduce"):
            assert set(place.attack([*committed, *records], job).values()) == {"denied"}
    else:
        assert place.attack(committed[:1]) == {committed[0]: "overwritten"}
    for command_name in ("verify", "audit"):
        assert place.ended(command_name, run).code == (0 if place.in_s3 else 1), command_name


def test_overwritten_states_are_found(place: Place) -> None:
    """A reduce task that would use kept states which another job has changed merges the blocks
    again.
    """
    chance = random.Random(8)
    texts = [
        " ".join(chance.randbytes(8).hex().translate(LETTERS) for _ in range(9_000))
        for _ in range(40)
    ]
    for number, text in enumerate(texts):
        place.put(f"input/many/{number:02d}.txt", text.encode())
    root = f"{place.store}/input/many" if place.in_s3 else str(place.driver.folder / "input/many")
    command = ("--input", root, "--reducers", "1")
    place.run(*command)
    kept = place.objects("pairs/states")
    written = {url: place.storage.read(url) for url in kept}
    assert kept
    (part,) = (url for url in place.objects("reduce") if ".attempt-" in url)
    assert set(place.attack([*kept, part], "InReduce").values()) == {"overwritten"}
    assert not [url for url in kept if place.storage.read(url) == written[url]]

    again = place.run(*command)
    assert ascii_words(" ".join(texts).encode()) == dict(pairs_of(again, place.storage))
    assert written == {url: place.storage.read(url) for url in kept}
