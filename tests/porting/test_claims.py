"""What the page on mrjob says differs on purpose, seen in both programs."""

from __future__ import annotations

from pathlib import Path

from tests.porting.ports import json_pair
from tests.porting.processes import needs_mrjob, pairs_of, run_file, run_job

pytestmark = needs_mrjob
THEIRS = """
from mrjob.job import MRJob
from mrjob.step import MRStep


class Theirs(MRJob):
    def mapper(self, _, line):
        {map}

    def reducer(self, key, values):
        {reduce}


if __name__ == "__main__":
    Theirs.run()
"""
OURS = """
from mapreduce import Job


class Ours(Job):
    def map(self, offset, line):
        {map}

    def reduce(self, key, values):
        {reduce}
"""
FIRST = "yield key, sorted(values)[0]"


def _both(
    folder: Path, content: bytes, mapped: str, reduced: str, times: int = 1
) -> tuple[str, str, str]:
    """Return the keys that each program yields, in its order, and what our run says."""
    (folder / "in.txt").write_bytes(content)
    (folder / "theirs.py").write_text(THEIRS.format(map=mapped, reduce=reduced))
    (folder / "ours.py").write_text(OURS.format(map=mapped, reduce=reduced))
    inputs = ["in.txt"] * times
    theirs = run_file(folder / "theirs.py", inputs, folder)
    options = ("--target", "inline", "--reducers", "1", "--output", "out.jsonl")
    ended = run_job(str(folder / "ours.py"), inputs, folder, *options)
    said = ended.out.decode() + ended.err
    ours = pairs_of((folder / "out.jsonl").read_bytes())
    return repr([json_pair(line) for line in theirs.splitlines()]), repr(ours), said


def test_keys_sort_as_values_and_not_as_json(tmp_path: Path) -> None:
    """There 10 comes before 9."""
    theirs, ours, _ = _both(tmp_path, b"9\n10\n", "yield int(line), 0", FIRST)
    assert (theirs, ours) == ("[(10, 0), (9, 0)]", "[(9, 0), (10, 0)]")


def test_a_tuple_stays_a_tuple(tmp_path: Path) -> None:
    """There a tuple comes back as a list, also in a value."""
    reduced = "yield key, [str(type(value)) for value in values]"
    theirs, ours, _ = _both(tmp_path, b"a\n", "yield 'k', (line, 1)", reduced)
    assert "class 'list'" in theirs
    assert "class 'tuple'" in ours


def test_bytes_that_are_not_utf_8(tmp_path: Path) -> None:
    """There the line is read as Latin-1; here they become U+FFFD, and the run says where."""
    theirs, ours, said = _both(tmp_path, b"caf\xe9\n", "yield line, 0", FIRST)
    assert (theirs, ours) == ("[('caf\u00e9', 0)]", "[('caf\ufffd', 0)]")
    assert "bad bytes 1 byte in 1 line" in said


def test_the_same_input_twice(tmp_path: Path) -> None:
    """There it is read twice; here once, and the run says so."""
    theirs, ours, said = _both(tmp_path, b"a\n", "yield line, 1", "yield key, sum(values)", 2)
    assert (theirs, ours) == ("[('a', 2)]", "[('a', 1)]")
    assert "twice" in said or "once" in said


def test_none_is_a_key_and_the_reducers_order_is_kept_on_request(tmp_path: Path) -> None:
    """Both take None as the key of one group; here `keep_order` keeps the order of emission."""
    reduced = "yield from ((value, 0) for value in sorted(values)[::-1])"
    theirs, ours, _ = _both(tmp_path, b"a\nc\nb\n", "yield None, line", reduced)
    assert theirs == "[('c', 0), ('b', 0), ('a', 0)]"
    assert ours == "[('a', 0), ('b', 0), ('c', 0)]"
    kept = (tmp_path / "ours.py").read_text().replace("(Job):", "(Job):\n    keep_order = True\n")
    (tmp_path / "kept.py").write_text(kept)
    options = ("--target", "inline", "--reducers", "1", "--output", "kept.jsonl")
    run_job(str(tmp_path / "kept.py"), ["in.txt"], tmp_path, *options)
    assert theirs == repr(pairs_of((tmp_path / "kept.jsonl").read_bytes()))
