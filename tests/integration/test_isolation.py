"""A task never sees a change that another task made to its process, and a task's processes end with
it.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from mapreduce.code import JobSource, pack
from mapreduce.storage import open_storage
from mapreduce.wire import keys
from mapreduce.wire.messages import Done, Failed, JobSpec, Started, TaskError, parse_event
from mapreduce.wire.tokens import sign
from tests.integration.commands import Driver
from tests.integration.one_mapper import KEY, Mapper, running_mapper

TASKS = 20
HEAD = "from mapreduce import Count, Job\n"
CLASS = """
class J(Job):
    reduce = Count()
    change: bool = False

    def map(self, offset, line):
        if offset == 0:
"""
STATES = {
    "environment": ("import os", "os.environ['LEFT'] = '1'", "os.environ.get('LEFT')"),
    "folder": ("import os", "os.chdir('/')", "os.getcwd() == '/'"),
    "umask": ("import os", "os.umask(0o077)", "os.umask(0o022)"),
    "recursion": ("import sys", "sys.setrecursionlimit(333)", "sys.getrecursionlimit()"),
    "decimal": ("import decimal", "decimal.getcontext().prec = 3", "decimal.getcontext().prec"),
    "random": ("import random\nrandom.seed(5)", "random.random()", "random.random()"),
    "own random": ("import random\nR = random.Random(5)", "R.random()", "R.random()"),
    "signal": (
        "import signal",
        "signal.signal(signal.SIGUSR1, print)",
        "str(signal.getsignal(signal.SIGUSR1))",
    ),
    "descriptors": ("import os", "os.open('/dev/null', 0)", "len(os.listdir('/dev/fd'))"),
    "open file": ("F = open('/etc/passwd')", "F.read()", "F.tell()"),
    "threads": (
        "import threading, time",
        "threading.Thread(target=time.sleep, args=(60,), daemon=True).start()",
        "threading.active_count()",
    ),
    "list": ("L = []", "L.append(1)", "len(L)"),
    "patch": ("import json", "json.dumps = None", "json.dumps is None"),
    "csv": ("import csv", "csv.field_size_limit(5)", "csv.field_size_limit()"),
    "module": (
        "import sys, types",
        "sys.modules['left'] = types.ModuleType('left')",
        "'left' in sys.modules",
    ),
    "path": ("import sys", "sys.path.append('/left')", "'/left' in sys.path"),
    "folder made at import": (
        "import os, tempfile\nT = tempfile.mkdtemp()",
        "open(T + '/x', 'w').close()",
        "len(os.listdir(T))",
    ),
    "shared memory": ("import mmap\nM = mmap.mmap(-1, 9)", "M.write(b'x')", "M[0]"),
}


@pytest.fixture(scope="module")
def mapper(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mapper]:
    """One mapper with one slot for all tests of this file."""
    with running_mapper(tmp_path_factory.mktemp("mapper")) as made:
        yield made


@pytest.fixture
def stored(mapper: Mapper, tmp_path: Path) -> Callable[[str], JobSpec]:
    """Return a function that stores a job's code and returns its name."""

    def store(code: str) -> JobSpec:
        (tmp_path / "isolated.py").write_text(code)
        digest, data = pack(JobSource(tmp_path, "isolated", "J"))
        open_storage().write(keys.code(mapper.store, digest), data)
        return JobSpec(code=digest, module="isolated", name="J")

    return store


def _job(imports: str, *lines: str) -> str:
    """Return a job whose `map` runs lines at its first record, and counts under their results."""
    body = "".join(f"            {line}\n" for text in lines for line in text.split("\n"))
    return f"{HEAD}{imports}\n{CLASS}{body}        yield line, 1\n"


def _events(mapper: Mapper, job: JobSpec, **parameters: Any) -> list[Any]:
    mapper.job = job
    answer = mapper.post(mapper.task(**parameters))
    return [parse_event.validate_json(line) for line in answer.text.splitlines()]


def _said(mapper: Mapper, job: JobSpec, **parameters: Any) -> set[str]:
    """Return the names of a task's counters."""
    last = _events(mapper, job, **parameters)[-1]
    assert isinstance(last, Done), last
    return set(last.result.counters)  # type: ignore[union-attr]


@pytest.mark.parametrize("name", STATES)
def test_a_task_begins_from_the_same_state(
    mapper: Mapper, stored: Callable[[str], JobSpec], name: str
) -> None:
    """A task starts from the same state, whether or not another task changed its process before."""
    imports, change, look = STATES[name]
    say = f"self.count(repr({look}))"
    job = stored(_job(imports, f"{say}\nif self.change: {change}"))
    first = _said(mapper, job)
    assert len(first) == 1
    _said(mapper, job, change=True)
    assert _said(mapper, job) == first
    other = stored(_job(f"{imports}\nOTHER = 1", f"{change}"))
    _said(mapper, other)
    assert _said(mapper, job) == first


@pytest.mark.parametrize(
    ("imports", "named"),
    [
        (
            "import threading, time\nthreading.Thread(target=time.sleep, args=(60,), "
            "daemon=True).start()",
            "1 thread",
        ),
        ("import subprocess\nsubprocess.Popen(['sleep', '60'])", "1 process runs on"),
        ("import obstore", "obstore cannot be forked"),
        ("F = open('/etc/passwd')", "/etc/passwd stays open"),
    ],
)
def test_an_import_that_cannot_be_forked_is_repeated(
    mapper: Mapper, stored: Callable[[str], JobSpec], imports: str, named: str
) -> None:
    """If a job's import cannot be forked, each task imports it, and its first event says why."""
    job = stored(_job(imports, "self.count('done')"))
    for _ in range(2):
        events = _events(mapper, job)
        assert isinstance(events[0], Started)
        assert named in events[0].fresh
        assert isinstance(events[-1], Done)


def test_a_job_that_forks_answers_once(mapper: Mapper, stored: Callable[[str], JobSpec]) -> None:
    """The child of a job that forks ends before it answers; later tasks get their own answers."""
    forks = stored(_job("import os", "os.fork()"))
    plain = stored(_job("", "pass"))
    for job in (forks, plain, forks, plain):
        last = _events(mapper, job)[-1]
        assert isinstance(last, Done), last
        assert (last.result.records_in, last.attempt.index) == (3, 0)  # type: ignore[union-attr]
    _wait_until_alone(mapper)


def test_a_job_may_use_processes(mapper: Mapper, stored: Callable[[str], JobSpec]) -> None:
    """A job can use `multiprocessing`, whose children never return into the worker's code."""
    code = "import multiprocessing\n\n\ndef double(n):\n    return 2 * n\n"
    use = (
        "with multiprocessing.get_context('fork').Pool(2) as pool:\n"
        "    self.count(str(sum(pool.map(double, range(9)))))"
    )
    assert _said(mapper, stored(_job(code, use))) == {"72"}
    _wait_until_alone(mapper)


FORGED = """
for number in range(3, 1024):
    try:
        os.write(number, b'{"event":"done","result":{}}' + b'x' * 64)
    except OSError:
        pass
"""


def test_a_job_that_writes_to_every_descriptor_does_not_answer(
    mapper: Mapper, stored: Callable[[str], JobSpec]
) -> None:
    """A job that writes into the result's descriptor fails; the next task gets its own answer."""
    last = _events(mapper, stored(_job("import os", FORGED)))[-1]
    assert isinstance(last, Failed)
    assert "not the task's answer" in last.error.message
    assert isinstance(_events(mapper, stored(_job("", "pass")))[-1], Done)


STARTERS = {
    "plain": "subprocess.Popen(['sleep', MARK])",
    "session": "subprocess.Popen(['sleep', MARK], start_new_session=True)",
    "daemon": "subprocess.Popen(['sh', '-c', '(setsid sleep ' + MARK + ' &) &'])",
    "forked": "os.fork() or (os.setsid(), os.fork() or time.sleep(float(MARK)), os._exit(0))",
    "fork loop": "os.fork() or exec('while True:\\n    if os.fork(): os._exit(0)\\n    "
    "time.sleep(0.001)')",
}


@pytest.mark.parametrize("how", STARTERS)
@pytest.mark.parametrize("then", ["end", "raise", "die"])
def test_processes_of_a_job_end_with_its_task(
    mapper: Mapper, stored: Callable[[str], JobSpec], how: str, then: str
) -> None:
    """A process that a job starts ends with its task, however it started and the task ended."""
    mark = f"9{time.monotonic_ns() % 10**8}"
    ends = {"end": "pass", "raise": "raise ValueError", "die": "os.kill(os.getpid(), 9)"}[then]
    job = stored(
        _job(
            f"import os, subprocess, time\nMARK = '{mark}'", STARTERS[how], "time.sleep(0.1)", ends
        )
    )
    last = _events(mapper, job)[-1]
    assert isinstance(last, Done if then == "end" else Failed), last
    _wait_until_alone(mapper)
    assert _processes_with(mark) == []


def test_processes_of_a_job_end_with_its_caller(
    mapper: Mapper, stored: Callable[[str], JobSpec]
) -> None:
    """A process that a job starts ends when the task's caller disconnects."""
    mark = f"9{time.monotonic_ns() % 10**8}"
    job = stored(
        _job("import subprocess, time", f"subprocess.Popen(['sleep', '{mark}'])", "time.sleep(60)")
    )
    mapper.job = job
    body = mapper.task()
    headers = {"authorization": f"Bearer {sign(KEY, '/map', body, time.time())}"}
    with httpx.stream(
        "POST", f"{mapper.url}/map", content=body, headers=headers, timeout=30
    ) as running:
        lines = running.iter_lines()
        while '"progress"' not in next(lines) or not _processes_with(mark):
            pass
    mapper.wait_for(busy=0)
    _wait_until_alone(mapper)
    _wait_until_gone(mark)


def _wait_until_gone(mark: str) -> None:
    """Wait until no process has the mark: one that was killed is there until it is reaped."""
    deadline = time.monotonic() + 10
    while left := _processes_with(mark):
        assert time.monotonic() < deadline, left
        time.sleep(0.02)


def _processes_with(mark: str) -> list[psutil.Process]:
    """Return all processes of this machine that have the mark as an argument."""
    return [
        each for each in psutil.process_iter(["cmdline"]) if mark in (each.info["cmdline"] or ())
    ]


def _wait_until_alone(mapper: Mapper) -> None:
    """Wait until the service has a fork server, one worker, one template and one waiting copy, and
    no other process.
    """
    deadline = time.monotonic() + 10
    while len(left := psutil.Process(mapper.process.pid).children(recursive=True)) > 4:
        assert time.monotonic() < deadline, left
        time.sleep(0.02)


@pytest.mark.parametrize(
    ("line", "kind", "named"),
    [
        ("raise ValueError('bad \\ud800')", "UserCodeError", "bad \\ud800"),
        ("raise SystemExit(3)", "UserCodeError", "exit(3)"),
        ("raise KeyboardInterrupt", "UserCodeError", "KeyboardInterrupt"),
        ("raise GeneratorExit", "UserCodeError", "GeneratorExit"),
        ("os._exit(7)", "TaskLost", "exit code 7"),
        ("os.kill(os.getpid(), 11)", "TaskLost", "SIGSEGV"),
        ("os.kill(os.getppid(), 9); import time; time.sleep(9)", "TaskLost", "ended"),
    ],
)
def test_a_job_that_ends_its_process_gets_a_cause(
    mapper: Mapper, stored: Callable[[str], JobSpec], line: str, kind: str, named: str
) -> None:
    """A job that ends abnormally gets an error with the cause, and its frames if it raised; the
    next task succeeds.
    """
    last = _events(mapper, stored(_job("import os", line)))[-1]
    assert isinstance(last, Failed)
    error: TaskError = last.error
    assert error.kind == kind
    assert named in error.message
    assert kind != "UserCodeError" or "isolated.py" in error.traceback
    assert isinstance(_events(mapper, stored(_job("", "pass")))[-1], Done)


@pytest.mark.parametrize("line", ["exit()", "import os; os._exit(3)", "import os; os.fork()"])
def test_an_import_that_ends_its_process_is_a_failed_task(
    mapper: Mapper, stored: Callable[[str], JobSpec], line: str
) -> None:
    """An import that ends its process fails the task with the cause; one that forks succeeds."""
    last = _events(mapper, stored(_job(line, "pass")))[-1]
    assert isinstance(last, Done if "fork" in line else Failed), last
    assert isinstance(_events(mapper, stored(_job("", "pass")))[-1], Done)


def test_events_and_health_have_their_origin(
    mapper: Mapper, stored: Callable[[str], JobSpec]
) -> None:
    """Each event has the run, task, attempt, nonce and build; /health has the build."""
    job = stored(_job("", "pass"))
    answers = [_events(mapper, job) for _ in range(2)]
    names = [{event.attempt for event in events} for events in answers]
    assert all(len(each) == 1 for each in names)
    (first,), (second,) = names
    assert (first.run, first.stage, first.index, first.attempt) == ("run-1", "map", 0, "0")
    assert first.nonce != second.nonce
    build = mapper.health()["build"]
    assert build["engine"] == answers[0][-1].build.engine == answers[0][0].build.engine


def test_services_started_by_hand_have_one_hash_seed(
    mapper: Mapper, stored: Callable[[str], JobSpec]
) -> None:
    """Services have the shared hash seed, whatever the environment says."""
    seed = _said(mapper, stored(_job("import os", "self.count(os.environ['PYTHONHASHSEED'])")))
    assert seed == {"0"}


def test_the_peak_of_memory_is_the_tasks_own(
    mapper: Mapper, stored: Callable[[str], JobSpec]
) -> None:
    """The memory peak of a task does not include that of an earlier task."""
    job = stored(_job("", "if self.change: bytearray(200 << 20).count(1)"))
    peaks = []
    for change in (True, False):
        last = _events(mapper, job, change=change)[-1]
        assert isinstance(last, Done)
        peaks.append(last.result.cost.peak_memory_bytes)
    assert peaks[0] > 200 << 20
    assert peaks[1] < 150 << 20


@pytest.mark.skipif(sys.platform != "linux", reason="there is no /proc")
def test_a_task_copies_little_memory(mapper: Mapper, stored: Callable[[str], JobSpec]) -> None:
    """A task's process has at most 1,750 page faults: it measured 1,400, and 2,100 with needless
    copies.
    """
    job = stored(_job("", "pass"))
    _events(mapper, job)
    before = _faults_of_tasks(mapper)
    for _ in range(TASKS):
        assert isinstance(_events(mapper, job)[-1], Done)
    _wait_until_alone(mapper)
    assert 0 < (_faults_of_tasks(mapper) - before) / TASKS < 1750


def _faults_of_tasks(mapper: Mapper) -> int:
    """Return the page faults of the template's ended copies; only the template waits for them."""
    (server,) = psutil.Process(mapper.process.pid).children()
    (worker,) = server.children()
    (template,) = worker.children()
    return int(Path(f"/proc/{template.pid}/stat").read_text().rpartition(")")[2].split()[8])


def test_a_run_reports_once_that_tasks_import_its_job(driver: Driver) -> None:
    """A run reports once that its job is imported for each task, and its answer is right."""
    text, job = driver.folder / "t.txt", driver.folder / "anew.py"
    text.write_text("a\nb\na\n" * 50)
    imports = (
        "import threading, time\nthreading.Thread(target=time.sleep, args=(60,), "
        "daemon=True).start()\n"
    )
    job.write_text(
        imports + HEAD + CLASS.replace("        if offset == 0:\n", "        yield line, 1\n")
    )
    done = driver.run(
        "run", "--job", job, "--input", text, "--target", "local", "--chunks", "4", "--json"
    )
    assert done.code == 0, done.err
    assert (
        done.err.count(
            "each task imports the job anew, because of what its import does: 1 thread runs on"
        )
        == 1
    )
    result = Path(done.document["result_urls"][0].removeprefix("file://"))
    assert json.loads(result.read_text()) == {"a": 100, "b": 50}
    assert driver.wait_until_none_is_left() == []


def test_numpy_is_imported_once(driver: Driver) -> None:
    """NumPy starts no threads in a task's process, so that the tasks of a job that imports it are
    forks; a number of threads that the user has set is kept, and then each task imports it.
    """
    pytest.importorskip("numpy")
    text, job = driver.folder / "t.txt", driver.folder / "with_numpy.py"
    text.write_text("a b\n" * 40)
    job.write_text(
        "import numpy\nfrom mapreduce import Job, Sum\n"
        "class Lengths(Job):\n    reduce = Sum()\n    def map(self, offset, line):\n"
        "        yield 'length', int(numpy.array(list(line.encode())).size)\n"
    )
    command = ("run", "--job", job, "--input", text, "--target", "local", "--chunks", "2")
    ran = driver.run(*command)
    assert ran.code == 0, ran.err
    assert "anew" not in ran.err
    threads = {"OPENBLAS_NUM_THREADS": "2", "MKL_NUM_THREADS": "2", "OMP_NUM_THREADS": "2"}
    ran = replace(driver, variables=threads).run(*command, "--fresh")
    assert ran.code == 0, ran.err
    assert "each task imports the job anew" in ran.err


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_processes_of_a_job_end_with_a_stopped_driver(driver: Driver, number: int) -> None:
    """After a signal to the driver, processes that its job started end, daemons too."""
    text, job = driver.folder / "t.txt", driver.folder / "starts.py"
    text.write_text("a\n" * 10)
    started = driver.folder / "started"
    body = (
        "            subprocess.Popen(['setsid', 'sh', '-c', '(sleep 9864 &) &'])\n"
        f"            open({str(started)!r}, "
        "'w').close()\n            time.sleep(60)\n        yield line, 1\n"
    )
    job.write_text("import subprocess, time\n" + HEAD + CLASS + body)
    process = driver.start(
        "run", "--job", job, "--input", text, "--target", "local", "--chunks", "1"
    )
    deadline = time.monotonic() + 60
    while not started.exists():
        assert time.monotonic() < deadline
        time.sleep(0.02)
    os.kill(process.pid, number)
    process.communicate(timeout=30)
    assert driver.wait_until_none_is_left() == []
