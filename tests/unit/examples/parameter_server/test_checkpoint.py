"""Cuts in the store."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from examples.parameter_server.checkpoint import KEPT, Manifest, Outcome, Runs, fingerprint
from examples.parameter_server.core.shard import Cut
from examples.parameter_server.core.spec import Counts, RunSpec
from mapreduce.errors import LeaseTaken, ObjectExists, OutputLost
from mapreduce.storage import open_storage

SPEC = RunSpec(clocks=5)


@pytest.fixture
def runs(tmp_path: Path) -> Runs:
    """Return a store with one run."""
    found = Runs(open_storage(), f"file://{tmp_path}")
    found.create("run-1", SPEC)
    return found


def _cut(runs: Runs, version: int, generation: int = 1, shards: int = 2) -> Manifest:
    parts = tuple(
        runs.write_part(
            "run-1",
            generation,
            shard,
            Cut(version, np.full(2, version + shard / 10), np.full(2, -1.0), ((version, shard),)),
        )
        for shard in range(shards)
    )
    manifest = Manifest(version=version, generation=generation, parts=parts, counts=Counts())
    runs.commit("run-1", manifest)
    return manifest


def test_a_cut_comes_back_bit_for_bit(runs: Runs) -> None:
    """Parameters, velocity, and what is ahead."""
    _cut(runs, 3)
    (manifest,) = runs.cuts("run-1")
    found = runs.read_part(manifest.parts[1], 3)
    assert [3.1, 3.1] == [*found.theta]
    assert [-1.0, -1.0] == [*found.velocity]
    assert ((3, 1),) == found.ahead
    assert [3.0, 3.0, 3.1, 3.1] == [*runs.parameters(manifest.parts)]


def test_parts_without_a_manifest_are_no_cut(runs: Runs) -> None:
    """A server that died in a cut has left nothing to go on from."""
    runs.write_part("run-1", 1, 0, Cut(4, np.ones(1), np.ones(1)))
    assert [] == [*runs.cuts("run-1")]


def test_the_newest_cut_is_first_and_old_ones_go(runs: Runs, tmp_path: Path) -> None:
    """Two cuts stay, with their parts and no others."""
    for version in range(1, 5):
        _cut(runs, version)
        runs.prune("run-1")
    assert [4, 3] == [each.version for each in runs.cuts("run-1")]
    assert 2 * KEPT == len([*tmp_path.rglob("part-*")])


def test_a_cut_is_made_once(runs: Runs) -> None:
    """The same again is the same cut; another of that name is refused."""
    manifest = _cut(runs, 3)
    runs.commit("run-1", manifest)
    with pytest.raises(ObjectExists):
        runs.commit("run-1", manifest.model_copy(update={"counts": Counts(leased=1)}))


@pytest.mark.parametrize("damage", ["missing", "bit", "short"])
def test_a_damaged_part_is_not_used(runs: Runs, tmp_path: Path, damage: str) -> None:
    """A part that is gone, or has other bytes, is an error that names it."""
    manifest = _cut(runs, 3)
    path = Path(manifest.parts[0].url.removeprefix("file://"))
    content = path.read_bytes()
    if damage == "missing":
        path.unlink()
    else:
        path.write_bytes(content[:-1] + (b"\x7f" if damage == "bit" else b""))
    with pytest.raises(OutputLost, match="part-000"):
        runs.read_part(manifest.parts[0], 3)


def test_generations_rise(runs: Runs) -> None:
    """Each start of a run has a number of its own."""
    assert [1, 2, 3] == [runs.claim_generation("run-1") for _ in range(3)]


@pytest.mark.parametrize("problem", ["", "diverged"])
def test_the_newest_run_is_left_over_until_it_ends(runs: Runs, problem: str) -> None:
    """A run without a mark is gone on with; a mark of either kind ends it."""
    assert ("run-1", SPEC) == runs.unfinished()
    runs.create("run-2", SPEC)
    assert ("run-2", SPEC) == runs.unfinished()
    outcome = Outcome(run="run-2", spec=SPEC, version=5, counts=Counts(), problem=problem)
    runs.end(outcome)
    runs.end(outcome)
    assert runs.unfinished() is None
    assert outcome == runs.outcome("run-2")


def test_an_empty_store_has_no_run(tmp_path: Path) -> None:
    """There is nothing to go on with."""
    assert Runs(open_storage(), f"file://{tmp_path}").unfinished() is None


def test_a_fingerprint_is_of_the_bytes() -> None:
    """The SHA-256 of eight zero bytes, as sha256sum prints it."""
    expected = "af5570f5a1810b7af78caf4bc70a660f0df51e42baf91d4de5b2328de0e83dfc"
    assert expected == fingerprint(np.zeros(1))


def test_an_earlier_generation_writes_no_record(runs: Runs) -> None:
    """A server 0 that was replaced neither makes a cut nor ends the run."""
    assert 1 == runs.claim_generation("run-1")
    _cut(runs, 1)
    assert 2 == Runs(runs._storage, runs._root.removesuffix("/training")).claim_generation("run-1")
    with pytest.raises(LeaseTaken, match="has begun generation 2"):
        _cut(runs, 2)
    outcome = Outcome(run="run-1", spec=SPEC, version=5, counts=Counts())
    with pytest.raises(LeaseTaken):
        runs.end(outcome, 1)
    assert runs.outcome("run-1") is None
    with pytest.raises(LeaseTaken):
        runs.claim_generation("run-1")


def test_the_first_mark_of_a_run_counts(runs: Runs) -> None:
    """The second one to end a run learns how it has ended."""
    first = Outcome(run="run-1", spec=SPEC, version=5, counts=Counts(), sha256="1")
    assert first == runs.end(first)
    assert first == runs.end(first.model_copy(update={"sha256": "2"}))
    assert first == runs.end(first.model_copy(update={"problem": "diverged"}))
    assert first == runs.outcome("run-1")


@pytest.mark.parametrize("name", ["_SUCCESS", "spec.json"])
@pytest.mark.parametrize("content", ['{"version": null}', "", None])
def test_a_run_with_an_unreadable_record_has_ended(
    name: str, content: str | None, runs: Runs, tmp_path: Path
) -> None:
    """It does not keep the store from other runs."""
    place = tmp_path / "training" / "run-1" / name
    place.unlink(missing_ok=True)
    if content is not None:
        place.write_text(content)
    elif name == "_SUCCESS":
        place.write_bytes(b"\xff")
    assert runs.unfinished() is None
