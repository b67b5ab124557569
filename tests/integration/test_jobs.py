"""Each ready-made job, with the real command: its result equals a plain program's, and `verify`
agrees.
"""

from __future__ import annotations

import json
import random
import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from bench.social_graph import write_graph
from mapreduce_jobs.page_rank import UNIT
from tests.integration.commands import Driver
from tests.unit.mapreduce_jobs.test_friend_recommendation import brute_force
from tests.unit.mapreduce_jobs.test_grep import plain_grep
from tests.unit.mapreduce_jobs.test_join import in_one_order, table
from tests.unit.mapreduce_jobs.test_k_means import Points, lloyd, same
from tests.unit.mapreduce_jobs.test_log_statistics import HEAD, plain_statistics
from tests.unit.mapreduce_jobs.test_n_grams import plain_n_grams
from tests.unit.mapreduce_jobs.test_page_rank import power_iteration

SENTENCES = (
    "To be, or not to be",
    "that is the question",
    "whether 'tis nobler in the mind",
    "to suffer",
)


@pytest.fixture
def text(driver: Driver) -> list[str]:
    """The lines of `text.txt`."""
    lines = [SENTENCES[number * number % 7 % 4] + " be" * (number % 3) for number in range(300)]
    (driver.folder / "text.txt").write_text(
        "".join(f"{line}\n" for line in lines), encoding="utf-8"
    )
    return lines


def result(
    driver: Driver, job: str, *arguments: str, target: str = "inline"
) -> list[tuple[Any, Any]]:
    """Run a job, verify it, and return its pairs in key order."""
    output = driver.folder / "result.jsonl"
    command = (
        "--job",
        job,
        "--target",
        target,
        "--chunks",
        "4",
        "--reducers",
        "2",
        "--output",
        str(output),
    )
    done = driver.run("run", *command, *arguments)
    assert done.code == 0, done.err
    verified = driver.run("verify")
    assert verified.code == 0, verified.err
    rows = map(json.loads, output.read_text(encoding="utf-8").splitlines())
    return [(row["key"], row["value"]) for row in rows]


def words_of(lines: list[str]) -> Counter[str]:
    """Count words of ASCII lines."""
    return Counter(re.findall("[a-z']+", "\n".join(lines).lower()))


def test_text_jobs(driver: Driver, text: list[str]) -> None:
    """Jobs over lines of text equal plain programs."""
    given = ("--input", "text.txt")
    counts = words_of(text)
    ranked = sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))[:3]
    assert sorted(set(text)) == [line for line, _ in result(driver, "distinct", *given)]
    assert sorted(plain_n_grams(text, 3).items()) == result(
        driver, "n_grams", *given, "--param", "n=3"
    )
    assert sorted(text) == [line for line, _ in result(driver, "sort", *given)]
    assert sorted(counts.items()) == result(driver, "word_count_batch", *given)
    expected = [(rank, [word, count]) for rank, (word, count) in enumerate(ranked, 1)]
    assert expected == result(driver, "top_k", *given, "--param", "k=3")


def test_grep(driver: Driver, text: list[str]) -> None:
    """The job `grep` finds lines in two files, and in a link to one under the link's path."""
    (driver.folder / "b.txt").write_bytes(b"\r\nthe end\r\n")
    (driver.folder / "again").mkdir()
    (driver.folder / "again/b.txt").symlink_to("../b.txt")
    given = (
        "--input",
        "b.txt",
        "--input",
        "text.txt",
        "--input",
        "again",
        "--param",
        "pattern=(?i)THE (end|mind)",
    )
    contents = [(driver.folder / name).read_bytes() for name in ("b.txt", "b.txt", "text.txt")]
    expected = plain_grep("the (end|mind)", contents)
    found = [(Path(key[0]).name, key[1], line) for key, line in result(driver, "grep", *given)]
    assert [
        (("b.txt", "b.txt", "text.txt")[at], number, line) for at, number, line in expected
    ] == found


def test_join_of_a_table_with_itself(driver: Driver) -> None:
    """A table joined with itself under two names gives the people with the same boss."""
    staff = [{"id": str(number), "boss": str(number // 4)} for number in range(20)]
    (driver.folder / "staff.csv").write_bytes(table(staff, ["id", "boss"], "\n"))
    found = result(
        driver,
        "join",
        "--input",
        "left=staff.csv",
        "--input",
        "right=staff.csv",
        "--param",
        "on=boss",
    )
    expected: list[tuple[str, list[Any]]] = [
        (row["boss"], [row, other])
        for row in staff
        for other in staff
        if row["boss"] == other["boss"]
    ]
    assert in_one_order(expected) == in_one_order(found)


def test_log_statistics(driver: Driver) -> None:
    """log_statistics gives the statistics of each path's sizes."""
    sizes = {
        f"/{number}": [at * 31 % (number + 50) for at in range(number * 9 + 1)]
        for number in range(5)
    }
    lines = [
        f'{HEAD} "GET {path} HTTP/1.0" 200 {size}\n'
        for path, some in sizes.items()
        for size in some
    ]
    (driver.folder / "access.log").write_text("".join(lines), encoding="ascii")
    found = result(driver, "log_statistics", "--input", "access.log")
    assert [(path, plain_statistics(some)) for path, some in sorted(sizes.items())] == found


def test_friend_recommendation(driver: Driver) -> None:
    """friend_recommendation equals brute force on a heavy-tailed graph."""
    write_graph(driver.folder / "graph.txt", users=500, friends=8, seed=2)
    rows = [
        line.split("\t")
        for line in (driver.folder / "graph.txt").read_text(encoding="ascii").splitlines()
    ]
    friends = {
        int(user): {int(friend) for friend in known.split(",") if friend} for user, known in rows
    }
    assert any(not known for known in friends.values())
    found = result(driver, "friend_recommendation", "--input", "graph.txt", target="local")
    assert sorted(brute_force(friends, 10).items()) == found


def test_page_rank(driver: Driver) -> None:
    """page_rank equals power iteration, with a counter that exceeds 64 bits."""
    links = {f"n{number}": {f"n{number * 7 % 11}", f"end{number}"} for number in range(20)}
    assert 20 * UNIT > 1 << 64
    text = "".join(f"{node}\t{','.join(sorted(targets))}\n" for node, targets in links.items())
    (driver.folder / "links.txt").write_text(text, encoding="ascii")
    parameters = ("--param", "tolerance=1e-11", "--param", "damping=0.5")
    found = result(driver, "page_rank", "--input", "links.txt", *parameters, target="local")
    assert pytest.approx(power_iteration(links, 0.5, rounds=60), abs=1e-9) == dict(found)


def test_k_means(driver: Driver) -> None:
    """k_means equals Lloyd's algorithm to the last bit: each iteration reads the points again, and
    gets the centres as a parameter.
    """
    chance = random.Random(11)
    points: Points = [
        (chance.gauss(number % 3 * 4, 1), chance.gauss(number % 2 * 5, 1)) for number in range(200)
    ]
    text = "".join(f"{x!r},{y!r}\n" for x, y in points)
    (driver.folder / "points.csv").write_text(text, encoding="ascii")
    found = result(
        driver, "k_means", "--input", "points.csv", "--param", "k=4", "--param", "tolerance=0"
    )
    assert same(lloyd(points, points[:4]), dict(found))
