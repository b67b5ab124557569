"""The runner measures contenders in turns, and one contender's failure does not stop the others."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from bench.corpus import Corpus
from bench.measure import ROOT
from bench.results import Results
from bench.runner import Runner
from bench.trial import Judged, Place, Trial
from tests.requirement import CANNOT

CORPUS = Corpus("lines", 10)


def trial(
    name: str, script: str = "print(7)", wrong: str = "", needs: tuple[str, ...] = ()
) -> Trial:
    """Return a contender that is a line of Python."""

    def judge(place: Place, stdout: str) -> Judged:
        return Judged({"said": float(stdout)}, wrong)

    return Trial(
        "case", name, name, CORPUS, lambda _: [sys.executable, "-c", script], judge, needs=needs
    )


@pytest.fixture
def said() -> list[str]:
    """The runner's messages."""
    return []


@pytest.fixture
def runner(tmp_path: Path, said: list[str]) -> Runner:
    """A runner without measurements."""
    return Runner(
        Path(sys.executable), tmp_path, Results(tmp_path / "results.jsonl"), "code", said.append
    )


def measured(runner: Runner) -> list[tuple[str, int, str]]:
    """Return the measurements, in order."""
    return [(each.contender, each.repeat, each.status) for each in runner.results.records]


def test_a_long_trial_is_not_repeated(runner: Runner, monkeypatch: pytest.MonkeyPatch) -> None:
    """A trial whose runs have taken long enough is not run again; a quick one is."""
    monkeypatch.setattr("bench.runner.ENOUGH_S", 0.0)
    runner.run_trials([trial("a")], 3)
    assert [("a", 0, "ok")] == measured(runner)
    monkeypatch.setattr("bench.runner.ENOUGH_S", 1e9)
    runner.run_trials([trial("a")], 3)
    assert 3 == len(measured(runner))


def test_contenders_take_turns(runner: Runner) -> None:
    """Contenders are measured in turns, A B A B."""
    runner.run_trials([trial("a"), trial("b")], 2)
    assert [("a", 0, "ok"), ("b", 0, "ok"), ("a", 1, "ok"), ("b", 1, "ok")] == measured(runner)
    first, *_ = runner.results.records
    assert {"said": 7.0} == first.figures
    assert 650 == first.size_bytes
    assert first.wall_s > 0
    assert first.cpu_s > 0


def test_measured_trials_are_not_repeated(runner: Runner, said: list[str]) -> None:
    """An interrupted benchmark measures only the rest."""
    runner.run_trials([trial("a")], 1)
    said.clear()
    runner.run_trials([trial("a"), trial("b")], 1)
    assert ["case b"] == [line.partition(":")[0] for line in said]


@pytest.mark.parametrize(
    ("contender", "status", "why"),
    [
        (trial("b", "import sys; sys.exit('no memory')"), "failed", "exit code 1: no memory"),
        (trial("b", "print('gibberish')"), "failed", "could not convert string to float"),
        (trial("b", wrong="its digest differs"), "wrong", "its digest differs"),
        (trial("b", needs=("no-such-program",)), "missing", "no-such-program is not installed"),
        (
            trial("b", needs=("module:no_such_module",)),
            "missing",
            "it cannot be run here: ModuleNotFoundError",
        ),
    ],
)
def test_a_failure_is_recorded_and_the_others_continue(
    contender: Trial, status: str, why: str, runner: Runner, said: list[str]
) -> None:
    """A contender's failure is recorded with its cause, and is not repeated in the same run."""
    runner.run_trials([contender, trial("c")], 2)
    assert [("b", 0, status), ("c", 0, "ok"), ("c", 1, "ok")] == measured(runner)
    assert why in runner.results.records[0].why
    assert f"!!!!! {status.upper()}" in said[0]


def test_a_contender_that_is_long_is_measured_less_often(runner: Runner) -> None:
    """A contender with a limit on its repeats is measured less often."""
    runner.run_trials([replace(trial("a"), most_repeats=1), trial("b")], 2)
    assert [("a", 0, "ok"), ("b", 0, "ok"), ("b", 1, "ok")] == measured(runner)


def test_nothing_is_left_behind_but_the_corpus(runner: Runner, tmp_path: Path) -> None:
    """The folders of the measurements are deleted, and only the corpus and results stay."""
    runner.run_trials([trial("a")], 1)
    assert {"corpora", "results.jsonl"} == {path.name for path in tmp_path.iterdir()}


@pytest.mark.skipif(sys.platform != "linux", reason=f"{CANNOT}orphans are adopted on Linux only")
def test_the_time_of_orphans_counts(tmp_path: Path) -> None:
    """The processor time of a process that outlives its parent is counted, as for Spark's JVM."""
    busy = "import time\nwhile time.process_time() < 0.5: pass"
    parent = f"import subprocess, sys; subprocess.Popen([sys.executable, '-c', {busy!r}])"
    report = tmp_path / "report.json"
    command = [
        sys.executable,
        "-m",
        "bench.launch",
        str(os.getpid()),
        str(report),
        sys.executable,
        "-c",
        parent,
    ]
    subprocess.run(command, check=True, cwd=ROOT)
    took = json.loads(report.read_text())
    assert took["cpu_s"] >= 0.5
    assert took["exit_code"] == 0


MEASURER = """
import sys
from pathlib import Path
from bench.measure import measured
measured([sys.executable, "-c", sys.argv[2], sys.argv[3]], Path(sys.argv[1]), {})
"""
FAMILY = """
import pathlib, subprocess, sys, time
sleep = "import time; time.sleep(600)"
child = subprocess.Popen([sys.executable, "-c", sleep], start_new_session=True)
pathlib.Path(sys.argv[1]).write_text(str(child.pid))
time.sleep(600)
"""


@pytest.mark.skipif(
    sys.platform != "linux", reason=f"{CANNOT}a parent's death is signalled on Linux only"
)
@pytest.mark.parametrize("ending", [signal.SIGTERM, signal.SIGKILL, signal.SIGINT])
def test_the_measured_processes_end_with_the_runner(tmp_path: Path, ending: signal.Signals) -> None:
    """Every descendant of the measured command ends when the runner ends."""
    told = tmp_path / "told"
    os.mkfifo(told)
    measurer = subprocess.Popen(
        [sys.executable, "-c", MEASURER, str(tmp_path), FAMILY, str(told)],
        cwd=ROOT,
        stderr=subprocess.DEVNULL,
        # a shell's background jobs ignore Ctrl-C and so do their children; the runner here behaves
        # as in the foreground
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509 - it takes no lock
    )
    try:
        grandchild = psutil.Process(int(told.read_text()))  # reading waits for the writer
        measurer.send_signal(ending)
        measurer.wait(timeout=60)
        assert [] == psutil.wait_procs([grandchild], timeout=30)[1]
    finally:
        measurer.kill()
        measurer.wait()
