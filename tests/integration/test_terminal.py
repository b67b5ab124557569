"""Real commands with hostile data, terminals and stores: the output is safe, and the run ends as
usual.
"""

from __future__ import annotations

import json
import os
import pty
import re
import subprocess
import sys
import time
import unicodedata
from pathlib import Path

import pytest

from tests.integration.commands import Driver

HOSTILE = "a\x1b[2Jb\x9b2Jc\x1b]0;own\x07d[bold]e[/nope]:smile:\u202ef\u2066gé"
JOB = f"""
from mapreduce import Count, Job

HOSTILE = {HOSTILE!r}


class Hostile(Job):
    reduce = Count()
    fails: bool = False

    def map(self, offset, line):
        print(HOSTILE + line)
        self.count(HOSTILE)
        self.status(HOSTILE)
        if self.fails:
            raise ValueError(HOSTILE)
        yield HOSTILE + line, 1
"""
OURS = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|[\r\n]")
"""The codes with which the driver moves the cursor and sets colours."""


@pytest.fixture
def folder(driver: Driver) -> Path:
    """A folder with a hostile job and two lines of input."""
    (driver.folder / "hostile.py").write_text(JOB, encoding="utf-8")
    (driver.folder / "in.txt").write_text("x\ny\n")
    return driver.folder


def _command(*more: str, target: str = "inline") -> list[str]:
    return ["run", "--target", target, "--input", "in.txt", "--job", "hostile.py", *more]


def _shell(driver: Driver, text: str, **environment: str) -> subprocess.CompletedProcess[bytes]:
    """Run a line of bash in which `driver` is the program."""
    script = f'driver() {{ "{sys.executable}" -m driver "$@"; }}; {text}'
    return subprocess.run(
        ["bash", "-c", script],
        cwd=driver.folder,
        env=driver.environment | environment,
        capture_output=True,
        timeout=100,
        check=False,
    )


def _in_terminal(
    driver: Driver, arguments: list[str], read_bytes: int = 1 << 30
) -> tuple[int, str]:
    """Run a command in a terminal that closes after this number of bytes; return the exit code and
    the output.
    """
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "driver", *arguments],
        cwd=driver.folder,
        env={**driver.environment, "TERM": "xterm-256color", "COLUMNS": "200"},
        stdin=subprocess.DEVNULL,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
    )
    os.close(theirs)
    seen = b""
    while len(seen) < read_bytes:
        try:
            seen += os.read(ours, 65536)
        except OSError:  # the last process has closed the terminal
            break
    os.close(ours)
    return process.wait(100), seen.decode(errors="replace")


def _stopped_terminal(driver: Driver, arguments: list[str], until: Path) -> bool:
    """Run a command in a stopped terminal (Ctrl-S); return whether a file appears nevertheless."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "driver", *arguments],
        cwd=driver.folder,
        env={**driver.environment, "TERM": "xterm-256color", "COLUMNS": "200"},
        stdin=subprocess.DEVNULL,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
    )
    os.close(theirs)
    last = time.monotonic() + 40
    while not list(driver.folder.glob(str(until))) and time.monotonic() < last:
        time.sleep(0.05)
    came = bool(list(driver.folder.glob(str(until))))
    os.close(ours)  # a process that waits for the terminal gets an error
    assert process.wait(60) == 0
    return came


def _obeyed(text: str) -> list[str]:
    return [char for char in text if unicodedata.category(char) in ("Cc", "Cf", "Cs", "Zl", "Zp")]


@pytest.mark.parametrize("target", ["inline", "local"])
def test_no_escape_code_of_the_data_reaches_a_terminal(
    driver: Driver, folder: Path, target: str
) -> None:
    """No escape code in keys, counters, prints or messages reaches the terminal."""
    for more, code in ((), 0), (("--param", "fails=true"), 1):
        ended, seen = _in_terminal(driver, _command(*more, target=target))
        assert ended == code
        assert "\x1b[2J" not in seen
        assert "\x1b]" not in seen
        assert _obeyed(OURS.sub("", seen)) == []
        assert r"\x1b[2Jb\x9b2Jc" in seen
        assert "[bold]e[/nope]:smile:" in seen
    for command in ("status", "runs", "logs", "verify", "audit"):
        _, seen = _in_terminal(driver, [command])
        assert _obeyed(OURS.sub("", seen)) == [], command


def test_in_a_pipe_there_is_no_code_at_all(driver: Driver, folder: Path) -> None:
    """In a pipe the output has no escape codes, and the document has the exact key."""
    done = driver.run(*_command("--json"))
    assert done.code == 0
    assert _obeyed((done.out + done.err).replace("\n", "")) == []
    assert sorted(key for key, _ in done.document["top"]) == [f"{HOSTILE}x", f"{HOSTILE}y"]


@pytest.mark.parametrize("target", ["inline", "local"])
@pytest.mark.parametrize(
    "ending", ["2>/dev/full", "2>&-", "<&- >&- 2>&-", "2> >(head -c 1 >/dev/null)"]
)
def test_standard_error_that_cannot_be_written_ends_nothing(
    driver: Driver, folder: Path, target: str, ending: str
) -> None:
    """If standard error is full, closed, or a broken pipe, the exit code is still the run's."""
    good, bad = (
        " ".join(_command(target=target)),
        " ".join(_command("--param", "fails=true", target=target)),
    )
    assert _shell(driver, f"driver {good} --output o.json {ending}").returncode == 0
    assert len(json.loads((folder / "o.json").read_text())) == 2
    assert _shell(driver, f"driver {bad} {ending}").returncode == 1


@pytest.mark.parametrize("ending", ["2>&-", "<&- >&- 2>&-"])
def test_closed_descriptors_stay_closed(driver: Driver, folder: Path, ending: str) -> None:
    """Text for a closed descriptor 2 does not reach a file or socket that has got its number."""
    (folder / "raw.py").write_text(
        "import os\n\nfrom mapreduce import Count, "
        "Job\n\n\nclass Raw(Job):\n    reduce = Count()\n\n"
        "    def map(self, offset, line):\n        os.write(2, b'raw')\n        yield line, 1\n"
    )
    command = "driver run --target inline --input in.txt --job raw.py --output o.json"
    assert _shell(driver, f"{command} {ending}").returncode == 0
    assert json.loads((folder / "o.json").read_text()) == {"x": 1, "y": 1}


def test_a_terminal_that_goes_away_ends_nothing(driver: Driver, folder: Path) -> None:
    """A run continues after its terminal has closed."""
    code, _ = _in_terminal(driver, _command("--output", "o.json", target="local"), read_bytes=1)
    assert code == 0
    assert len(json.loads((folder / "o.json").read_text())) == 2


def test_a_terminal_that_is_stopped_holds_no_run_up(driver: Driver, folder: Path) -> None:
    """A run commits its result while its terminal is stopped."""
    (folder / "slow.py").write_text(
        "import time\n\nfrom mapreduce import Count, "
        "Job\n\n\nclass Slow(Job):\n    reduce = Count()\n\n"
        "    def map(self, offset, line):\n        time.sleep(4)\n        yield line, 1\n"
    )
    command = [
        "run",
        "--target",
        "local",
        "--input",
        "in.txt",
        "--job",
        "slow.py",
        "--chunks",
        "2",
        "--mappers",
        "1",
    ]
    assert _stopped_terminal(driver, command, Path(".mapreduce/reduce/*/_SUCCESS"))


@pytest.mark.parametrize("ending", [">/dev/full", ">&-"])
def test_a_document_that_cannot_be_written_is_one_line(
    driver: Driver, folder: Path, ending: str
) -> None:
    """If standard output cannot be written, one line and exit code 1 say so; the result is
    committed.
    """
    done = _shell(driver, f"driver {' '.join(_command('--json'))} {ending}")
    error = [line for line in done.stderr.decode().splitlines() if line.startswith("error: ")]
    assert (done.returncode, len(error)) == (1, 1)
    assert b"Traceback" not in done.stderr
    assert "standard output cannot be written to" in error[0]
    assert f"{error[0].rpartition(' ')[2]}: done" in driver.run("status").out
    helped = _shell(driver, f"driver run --help {ending}")
    assert (helped.returncode, b"Traceback" in helped.stderr) == (1, False)


def test_a_terminal_in_ascii(driver: Driver, folder: Path) -> None:
    """An ASCII terminal gets escapes for other characters, and an unchanged document."""
    text = f"driver {' '.join(_command('--json', target='local'))}"
    done = _shell(driver, text, LC_ALL="C", PYTHONIOENCODING="ascii:strict", COLUMNS="0")
    assert done.returncode == 0
    assert (done.stdout + done.stderr).isascii()
    assert len(json.loads(done.stdout)["top"]) == 2


def test_a_cache_that_cannot_be_written_ends_nothing(driver: Driver, folder: Path) -> None:
    """If the cache cannot be written, the run succeeds and says once that nothing is reused."""
    driver.store.mkdir()
    (driver.store / "tasks").touch()
    done = driver.run(*_command("--json", target="local"))
    assert done.code == 0
    (note,) = done.document["notes"]
    assert note.startswith("the results of tasks could not be kept for later runs, ")
    assert done.err.count("could not be kept") == 1
    failed = driver.run(*_command("--param", "fails=true", target="local"))
    assert failed.code == 1
    assert "ValueError" in failed.err


def test_one_broken_run_hides_no_other(driver: Driver, folder: Path) -> None:
    """Runs with broken records are listed as unreadable, and do not affect other runs."""
    good = driver.run(*_command("--json")).document["run_id"]
    names = [
        "run-20991231-235959-half-owl",
        "RUN-step-abc",
        f"{good}-step-abc",
        "od\x1b[2Jd",
        "zebra",
        "lat\udce9",
    ]
    for name in names:
        (driver.store / "runs" / name).mkdir()
        (driver.store / "runs" / name / "plan.json").write_bytes(b"{")
    (driver.store / "runs" / good / "failure.json").write_text('{"kind": "\\u001b[2J"}')
    listed = driver.run("runs", "--json")
    states = {run["run_id"]: run["state"] for run in listed.document["runs"]}
    assert states.pop(good) == "done"
    assert (listed.code, len(states), set(states.values())) == (0, len(names), {"unreadable"})
    shown = driver.run("runs").out
    assert good in shown
    assert _obeyed(shown.replace("\n", "")) == []
    for command in (
        ["status"],
        ["status", good],
        ["audit"],
        ["verify"],
        ["clean", good],
        ["clean", "--all-runs"],
    ):
        done = driver.run(*command)
        said = done.out + done.err
        assert (done.code, good in said or "would delete" in said) == (0, True), said
    assert driver.run("clean", "--everything", "--yes").code == 0
    assert [path.name for path in (driver.store / "runs").iterdir()] == ["od\x1b[2Jd"]


def test_a_forged_failure_is_shown_and_not_obeyed(driver: Driver, folder: Path) -> None:
    """A forged failure is shown with visible escapes."""
    run = driver.run(*_command("--json", "--param", "fails=true"))
    assert run.code == 1
    (path,) = (driver.store / "runs").glob("*/failure.json")
    texts = ("message", "traceback", "place", "record", "url", "task")
    cause = {"kind": "TaskLost", "attempts": 1} | dict.fromkeys(texts, HOSTILE)
    forged = {"kind": "JobFailed", "causes": [cause]}
    path.write_text(json.dumps(forged | dict.fromkeys(("run", "message", "replay"), HOSTILE)))
    status = driver.run("status")
    assert "a\\x1b[2Jb\\x9b2Jc" in status.out
    assert _obeyed((status.out + status.err).replace("\n", "")) == []
    path.write_text('{"kind": 5')
    status = driver.run("status")
    assert (status.code, "why it failed cannot be read" in status.out) == (0, True)


def test_a_traceback_and_a_message_of_megabytes_are_cut(driver: Driver, folder: Path) -> None:
    """A huge traceback or message is cut on the terminal and in the run's records."""
    (folder / "long.py").write_text(
        "from mapreduce import Count, Job\n\n\nclass Long(Job):\n    reduce = Count()\n\n"
        "    def map(self, offset, line):\n        raise ValueError('m' * 10_000_000)\n        "
        "yield line, 1\n"
    )
    done = driver.run("run", "--target", "local", "--input", "in.txt", "--job", "long.py")
    assert done.code == 1
    assert "ValueError: mmm" in done.err
    assert len(done.err) < 60_000
    (run,) = (driver.store / "runs").iterdir()
    assert all(path.stat().st_size < 100_000 for path in run.iterdir())


@pytest.mark.parametrize("option", ["--input", "--store", "--job", "--param"])
def test_names_that_are_no_utf_8_are_refused(driver: Driver, folder: Path, option: str) -> None:
    """A name that is not UTF-8 is refused with exit code 2 and a message that shows the byte."""
    name = "bad-\udce9.py"
    (folder / name).write_text(JOB, encoding="utf-8")
    given = f"fails={name}" if option == "--param" else name
    options = {"--input": "in.txt", "--job": "hostile.py", option: given}
    done = driver.run(
        "run", "--target", "inline", *(text for pair in options.items() for text in pair)
    )
    assert done.code == 2
    assert re.search(r"^error: .*bad-\\(xe9|udce9)\.py.* is (no|not) UTF-8", done.err, re.MULTILINE)
    assert "Traceback" not in done.err
