"""What server 0 tells about its run."""

from __future__ import annotations

from examples.parameter_server.checkpoint import Outcome
from examples.parameter_server.core.generation import Generation
from examples.parameter_server.core.spec import Counts, RunSpec
from examples.parameter_server.progress import Progress

SPEC = RunSpec(clocks=2, micro_batches=1)


def test_a_run_from_its_start_to_its_end() -> None:
    """Each step is told, and the numbers of the present generation with it."""
    progress = Progress(expected_workers=4)
    assert "starting" == progress.status(0, None).state
    progress.begin("run-1", SPEC)
    assert progress.is_busy
    progress.restored(3, 20)
    progress.change("training")
    current = Generation("run-1", 3, SPEC, 1)
    found = progress.status(2, current)
    assert ("training", 3, 20, 1, 2, 4) == (
        found.state,
        found.generation,
        found.cut,
        found.version,
        found.workers,
        found.expected_workers,
    )
    outcome = Outcome(run="run-1", spec=SPEC, version=2, counts=Counts(), sha256="ab")
    progress.end(outcome, 0.5)
    assert ("done", 2, "ab") == (progress.state, *_of(progress))
    assert not progress.is_busy


def _of(progress: Progress) -> tuple[int, str]:
    found = progress.status(0, None)
    return found.version, found.sha256


def test_troubles_are_told_until_they_are_over() -> None:
    """Two at once are both told; a trouble is new once."""
    progress = Progress(0)
    progress.begin("run-1", SPEC)
    assert progress.trouble("workers", "no worker")
    assert not progress.trouble("workers", "still no worker")
    assert progress.trouble("cut", "no cut")
    assert "still no worker; no cut" == progress.status(0, None).problem
    progress.clear("workers")
    progress.clear("cut")
    progress.clear("cut")
    assert "" == progress.status(0, None).problem


def test_a_failed_run_says_why() -> None:
    """Its problem stays until the next run."""
    progress = Progress(0)
    progress.begin("run-1", SPEC)
    progress.trouble("workers", "no worker")
    outcome = Outcome(run="run-1", spec=SPEC, version=1, counts=Counts(), problem="diverged")
    progress.end(outcome, None)
    assert ("failed", "diverged") == (progress.state, progress.status(0, None).problem)
    progress.begin("run-2", SPEC)
    assert "" == progress.status(0, None).problem
