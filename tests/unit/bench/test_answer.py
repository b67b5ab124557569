"""Right answers are accepted in every form that contenders write, and wrong ones are refused."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from bench.answer import digest, expected, our_lines, peer_lines, sums, word_counts
from bench.contenders import SIMD, compiled, wrong_of_ours
from bench.corpus import Corpus
from bench.measure import ROOT
from bench.trial import CORES, Place

NASTY = b"It's a-b it's\tA\r\n\n''  x1y\n" + b"long" * 500 + b" don't\nno line end"
WORDS = {
    "it's": 2,
    "a": 2,
    "b": 1,
    "''": 1,
    "x": 1,
    "y": 1,
    "long" * 500: 1,
    "don't": 1,
    "no": 1,
    "line": 1,
    "end": 1,
}


def test_the_right_answer_is_known_by_hand(tmp_path: Path) -> None:
    """The plain loops count as by hand."""
    (tmp_path / "text").write_bytes(NASTY)
    (tmp_path / "pairs").write_bytes(b"1,5\n20,7\n1,-2\n")
    assert WORDS == word_counts(tmp_path / "text")
    assert {"1": 3, "20": 7} == sums(tmp_path / "pairs", str)


def test_forms_of_an_answer_have_one_digest(tmp_path: Path) -> None:
    """A file, a folder of parts in any order, a JSON document and JSON Lines have one digest."""
    (tmp_path / "file").write_bytes(b"b\t2\na\t1\n")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "part-0").write_bytes(b"a\t1\n")
    (tmp_path / "folder" / "part-1").write_bytes(b"b\t2\n")
    (tmp_path / "folder" / "_SUCCESS").write_bytes(b"")
    documents = {
        "result.json": json.dumps({"b": 2, "a": 1}),
        "list.json": json.dumps([["a", 1], ["b", 2]]),
        "part.jsonl": '{"key": "a", "value": 1}\n{"key": "b", "value": 2}\n',
    }
    digests = {digest(peer_lines(tmp_path / name)) for name in ("file", "folder")}
    digests |= {
        digest(our_lines([name], lambda url: documents[url].encode())) for name in documents
    }
    assert 1 == len(digests)
    assert digests != {digest([b"a\t1\n", b"b\t3\n"])}


def test_a_wrong_result_of_ours_is_seen(tmp_path: Path) -> None:
    """A result of ours is wrong if one count of one key differs."""
    corpus = Corpus("text", 10)
    path = tmp_path / corpus.name
    path.write_bytes(b"a b a\n")
    result = tmp_path / "result.json"
    place = Place(Path("python"), tmp_path, path, tmp_path)

    def why(counts: dict[str, int]) -> str:
        result.write_text(json.dumps(counts))
        return wrong_of_ours(corpus, place, {}, [f"file://{result}"], str)

    assert "" == why({"a": 2, "b": 1})
    assert "the right one" in why({"a": 2, "b": 2})
    assert "the right one" in why({"a": 2})


def peer_command(name: str, folder: Path) -> list[str]:
    """Return the program of a peer that needs no other package."""
    if name == "c":
        return [str(compiled(folder))]
    if name == "counter":
        return [sys.executable, "-m", "bench.peers.counter"]
    return ["sh", str(ROOT / "bench" / "peers" / f"{name}_words.sh")]


@pytest.mark.parametrize(
    ("name", "program"), [("c", "gcc"), ("counter", "sh"), ("mawk", "mawk"), ("coreutils", "uniq")]
)
def test_a_peer_gives_the_right_answer(name: str, program: str, tmp_path: Path) -> None:
    """A peer's counts are right, also at the ends of words, lines and the file."""
    if not shutil.which(program):
        pytest.skip(f"{program} is not installed")
    source, target = tmp_path / "text", tmp_path / "answer"
    source.write_bytes(NASTY)
    more = [str(CORES)] if name == "c" else []
    subprocess.run(
        [*peer_command(name, tmp_path), str(source), str(target), *more], cwd=ROOT, check=True
    )
    assert expected(Corpus("text", 1), source) == digest(peer_lines(target))


@pytest.mark.parametrize("instructions", ["avx2", "sse2", "scalar", None])
def test_the_kernel_counts_the_same_with_any_instructions(
    instructions: str | None, tmp_path: Path
) -> None:
    """The program with SIMD is right at the ends of blocks, of its buffer and of the file."""
    if not shutil.which("gcc"):
        pytest.skip("gcc is not installed")
    if instructions == "avx2" and "avx2" not in Path("/proc/cpuinfo").read_text():
        pytest.skip("this processor has no AVX2")
    program = compiled(tmp_path, SIMD)
    every_length = b" ".join(b"q" * length + b"-" * length for length in range(200))
    every_byte = b"".join(bytes([byte]) + b"a" for byte in range(128)) * 3
    long_word = b"Zz" * 150_000
    for number, text in enumerate(
        [NASTY, every_length, every_byte, b"", b"a", long_word, (NASTY + every_length) * 30]
    ):
        source, target = tmp_path / f"text-{number}", tmp_path / f"answer-{number}"
        source.write_bytes(text)
        more = [instructions] if instructions else []
        subprocess.run([str(program), str(source), str(target), *more], check=True)
        assert expected(Corpus("text", 1), source) == digest(peer_lines(target))


@pytest.mark.parametrize("threads", [1, 2, 7, 50])
def test_the_kernel_counts_the_same_on_any_number_of_cores(threads: int, tmp_path: Path) -> None:
    """A word across the border of two cores' shares counts as one word."""
    if not shutil.which("gcc"):
        pytest.skip("gcc is not installed")
    source, target = tmp_path / "text", tmp_path / "answer"
    source.write_bytes(b"ab abc abcd " * 9)
    subprocess.run([str(compiled(tmp_path)), str(source), str(target), str(threads)], check=True)
    assert {b"ab\t9\n", b"abc\t9\n", b"abcd\t9\n"} == set(peer_lines(target))
