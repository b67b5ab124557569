"""Whole runs under the policies that Terraform plans: each role's services reach S3 through a proxy
that answers as S3 does under the role's policy.

Each case names the accesses that its services make. Together they are all that the policies allow.
"""

from __future__ import annotations

import gzip
import random
from base64 import b64encode
from collections import Counter
from collections.abc import Callable, Iterator

import pytest

from tests.contract.emulator import MINISTACK, Emulator, running_emulator
from tests.integration.commands import Driver, ascii_words
from tests.integration.gated import URL, Gated, folder_of, gated, status_of
from tests.policies.forbidden import forbidden
from tests.policies.planned import EXTRA, MAPPER, REDUCER, ROLES, STORE
from tests.policies.policy import Policy
from tests.policies.s3_actions import S3Request

pytestmark = [pytest.mark.s3, pytest.mark.timeout(300)]


@pytest.fixture(scope="module")
def emulator() -> Iterator[Emulator]:
    """S3 with the stack's bucket and an extra input bucket."""
    if MINISTACK.missing:
        pytest.skip(MINISTACK.missing)
    with running_emulator(STORE, EXTRA, server=MINISTACK) as running:
        yield running


@pytest.fixture
def world(
    driver: Driver,
    emulator: Emulator,
    policies: dict[str, Policy],
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Gated]:
    """A driver whose services are under the policies."""
    for name, value in emulator.environment.items():
        monkeypatch.setenv(name, value)
    with gated(driver, emulator, policies) as made:
        yield made


def _text(lines: int = 3_000) -> bytes:
    return "".join(f"line {number} of {number % 7}\n" for number in range(lines)).encode()


def _counts(*texts: bytes) -> dict[str, int]:
    return dict(Counter(word for text in texts for word in ascii_words(text).elements()))


LETTERS = str.maketrans("0123456789", "ghijklmnop")
SPLIT, MAP, REDUCE = (
    "splitter: input",
    "mapper: input jobs > maps",
    "reducer: jobs maps > reduce",
)
MAP_ONLY = """
from mapreduce import Chain, Job

class Rows(Job):
    def map(self, offset, line):
        yield offset, line
"""
TWO_MAPS = (
    MAP_ONLY
    + """

class Again(Job):
    def map(self, offset, line):
        yield offset, line


class Both(Chain):
    def steps(self):
        yield Rows()
        yield Again()
"""
)
LONG = """
from mapreduce import Job

class Long(Job):
    def map(self, offset, line):
        yield offset, line

    def reduce(self, offset, lines):
        for line in lines:
            yield offset, line
"""
BESIDE = """
from spelling import normal
from mapreduce import Job, Sum, words

class Beside(Job):
    reduce = Sum()
    files = ["stop.txt"]

    def map_setup(self):
        self.stop = set(self.path("stop.txt").read_text().split())

    def map(self, offset, line):
        for word in words(line):
            if word not in self.stop:
                yield normal(word), 1
"""
NUMBERS = """
from mapreduce import Job, Sum

class Numbers(Job):
    reduce = Sum()

    def map(self, offset, line):
        yield "total", int(line)
"""
COLUMNS = """
from mapreduce import Job, Parquet, Sum

class Columns(Job):
    input_format = Parquet()
    reduce = Sum()

    def map(self, offset, row):
        yield row["word"], row["n"]
"""


def _count(world: Gated) -> None:
    text = _text()
    book = world.put(f"{URL}/input/books/a book.txt", text)
    report = world.run("--input", book, "--reducers", "2", "--chunks", "4")
    assert _counts(text) == dict(world.pairs(report))
    for command in ("verify", "audit"):
        assert world.driver.run(command, report["run_id"]).code == 0, command


def _sort(world: Gated) -> None:
    text = _text()
    book = world.put(f"{URL}/input/sorted.txt", text)
    report = world.run("--input", book, "--reducers", "3", "--chunks", "4", "--sort")
    assert sorted(_counts(text).items()) == world.pairs(report)


def _chain(world: Gated) -> None:
    text = _text()
    book = world.put(f"{URL}/input/chain.txt", text)
    options = ("--job", "top_k", "--param", "k=3", "--reducers", "2", "--chunks", "3")
    report = world.run("--input", book, *options)
    assert len(report["steps"]) == 2
    best = sorted(_counts(text).items(), key=lambda pair: (-pair[1], pair[0]))[:3]
    assert [(rank, list(pair)) for rank, pair in enumerate(best, 1)] == world.pairs(report)


def _map_only(world: Gated) -> None:
    text = _text(200)
    book = world.put(f"{URL}/input/rows.txt", text)
    (world.folder / "rows.py").write_text(MAP_ONLY)
    report = world.run("--input", book, "--job", "rows.py", "--chunks", "3")
    assert text.decode().splitlines() == [line for _, line in sorted(world.pairs(report))]


def _copied(world: Gated) -> None:
    text = _text()
    book = world.put(f"{URL}/input/copied.gz", gzip.compress(text))
    report = world.run("--input", book, "--split-mode", "copy", "--chunks", "3")
    assert _counts(text) == dict(world.pairs(report))


def _extra(world: Gated) -> None:
    text = _text()
    book = world.put(f"s3://{EXTRA}/books/a.txt", text)
    report = world.run("--input", book, "--chunks", "3")
    assert _counts(text) == dict(world.pairs(report))


def _earlier(world: Gated) -> None:
    book = world.put(f"{URL}/input/earlier.txt", _text(200))
    (world.folder / "rows.py").write_text(MAP_ONLY)
    first = world.run("--input", book, "--job", "rows.py", "--chunks", "2")
    second = world.run("--input", f"{URL}/reduce/{first['run_id']}/", "--chunks", "2")
    parts = b"".join(map(world.storage.read, first["result_urls"]))
    assert _counts(parts) == dict(world.pairs(second))


def _beside(world: Gated) -> None:
    text = _text()
    book = world.put(f"{URL}/input/beside.txt", text)
    (world.folder / "beside.py").write_text(BESIDE)
    (world.folder / "spelling.py").write_text("def normal(word):\n    return word\n")
    (world.folder / "stop.txt").write_text("of")
    report = world.run("--input", book, "--job", "beside.py", "--chunks", "3")
    expected = _counts(text)
    del expected["of"]
    assert expected == dict(world.pairs(report))


def _large(world: Gated) -> None:
    chance = random.Random(7)
    lines = [b64encode(chance.randbytes(750)).decode() for _ in range(24_000)]
    book = world.put(f"{URL}/input/large.txt", "\n".join(lines).encode())
    (world.folder / "long.py").write_text(LONG)
    for role in (MAPPER, REDUCER):
        world.deny_once(role, lambda request: "partNumber" in request.query)
    options = ("--job", "long.py", "--chunks", "1", "--reducers", "1")
    report = world.run("--input", book, *options)
    assert [1, 1] == [len(world.roles[role].denied) for role in (MAPPER, REDUCER)]
    assert lines == [line for _, line in sorted(world.pairs(report))]


def _lost(world: Gated) -> None:
    text = _text()
    book = world.put(f"{URL}/input/lost.txt", text)
    world.when(REDUCER, f"/{STORE}/maps/3/", lambda url: world.storage.delete([url]))
    report = world.run("--input", book, "--chunks", "6", "--reducers", "1")
    assert _counts(text) == dict(world.pairs(report))
    written = [each.path for each in world.roles[MAPPER].requests if "/map-00003." in each.path]
    assert len(written) == 2, "the lost output was not written again"


def _bad_records(world: Gated) -> None:
    book = world.put(f"{URL}/input/numbers.txt", b"".join(b"%d\n" % n for n in range(99)) + b"x\n")
    (world.folder / "totals.py").write_text(NUMBERS)
    report = world.run("--input", book, "--job", "totals.py", "--skip-bad-records", "1")
    assert {"total": sum(range(99))} == dict(world.pairs(report))


def _parquet(world: Gated) -> None:
    import duckdb

    path = world.folder / "rows.parquet"
    duckdb.sql(
        f"copy (select 'w' || (i % 5) as word, i as n from range(1000) t(i)) to '{path}' "
        "(format parquet, row_group_size 2048)"
    )
    book = world.put(f"{URL}/input/rows.parquet", path.read_bytes())
    (world.folder / "columns.py").write_text(COLUMNS)
    report = world.run("--input", book, "--job", "columns.py")
    assert {f"w{n}": sum(range(n, 1000, 5)) for n in range(5)} == dict(world.pairs(report))


def _kept(world: Gated) -> None:
    chance = random.Random(8)
    for name in range(40):
        words = (chance.randbytes(8).hex().translate(LETTERS) for _ in range(9_000))
        world.put(f"{URL}/input/many/{name:02d}.txt", " ".join(words).encode())
    options = ("--input", f"{URL}/input/many", "--reducers", "1", "--job", "word_count")
    world.run(*options)
    world.put(f"{URL}/input/many/99.txt", b"one more\n")
    world.run(*options)


def _chain_of_maps(world: Gated) -> None:
    text = _text(200)
    book = world.put(f"{URL}/input/two.txt", text)
    (world.folder / "two.py").write_text(TWO_MAPS)
    report = world.run("--input", book, "--job", "two.py:Both", "--chunks", "2")
    assert text.decode().splitlines() == [line for _, line in sorted(world.pairs(report))]


def _corrupted(world: Gated) -> None:
    text = _text()
    book = world.put(f"{URL}/input/chaos.txt", text)
    options = ("--chunks", "6", "--reducers", "3", "--chaos", "corrupt=0.4,duplicate=0.2")
    report = world.run("--input", book, *options, "--chaos-seed", "3")
    stages = {
        row["task"].partition("-")[0] for row in report["faults"] if row["fault"] == "corrupt"
    }
    assert stages >= {"map", "reduce"}, report["faults"]
    assert _counts(text) == dict(world.pairs(report))


CASES: dict[str, tuple[Callable[[Gated], None], str]] = {
    "word count": (_count, f"{SPLIT}; {MAP}; {REDUCE}"),
    "total order": (
        _sort,
        "splitter: input jobs > chunks; mapper: chunks input jobs > maps; " + REDUCE,
    ),
    "chain": (
        _chain,
        "splitter: input pairs; mapper: input jobs pairs > maps; reducer: jobs maps > pairs reduce",
    ),
    "chain of maps": (
        _chain_of_maps,
        "splitter: input pairs; mapper: input jobs pairs > pairs reduce",
    ),
    "map only": (_map_only, f"{SPLIT}; mapper: input jobs > reduce"),
    "chunk files": (_copied, "splitter: input > chunks; mapper: chunks jobs > maps; " + REDUCE),
    "extra bucket": (_extra, f"splitter: other:; mapper: jobs other: > maps; {REDUCE}"),
    "earlier result": (
        _earlier,
        f"splitter: input reduce; mapper: input jobs reduce > maps reduce; {REDUCE}",
    ),
    "files beside the job": (_beside, f"{SPLIT}; {MAP}; {REDUCE}"),
    "large objects": (_large, f"{SPLIT}; {MAP} maps!; {REDUCE} reduce!"),
    "lost map output": (_lost, f"{SPLIT}; {MAP}; {REDUCE}"),
    "bad records": (_bad_records, f"{SPLIT}; {MAP}; {REDUCE}"),
    "Parquet": (_parquet, f"{SPLIT}; {MAP}; {REDUCE}"),
    "kept states": (_kept, f"{SPLIT}; {MAP}; reducer: jobs maps pairs > pairs reduce"),
    "corrupted outputs": (
        _corrupted,
        f"{SPLIT}; mapper: input jobs maps > maps; reducer: jobs maps reduce > reduce",
    ),
}
"""The runs, and the folders that each role reads > writes; "!" is an aborted write in parts."""
UNUSED = {
    "splitter GetObject chunks",
    *(f"{role} GetObject packages" for role in ("splitter", "mapper", "reducer")),
}
"""What is allowed and no run here uses: a writer may read what it writes, and the packages of a job
are those of the end-to-end test.
"""


def _accesses(uses: str) -> set[str]:
    """Return the accesses that a text of `CASES` names."""
    found: set[str] = set()
    for each in uses.split("; "):
        role, _, folders = each.partition(": ")
        reads, _, writes = folders.partition(" > ")
        found |= {f"{role} GetObject {folder}" for folder in reads.split()}
        for folder in writes.split():
            action = "AbortMultipartUpload" if folder.endswith("!") else "PutObject"
            found.add(f"{role} {action} {folder.removesuffix('!')}")
    return found


@pytest.mark.parametrize("name", CASES)
def test_a_run_under_the_policies(world: Gated, name: str) -> None:
    """The answer is right, and each role makes exactly the accesses that its case names: each is
    allowed.
    """
    act, uses = CASES[name]
    act(world)
    assert _accesses(uses) == set(world.accesses())
    assert all("partNumber" in each.query for role in ROLES for each in world.roles[role].denied)


def test_the_policies_allow_what_runs_use(policies: dict[str, Policy]) -> None:
    """Each folder that a policy allows to read or write is used by a run of `CASES`."""
    allowed = {
        f"{role} {action.removeprefix('s3:')} {folder_of(resource)}"
        for role, policy in policies.items()
        for statement in policy.statements
        for action in statement["Action"]
        if action in ("s3:GetObject", "s3:PutObject")
        for resource in statement["Resource"]
    }
    used = set().union(*(_accesses(uses) for _, uses in CASES.values()))
    assert allowed - UNUSED == {each for each in used if " Abort" not in each}


@pytest.mark.parametrize("role", ROLES)
def test_a_forbidden_request_is_denied(world: Gated, role: str) -> None:
    """What a role may not do, by any kind of request, gets 403 AccessDenied."""
    requests = list(forbidden(role))
    assert {403} == {status_of(world.roles[role].endpoint, each) for each in requests}
    assert len(requests) == len(world.roles[role].denied) > 150


@pytest.mark.parametrize("role", ROLES)
def test_a_missing_object_is_told_to_who_may_list_it(world: Gated, role: str) -> None:
    """A missing object is 404 where the role reads, so that its task can run again, and 403 where
    it does not.
    """
    endpoint, driver = world.roles[role].endpoint, world.own.endpoint
    for folder in ("input", "chunks", "maps", "pairs", "reduce", "jobs", "runs", "tasks"):
        request = S3Request("GET", f"/{STORE}/{folder}/none")
        reads = (
            f"{role} GetObject {folder}"
            in {each for _, uses in CASES.values() for each in _accesses(uses)} | UNUSED
        )
        assert status_of(endpoint, request) == (404 if reads else 403), folder
        assert status_of(driver, request) == 404


def test_an_input_that_may_not_be_read_ends_the_run_in_words(world: Gated) -> None:
    """An object of the bucket outside of `input/` and `reduce/` is denied, and the error says so.

    A run in AWS refuses it before it begins (tests/infrastructure/test_access.py).
    """
    book = world.put(f"{URL}/big.txt", _text())
    ended = world.ended("--input", book, "--chunks", "2")
    assert ended.code != 0
    assert f"S3 denies access to {book} (403)" in ended.err


def test_without_the_right_to_list_a_lost_output_ends_the_run(
    driver: Driver,
    emulator: Emulator,
    policies: dict[str, Policy],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Without `s3:ListBucket` the missing map output is 403, its map task does not run again, and
    the run fails: the statement is needed.
    """
    for name, value in emulator.environment.items():
        monkeypatch.setenv(name, value)
    listing = "s3:ListBucket"
    blind = tuple(each for each in policies[REDUCER].statements if listing not in each["Action"])
    with gated(driver, emulator, policies | {REDUCER: Policy(blind)}) as world:
        book = world.put(f"{URL}/input/blind.txt", _text())
        world.when(REDUCER, f"/{STORE}/maps/3/", lambda url: world.storage.delete([url]))
        ended = world.ended("--input", book, "--chunks", "6", "--reducers", "1")
    assert ended.code != 0
    assert f"denies access to s3://{STORE}/maps/3/" in ended.err
