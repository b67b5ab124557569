"""Streaming jobs give what a pipeline of the same commands gives, on any bytes."""

from __future__ import annotations

import base64
import subprocess
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from mapreduce.errors import UserCodeError
from mapreduce.testing import Answer, PlainInput, plain_answer, run
from mapreduce_jobs.streaming import Streaming
from mapreduce_jobs.streaming_map import StreamingMap

BOOK = (Path(__file__).resolve().parents[3] / "books" / "alice.txt").read_bytes()[:20_000]
NASTY = b"\n".join(
    [
        b"a\tb\tc",
        b"",
        b"\tempty key",
        b"no tab",
        b"no tab\t",
        b"\xff\xfe\tx\xff",
        b"z\t1",
        b"A\t2",
        "\u00e9\t\u00df".encode(),
        b"z\t0",
        b"  spaces \t both ",
        b"the last line has no line feed",
    ]
)
COUNT = r"""awk '{for (i = 1; i <= NF; i++) print $i "\t" 1}'"""
ADD = r"""awk -F'\t' '{n[$1] += $2} END {for (k in n) print k "\t" n[k]}'"""


def lines_of(answer: Answer) -> list[bytes]:
    """Return the lines of a result, sorted as bytes."""
    return sorted(
        _bytes(key) + (b"" if value is None else b"\t" + _bytes(value))
        for key, value in answer.pairs
    )


def _bytes(part: Any) -> bytes:
    return base64.b64decode(part["base64"]) if isinstance(part, dict) else part.encode()


def pipeline(content: bytes, mapper: str, reducer: str) -> list[bytes]:
    """Return the sorted lines of the same commands in a shell."""
    line = f"{mapper} | LC_ALL=C sort -s -t '\t' -k1,1 | {reducer}"
    done = subprocess.run(["/bin/sh", "-c", line], input=content, capture_output=True, check=True)
    return sorted(done.stdout.removesuffix(b"\n").split(b"\n"))


@pytest.mark.parametrize(
    ("content", "mapper", "reducer"),
    [
        (BOOK, COUNT, ADD),
        (BOOK, r"tr 'a-z' 'A-Z'", "uniq -c"),
        (BOOK, "grep -i the", "wc -l"),
        (BOOK, "sed p", "cat"),
        (NASTY, "cat", "cat"),
        (NASTY, "cat", "uniq"),
        (NASTY, r"""awk -F'\t' '{print $2 "\t" $1}'""", "cut -f1"),
    ],
)
@pytest.mark.parametrize("splits", [1, 3])
def test_the_result_is_that_of_a_pipeline(
    content: bytes, mapper: str, reducer: str, splits: int
) -> None:
    """Empty keys, values with tabs, lines without a tab and bytes that are no text come through."""
    answer = run(
        Streaming(mapper=mapper, reducer=reducer),
        inputs=[PlainInput("in.txt", content)],
        splits=splits,
        partitions=1,
    )
    assert pipeline(content, mapper, reducer) == lines_of(answer)


def test_values_of_a_key_keep_the_order_of_the_input() -> None:
    """The reducer sees the lines of a key as the mapper wrote them."""
    content = b"".join(b"k%d\t%d\n" % (number % 3, number) for number in range(2_000))
    job = Streaming(mapper="cat", reducer="cut -f2 | tr '\\n' ' '")
    answer = run(job, inputs=[PlainInput("in", content)], splits=5, partitions=1)
    numbers = list(map(int, answer.pairs[0][0].split()))
    assert [*range(0, 2_000, 3), *range(1, 2_000, 3), *range(2, 2_000, 3)] == numbers


def test_more_output_than_a_pipe_holds_is_no_deadlock() -> None:
    """A mapper that writes much to both outputs before it reads on comes to its end."""
    noisy = "head -c 300000 /dev/zero | tr '\\0' e >&2; head -c 300000 /dev/zero | tr '\\0' x; cat"
    answer = run(StreamingMap(mapper=noisy), inputs=[PlainInput("in", BOOK)], splits=1)
    assert 300_000 <= max(len(key) for key, _ in answer.pairs)


def test_a_mapper_that_reads_little_is_no_error() -> None:
    """A closed pipe ends the mapper's input, as in a pipeline."""
    answer = run(StreamingMap(mapper="head -n 2"), inputs=[PlainInput("in", BOOK * 20)], splits=1)
    assert 2 == len(answer.pairs)


@pytest.mark.parametrize("reducer", ["", "NONE"])
def test_without_a_reducer_the_result_is_the_mappers(reducer: str) -> None:
    """Each line of the mapper is a pair."""
    job = Streaming(mapper="cat", reducer=reducer)
    answer = run(job, inputs=[PlainInput("in", NASTY)])
    assert pipeline(NASTY, "cat", "cat") == lines_of(answer)


def test_a_key_of_several_fields() -> None:
    """`key_fields` says how many fields the key has; a line with fewer is a key."""
    job = StreamingMap(mapper="cat", key_fields=2)
    answer = run(job, inputs=[PlainInput("in", b"a\tb\tc\td\nx\ty\n")])
    assert [("a\tb", "c\td"), ("x\ty", None)] == sorted(answer.pairs)
    with pytest.raises(UserCodeError, match="a key has at least one field"):
        run(StreamingMap(mapper="cat", key_fields=0), ["a"])


def test_each_file_has_a_mapper_that_knows_its_name() -> None:
    """Two files in one split are read by two processes; counters come over standard error."""
    mapper = "echo reporter:counter:seen,files,1 >&2; echo reporter:status:x >&2; "
    answer = run(
        StreamingMap(mapper=mapper + 'sed "s|^|$mapreduce_map_input_file |"'),
        inputs=[PlainInput("one", b"x"), PlainInput("two", b"y\r\nz\n")],
        splits=1,
    )
    assert ["one x", "two y", "two z"] == sorted(key for key, _ in answer.pairs)
    assert {"seen: files": 2} == answer.counters


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"mapper": "echo no >&2; exit 3"}, "the mapper `echo no .* ended with exit code 3: no"),
        ({"mapper": "kill -9 $$"}, "ended with signal 9"),
        (
            {"mapper": "cat", "reducer": "echo a >&2; echo b >&2; cat >/dev/null; exit 1"},
            "the reducer .* exit code 1: b\nthe end of its standard error:\na\nb",
        ),
        ({"mapper": "no-such-command"}, "exit code 127: .*not found"),
    ],
)
def test_a_command_that_fails_fails_its_task(parameters: dict[str, str], message: str) -> None:
    """The message has the command, its exit code, and what it said last."""
    with pytest.raises(UserCodeError, match=message):
        run(Streaming(**parameters), ["a", "b"])


def test_the_definition_agrees_on_text() -> None:
    """`map`, line by line, gives what `map_batch` gives: a carriage return ends the line too."""
    content = "\ufeffb\t1\r\na\nb\t0\r".encode()
    job = Streaming(mapper="cat", reducer="cat")
    expected = [("a", None), ("b", "1"), ("b", "0")]
    assert expected == plain_answer(job, [("in", content)])
    assert expected == run(job, inputs=[PlainInput("in", content)], partitions=1).pairs


@pytest.mark.parametrize("partitions", [1, 3])
def test_whole_lines_stay_as_they_were_written(partitions: int) -> None:
    """With `whole_lines` the values are the lines of each reducer, one after the other in order."""
    mapper, reducer = "sed 's/t/\\t/g'", "LC_ALL=C sort -r"
    answer = run(
        Streaming(mapper=mapper, reducer=reducer, whole_lines=True),
        inputs=[PlainInput("in.txt", BOOK)],
        splits=3,
        partitions=partitions,
    )
    assert {key for key, _ in answer.pairs} == {None}
    lines = [value for _, value in answer.pairs]
    command = ["/bin/sh", "-c", f"{mapper} | {reducer}"]
    done = subprocess.run(command, input=BOOK, capture_output=True, check=True)
    wanted = done.stdout.decode().removesuffix("\n").split("\n")
    assert sorted(lines) == sorted(wanted)
    falls = sum(one < other for one, other in pairwise(lines))
    assert lines == wanted if partitions == 1 else falls == partitions - 1
