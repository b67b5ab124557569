"""The program of mrjob that a page shows yields what its port does."""

from __future__ import annotations

from pathlib import Path

from tests.docs.blocks import Block, blocks
from tests.porting.ports import json_pair
from tests.porting.processes import ROOT, needs_mrjob, pairs_of, run_file, run_job

PAGE = ROOT / "docs" / "how-to" / "port-from-mrjob.md"
BOOK = str(ROOT / "books" / "alice.txt")


def _block(words: str) -> Block:
    (found,) = [each for each in blocks(PAGE.read_text("utf-8")) if words in each.text]
    return found


@needs_mrjob
def test_the_two_programs_of_the_page_yield_the_same(tmp_path: Path) -> None:
    """MRLongWords under mrjob and LongWords here have the same pairs."""
    (tmp_path / "theirs.py").write_text(_block("class MRLongWords").text, "utf-8")
    (tmp_path / "ours.py").write_text(_block("class LongWords").text, "utf-8")
    wanted = run_file(tmp_path / "theirs.py", [BOOK], tmp_path, "--min-length", "5")
    out = tmp_path / "out.jsonl"
    options = ("--target", "inline", "--param", "min_length=5", "--output", str(out))
    run_job(str(tmp_path / "ours.py"), [BOOK], tmp_path, *options)
    ours = dict(pairs_of(out.read_bytes()))
    assert dict(map(json_pair, wanted.splitlines())) == ours
    assert ours["LINES"] == len(Path(BOOK).read_bytes().splitlines())
