"""A job's pack has the same bytes for the same sources, and only plain files."""

from __future__ import annotations

import hashlib
import io
import sys
import tempfile
import warnings
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mapreduce.code import CodeLoader, JobClass, JobSource, find_job, pack, unpack
from mapreduce.code.unpacking import PACK_LIMIT
from mapreduce.errors import CorruptBlock, JobLoadError
from mapreduce.job import Job
from mapreduce.storage import Storage, open_storage
from mapreduce.wire import keys
from mapreduce.wire.messages import JobSpec

JOB = """
from mapreduce import Job, Sum

class {name}(Job):
    word: str = {word!r}
    reduce = Sum()

    def map(self, key, value):
        yield self.word, 1
"""


@pytest.fixture(autouse=True)
def fresh_imports() -> Iterator[None]:
    """Remove every module that a test imports from its files."""
    path, modules = list(sys.path), dict(sys.modules)
    yield
    sys.path[:] = path
    sys.modules.clear()
    sys.modules.update(modules)


def file(path: Path, text: str = "") -> Path:
    """Write a source file and its folders."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def job_file(path: Path, name: str = "Mine", word: str = "x", before: str = "") -> str:
    """Write a file with a job that yields `word`; return its path for a command line."""
    return str(file(path, before + JOB.format(name=name, word=word)))


def word_of(job: Job | JobClass) -> str:
    """Return the word that a job of `job_file` yields."""
    made = job if isinstance(job, Job) else job()
    assert isinstance(made, Job)
    ((word, _),) = made.map(0, "") or ()
    return str(word)


def names(data: bytes) -> list[str]:
    """Return the files in a pack."""
    return zipfile.ZipFile(io.BytesIO(data)).namelist()


class Store:
    """A store with packs, and a loader that unpacks them in another folder."""

    def __init__(self, folder: Path) -> None:
        self.url = f"file://{folder}/store"
        self.storage: Storage = open_storage()
        self.unpacked = folder / "unpacked"
        self.loader = CodeLoader(self.storage, self.url, self.unpacked)

    def add(self, source: JobSource) -> JobSpec:
        """Upload a job's pack."""
        digest, data = pack(source)
        self.storage.write(keys.code(self.url, digest), data)
        return JobSpec(code=digest, module=source.module, name=source.name, file=source.file)


# -- finding ---------------------------------------------------------------------------------------


def test_file_and_class(tmp_path: Path) -> None:
    """A file with one job means that job; one with several needs a class name."""
    source, found = find_job(job_file(tmp_path / "one.py"))
    assert (JobSource(tmp_path, "one", "Mine"), "x") == (source, word_of(found))
    two = job_file(tmp_path / "two.py", "First", "1") + ":Second"
    with (tmp_path / "two.py").open("a") as more:
        more.write(JOB.format(name="Second", word="2"))
    assert "2" == word_of(find_job(two)[1])
    with pytest.raises(JobLoadError, match=r"several jobs \(First, Second\); name one: two:Class"):
        find_job(str(tmp_path / "two.py"))


def test_module(tmp_path: Path) -> None:
    """A dotted module is found as Python finds it, with its package's parent as the root."""
    source, found = find_job("mapreduce_jobs.word_count")
    assert ("mapreduce_jobs.word_count", "WordCount", "WordCount") == (
        source.module,
        source.name,
        found.__name__,
    )
    assert (source.root / "mapreduce_jobs" / "__init__.py").is_file()


def test_file_in_a_package(tmp_path: Path) -> None:
    """A file in a package is a module of it, so that relative imports work."""
    file(tmp_path / "pkg" / "__init__.py")
    file(tmp_path / "pkg" / "sub" / "__init__.py")
    file(tmp_path / "pkg" / "words.py", "WORD = 'relative'")
    path = job_file(tmp_path / "pkg" / "sub" / "job.py", before="from ..words import WORD\n")
    source, _ = find_job(path)
    assert JobSource(tmp_path, "pkg.sub.job", "Mine") == source


def test_imported_jobs_are_not_the_files_own(tmp_path: Path) -> None:
    """A job that a file only imports is not its job."""
    path = file(
        tmp_path / "extended.py",
        "from mapreduce_jobs.word_count import WordCount\nclass Longer(WordCount):\n    "
        "min_length: int = 3\n",
    )
    assert "Longer" == find_job(str(path))[1].__name__


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("missing.py", "there is no job file missing.py"),
        ("a/folder/missing", "there is no job file a/folder/missing"),
        ("no.such.module", "there is no job module 'no.such.module'"),
        ("nomodule", "there is no job module 'nomodule'"),
        ("", "there is no job"),
        ("..", "there is no job"),
        ("sys", "there is no job module 'sys'"),
        (
            "mapreduce_jobs.word_count:Other",
            "mapreduce_jobs.word_count has no job 'Other'; it has: WordCount",
        ),
        ("mapreduce_jobs.word_count:Job", "has no job 'Job'"),
    ],
)
def test_not_found(text: str, named: str) -> None:
    """A missing job is reported with the possible names."""
    with pytest.raises(JobLoadError) as caught:
        find_job(text)
    assert named in str(caught.value)


def test_a_package_without_a_job_names_a_module_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A package is no job; the message has what can be given instead, if there is something."""
    for name, more in (("one_with_jobs", ("job.py", "tokens.py", "_own.py")), ("one_alone", ())):
        for each in ("__init__.py", *more):
            file(tmp_path / name / each, "")
    monkeypatch.syspath_prepend(str(tmp_path))
    said = []
    for name in ("one_with_jobs", "one_alone"):
        with pytest.raises(JobLoadError) as caught:
            find_job(name)
        said.append(str(caught.value))
    assert said == [
        "the package one_with_jobs has no subclass of Job in its __init__.py; "
        "name the module that has one: --job one_with_jobs.job",
        "the package one_alone has no subclass of Job in its __init__.py",
    ]


@pytest.mark.parametrize(
    ("source", "named"),
    [
        ("x = 1\n", "has no subclass of Job"),
        ("def broken(:\n", "SyntaxError"),
        (
            "import no_such_library_xyz\n",
            "ModuleNotFoundError: No module named 'no_such_library_xyz'",
        ),
        ("import broken_beside\n", "broken_beside.py"),
        ("def f():\n    return 1 / 0\nf()\n", "line 2, in f"),
        ("from mapreduce import Job\nclass J(Job):\n    pass\n", "the job J has no `map`"),
    ],
)
def test_cannot_be_loaded(tmp_path: Path, source: str, named: str) -> None:
    """A file that cannot be imported, or has no valid job, is refused with the author's frames."""
    path = file(tmp_path / "bad_job.py", source)
    file(tmp_path / "broken_beside.py", "def broken(:\n")
    with pytest.raises(JobLoadError) as caught:
        find_job(str(path))
    assert named in str(caught.value)
    assert "importlib" not in str(caught.value)
    assert "mapreduce/code" not in str(caught.value)


@pytest.mark.parametrize(
    "name",
    [
        "my-job.py",
        "2024 report.py",
        "json.py",
        "random.py",
        "mapreduce.py",
        "driver.py",
        "pydantic.py",
        "é!.py",
    ],
)
def test_any_file_name(tmp_path: Path, name: str) -> None:
    """A job's file may have any name, also that of a module of Python or of this program."""
    source, found = find_job(
        job_file(tmp_path / "src" / name, before="import json, random, pydantic\n")
    )
    assert "x" == word_of(found)
    store = Store(tmp_path)
    spec = store.add(source)
    assert "x" == word_of(store.loader.load(spec))
    import json
    import random

    assert all(not str(module.__file__).startswith(str(tmp_path)) for module in (json, random))


@pytest.mark.parametrize("again", [False, True])
def test_files_of_one_name(tmp_path: Path, again: bool) -> None:
    """Two files of one name in two folders are two jobs, in any order."""
    one, other = (job_file(tmp_path / name / "job.py", word=name) for name in ("a", "b"))
    expected = ["a", "b", "a", "b"] if again else ["a", "b"]
    assert expected == [
        word_of(find_job(path)[1]) for path in ([one, other] * 2 if again else [one, other])
    ]


def test_siblings_of_one_name(tmp_path: Path) -> None:
    """Modules of one name beside two jobs are not confused."""
    found = []
    for name in ("a", "b"):
        file(tmp_path / name / "sibling.py", f"WORD = {name!r}")
        path = file(
            tmp_path / name / "job.py",
            "from mapreduce import Job, "
            "Sum\nfrom sibling import WORD\nclass J(Job):\n    reduce = Sum()\n"
            "    def map(self, key, value):\n        yield WORD, 1\n",
        )
        found.append(word_of(find_job(str(path))[1]))
    assert ["a", "b"] == found


# -- packing ---------------------------------------------------------------------------------------


def test_pack_is_deterministic(tmp_path: Path) -> None:
    """The same sources give the same pack in any folder and at any time; other sources do not."""
    packs = []
    for name, word in (("a", "x"), ("b", "x"), ("c", "y")):
        path = job_file(tmp_path / name / "job.py", word=word)
        source, _ = find_job(path)
        packs.append(pack(source))
        if name == "a":
            (tmp_path / "a" / "job.py").touch()
            assert packs[0] == pack(source)
    assert packs[0] == packs[1]
    entries = zipfile.ZipFile(io.BytesIO(packs[0][1])).infolist()
    assert {(1980, 1, 1, 0, 0, 0)} == {entry.date_time for entry in entries}
    assert packs[0][0] != packs[2][0]
    assert all(hashlib.sha256(data).hexdigest() == digest for digest, data in packs)


def test_pack_holds_what_the_job_imports(tmp_path: Path) -> None:
    """A pack has the imported siblings and packages, direct or not, and nothing else."""
    file(
        tmp_path / "sibling.py",
        "import deeper.leaf as leaf\nimport json\nimport mapreduce.words\nfrom starred import *\n",
    )
    file(tmp_path / "deeper" / "__init__.py", "from . import other\n")
    file(tmp_path / "deeper" / "leaf.py", "from .inner import thing\n")
    file(tmp_path / "deeper" / "other.py")
    file(tmp_path / "deeper" / "inner" / "__init__.py")
    file(tmp_path / "deeper" / "inner" / "thing.py")
    file(tmp_path / "deeper" / "unused.py")
    file(tmp_path / "unrelated.py")
    file(tmp_path / "mapreduce.txt")
    file(tmp_path / "late.py")
    file(tmp_path / "starred.py")
    path = job_file(tmp_path / "job.py", before="import sibling\ndef f():\n    import late\n")
    expected = [
        "deeper/__init__.py",
        "deeper/inner/__init__.py",
        "deeper/inner/thing.py",
        "deeper/leaf.py",
        "deeper/other.py",
        "job.py",
        "late.py",
        "sibling.py",
        "starred.py",
    ]
    assert expected == names(pack(find_job(path)[0])[1])


def test_pack_of_a_package_module(tmp_path: Path) -> None:
    """The pack of a job in a package has the package, and its imports from above."""
    file(tmp_path / "pkg" / "__init__.py")
    file(tmp_path / "pkg" / "sub" / "__init__.py")
    file(tmp_path / "pkg" / "words.py", "WORD = 'relative'")
    path = job_file(tmp_path / "pkg" / "sub" / "job.py", before="from ..words import WORD\n")
    source, _ = find_job(path)
    assert ["pkg/__init__.py", "pkg/sub/__init__.py", "pkg/sub/job.py", "pkg/words.py"] == names(
        pack(source)[1]
    )


# -- loading ---------------------------------------------------------------------------------------


def test_load_by_digest(tmp_path: Path) -> None:
    """A job is loaded from its pack with its parameters, without its original folder."""
    store = Store(tmp_path)
    file(tmp_path / "src" / "sibling.py", "SUFFIX = '!'")
    path = job_file(tmp_path / "src" / "job.py", before="from sibling import SUFFIX\n")
    spec = store.add(find_job(path)[0]).model_copy(update={"parameters": {"word": "given"}})
    for source in (tmp_path / "src").glob("*.py"):
        source.unlink()
    first, second = store.loader.load(spec), store.loader.load(spec)
    assert "given" == word_of(first) == word_of(second)
    assert first is not second
    module = sys.modules[type(first).__module__]
    assert str(store.unpacked / spec.code / "job.py") == module.__file__


def test_jobs_of_one_module_name_one_after_another(tmp_path: Path) -> None:
    """Packs with equal module names are not confused, in any order of loading."""
    store = Store(tmp_path)
    specs = []
    for name in ("a", "b"):
        file(tmp_path / name / "sibling.py", f"WORD = {name!r}")
        path = file(
            tmp_path / name / "job.py",
            "from mapreduce import Job, Sum\nimport sibling\nclass J(Job):\n    reduce = Sum()\n"
            "    def map(self, key, value):\n        yield sibling.WORD, 1\n",
        )
        specs.append(store.add(JobSource(tmp_path / name, path.stem, "J")))
    assert list("abaab") == [
        word_of(store.loader.load(specs["ab".index(name)])) for name in "abaab"
    ]


def test_find_after_load(tmp_path: Path) -> None:
    """In one process a job is found, loaded from its pack, and then another one of its package is
    found.
    """
    store = Store(tmp_path)
    file(tmp_path / "ours" / "__init__.py")
    one, other = (
        job_file(tmp_path / "ours" / f"{name}.py", word=name) for name in ("one", "other")
    )
    assert "one" == word_of(store.loader.load(store.add(find_job(one)[0])))
    assert "other" == word_of(find_job(other)[1])


def test_code_of_another_digest(tmp_path: Path) -> None:
    """Bytes with another digest are neither unpacked nor run."""
    store = Store(tmp_path)
    spec = store.add(find_job(job_file(tmp_path / "src" / "job.py"))[0])
    other = find_job(job_file(tmp_path / "other" / "job.py", word="evil"))[0]
    store.storage.write(keys.code(store.url, spec.code), pack(other)[1])
    with pytest.raises(CorruptBlock, match=f"jobs/{spec.code} does not have that digest"):
        store.loader.load(spec)
    assert not (store.unpacked / spec.code).exists()


def test_unknown_class_in_a_pack(tmp_path: Path) -> None:
    """A spec with an unknown class or module is refused."""
    store = Store(tmp_path)
    spec = store.add(find_job(job_file(tmp_path / "src" / "job.py"))[0])
    with pytest.raises(JobLoadError, match="has no job 'Other'"):
        store.loader.load(spec.model_copy(update={"name": "Other"}))
    with pytest.raises(JobLoadError, match="cannot be imported"):
        store.loader.load(spec.model_copy(update={"module": "nothing_like_it"}))


def zipped(
    name: str, mode: int = 0o100644, content: bytes = b"evil", compression: int = zipfile.ZIP_STORED
) -> tuple[bytes, str]:
    """Return a hand-made pack with one member, and its digest."""
    return packed((name, mode, content), compression=compression)


def packed(
    *members: tuple[str, int, bytes], compression: int = zipfile.ZIP_STORED
) -> tuple[bytes, str]:
    """Return a hand-made pack with these members and `job.py`, and its digest."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive, warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # for a repeated name
        archive.writestr("job.py", "")
        for name, mode, content in members:
            entry = zipfile.ZipInfo(name)
            entry.external_attr = mode << 16
            entry.compress_type = compression
            archive.writestr(entry, content)
    return buffer.getvalue(), hashlib.sha256(buffer.getvalue()).hexdigest()


@pytest.mark.parametrize(
    ("name", "mode"),
    [
        ("../evil.py", 0o100644),
        ("a/../../evil.py", 0o100644),
        ("/tmp/evil-of-a-test.py", 0o100644),
        ("../unpacked-too/evil.py", 0o100644),
        ("link", 0o120777),
        ("folder/", 0o040755),
        ("character-device", 0o020644),
        ("block-device", 0o060644),
        ("fifo", 0o010644),
        ("socket", 0o140644),
        ("./job.py", 0o100644),
        ("a/./b.py", 0o100644),
        ("a//b.py", 0o100644),
        ("..", 0o100644),
        ("a\\..\\..\\b.py", 0o100644),
        ("n" * 201, 0o100644),
    ],
)
def test_malicious_packs(tmp_path: Path, name: str, mode: int) -> None:
    """A member outside of the folder, a link or a folder is refused before any write."""
    data, digest = zipped(name, mode, b"/etc/passwd")
    root = tmp_path / "jobs" / "unpacked"
    with pytest.raises(JobLoadError, match="which is not a plain file"):
        unpack(data, digest, root)
    assert [] == list(tmp_path.rglob("*"))
    assert not Path("/tmp/evil-of-a-test.py").exists()


def test_pack_too_large(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A pack that would unpack to more than the limit is refused before any write."""
    monkeypatch.setattr("mapreduce.code.packing.PACK_LIMIT", 1 << 20)
    monkeypatch.setattr("mapreduce.code.unpacking.PACK_LIMIT", 1 << 20)
    data, digest = zipped("large.py", content=bytes((1 << 20) + 1))
    with pytest.raises(JobLoadError, match="larger than 1 MiB"):
        unpack(data, digest, tmp_path / "unpacked")
    assert [] == list(tmp_path.rglob("*"))


@pytest.mark.parametrize("twice", ["job.py", "more.py"])
def test_a_name_twice(tmp_path: Path, twice: str) -> None:
    """A repeated member name is refused before any write."""
    data, digest = packed(("more.py", 0o100644, b"1"), (twice, 0o100644, b"2"))
    with pytest.raises(JobLoadError, match=f"holds '{twice}' twice"):
        unpack(data, digest, tmp_path / "unpacked")
    assert [] == list(tmp_path.rglob("*"))


def test_a_file_and_a_folder_of_one_name(tmp_path: Path) -> None:
    """A file and a folder of one name are refused, and leave nothing."""
    data, digest = packed(("job.py/more.py", 0o100644, b"1"))
    with pytest.raises(JobLoadError, match="is not a valid pack"):
        unpack(data, digest, tmp_path / "unpacked")
    assert [] == list(tmp_path.rglob("*"))


def test_a_bomb_with_its_true_size(tmp_path: Path) -> None:
    """A small pack with a large declared size is refused by that size."""
    data, digest = zipped(
        "large.py", content=bytes(PACK_LIMIT + 1), compression=zipfile.ZIP_DEFLATED
    )
    assert len(data) < 1 << 20
    with pytest.raises(JobLoadError, match="larger than 64 MiB"):
        unpack(data, digest, tmp_path / "unpacked")
    assert [] == list(tmp_path.rglob("*"))


@pytest.mark.parametrize("claimed", [0, 1, 4096])
def test_a_bomb_with_a_wrong_size(tmp_path: Path, claimed: int) -> None:
    """A pack that unpacks to more than its declared size is refused, and leaves nothing."""
    data, _ = zipped("large.py", content=bytes(1 << 20), compression=zipfile.ZIP_DEFLATED)
    true, lie = (1 << 20).to_bytes(4, "little"), claimed.to_bytes(4, "little")
    assert data.count(true) == 2
    lying = data.replace(true, lie)
    with pytest.raises(JobLoadError, match="is not a valid pack"):
        unpack(lying, hashlib.sha256(lying).hexdigest(), tmp_path / "unpacked")
    assert [] == list(tmp_path.rglob("*"))


def test_written_bytes_are_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The written bytes are limited too, whatever size is declared."""
    monkeypatch.setattr("mapreduce.code.packing.PACK_LIMIT", 1 << 20)
    monkeypatch.setattr("mapreduce.code.unpacking.PACK_LIMIT", 1 << 20)
    monkeypatch.setattr("mapreduce.code.unpacking._check_members", lambda _: None)
    data, digest = zipped(
        "large.py", content=bytes((1 << 20) + 1), compression=zipfile.ZIP_DEFLATED
    )
    with pytest.raises(JobLoadError, match="larger than 1 MiB"):
        unpack(data, digest, tmp_path / "unpacked")
    assert [] == list(tmp_path.rglob("*"))


def test_many_members(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A pack of too many files is refused."""
    monkeypatch.setattr("mapreduce.code.packing.MEMBER_LIMIT", 2)
    monkeypatch.setattr("mapreduce.code.unpacking.MEMBER_LIMIT", 2)
    data, digest = packed(("a.py", 0o100644, b""), ("b.py", 0o100644, b""))
    with pytest.raises(JobLoadError, match="more than 2 files"):
        unpack(data, digest, tmp_path / "unpacked")
    assert [] == list(tmp_path.rglob("*"))


@pytest.mark.parametrize("compression", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_other_compressions(tmp_path: Path, compression: int) -> None:
    """Only our own compression is accepted, because the readers of others have no limit."""
    data, digest = zipped("more.py", compression=compression)
    with pytest.raises(JobLoadError, match="not a plain file"):
        unpack(data, digest, tmp_path / "unpacked")


def test_a_large_pack_is_not_fetched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An object larger than any pack is refused before it is read."""
    store = Store(tmp_path)
    spec = store.add(find_job(job_file(tmp_path / "src" / "job.py"))[0])
    monkeypatch.setattr("mapreduce.code.load.PACKED_LIMIT", 10)
    with pytest.raises(JobLoadError, match="larger than 64 MiB"):
        store.loader.load(spec)


@pytest.mark.parametrize("module", ["os", "json.tool", "mapreduce.testing", "subprocess"])
def test_only_the_packs_own_modules(tmp_path: Path, module: str) -> None:
    """A module that is not in the pack is refused, also if this process has one of that name."""
    store = Store(tmp_path)
    spec = store.add(find_job(job_file(tmp_path / "src" / "job.py"))[0])
    with pytest.raises(JobLoadError, match="there is no such module in its code"):
        store.loader.load(spec.model_copy(update={"module": module}))


NAMES = st.lists(
    st.sampled_from(
        ["job.py", "a", "b.py", "..", ".", "", "\\", "~", "/", "\x00", "C:", "%2e%2e", "\n", "é"]
    ),
    min_size=1,
    max_size=4,
).map("/".join)
MODES = st.sampled_from(
    [0, 0o100644, 0o100755, 0o104755, 0o120777, 0o040755, 0o020644, 0o060644, 0o010644]
)


@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=150
)
@given(
    members=st.lists(st.tuples(NAMES, MODES, st.binary(max_size=20)), max_size=4),
    damage=st.none() | st.integers(0),
)
def test_any_pack_is_unpacked_inside_or_refused(
    tmp_path: Path, members: list[tuple[str, int, bytes]], damage: int | None
) -> None:
    """Any pack, with any wrong byte, gives plain files in its folder, or our error and no file."""
    data, _ = packed(*members)
    if damage is not None:
        at = damage % len(data)
        data = data[:at] + bytes([data[at] ^ (1 + damage % 255)]) + data[at + 1 :]
    outer = Path(tempfile.mkdtemp(dir=tmp_path))
    root = outer / "jobs" / "unpacked"
    try:
        unpack(data, hashlib.sha256(data).hexdigest(), root)
    except JobLoadError:
        assert [] == [path for path in outer.rglob("*") if path.name != "jobs"]
        return
    found = [path for path in outer.rglob("*") if not path.is_dir()]
    assert all(
        path.is_relative_to(root) and path.is_file() and not path.is_symlink() for path in found
    )
    assert len(found) <= len(members) + 1
    assert not any(path.stat().st_mode & 0o7111 for path in found)


def test_unpacked_twice(tmp_path: Path) -> None:
    """If another worker has unpacked the same pack meanwhile, its folder is kept and nothing else
    is left.
    """
    data, digest = zipped("more.py")
    root = tmp_path / digest
    unpack(data, digest, root)
    unpack(data, digest, root)
    assert [root] == list(tmp_path.iterdir())
    assert {"job.py", "more.py"} == {path.name for path in root.iterdir()}


def test_a_short_name_is_a_ready_made_job(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A short name means a ready-made job, unless the user has such a module; an unknown name lists
    all.
    """
    assert "WordCount" == find_job("word_count", "mapreduce_jobs")[1].__name__
    assert "TopWords" == find_job("top_k:TopWords", "mapreduce_jobs")[1].__name__
    with pytest.raises(
        JobLoadError, match="no job module 'wrod_count'.*ready-made jobs: distinct, .*word_count"
    ):
        find_job("wrod_count", "mapreduce_jobs")
    with pytest.raises(JobLoadError, match="no job module 'jobs.word_count'"):
        find_job("jobs.word_count", "mapreduce_jobs")
    job_file(tmp_path / "n_grams.py", word="mine")
    monkeypatch.syspath_prepend(str(tmp_path))
    assert "mine" == word_of(find_job("n_grams", "mapreduce_jobs")[1])
