"""Map tasks that hold an input: what they read, and what the ledger and the keys say of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pytest

from driver.plan.tasks import pieces_identity
from mapreduce import Job, JsonLines, Sum, Text
from mapreduce.check.laws import check
from mapreduce.check.reference import PlainInput
from mapreduce.encoding import NotCarriable
from mapreduce.engine.broadcasts import broadcasts_of
from mapreduce.engine.held import Held
from mapreduce.engine.split import plan_splits
from mapreduce.errors import JobLoadError, UserCodeError
from mapreduce.testing import run
from mapreduce.wire.messages import InputObject, SplitRule


def given(name: str, size: int) -> InputObject:
    """Return an input."""
    return InputObject(url=f"file:///{name}", size=size, etag="1", name=name)


def test_each_split_has_the_input_beside_it() -> None:
    """The input that is broadcast is whole beside each split, and in none of them."""
    splits = plan_splits([given("b", 10), given("a", 7)], SplitRule(splits=3), broadcast="a")
    assert ["b"] * 3 == [piece.name for split in splits for piece in split.pieces]
    for split in splits:
        assert split.beside is not None
        assert [("a", 0, 7)] == [(each.name, each.start, each.end) for each in split.beside]
    assert [None] == [split.beside for split in plan_splits([given("b", 10)], SplitRule(splits=1))]


class Names(Job):
    """Counts records, and names what a line says by the other input."""

    input_format = {"lines": Text(), "names": JsonLines()}  # noqa: RUF012

    def broadcasts(self) -> tuple[str, ...]:
        return ("names",)

    def map(self, key: int, value: Any) -> Iterator[tuple[Any, Any]]:
        """Yield a line, or the number of a name."""
        self.count(self.input)
        if self.input == "names":
            yield value["n"], value["name"]
        else:
            yield int(value), None

    def map_joined(
        self, held: Mapping[Any, Sequence[Any]], records: Iterator[tuple[Any, Any]]
    ) -> Iterator[tuple[Any, Any]]:
        """Yield the names of a line's number."""
        for _, line in records:
            self.count(self.input)
            for name in held.get(int(line), ()):
                yield int(line), name

    def reduce(self, key: int, values: Iterator[Any]) -> Iterator[tuple[Any, Any]]:
        """Yield each name as often as there are lines."""
        both = list(values)
        for name in both:
            yield from ((key, name) for line in both if line is None and name is not None)


INPUTS = {
    "lines": b"1\n2\n1\n3\n" * 9,
    "names": b'{"n":1,"name":"a"}\n{"n":2,"name":"b"}\n{"n":1,"name":"c"}\n',
}


def test_records_and_counters_count_once() -> None:
    """Counters and pairs are those of the shuffle, however many tasks read the input."""
    shuffled = run(Names(), inputs=INPUTS, splits=4)
    joined = run(Names(), inputs=INPUTS, splits=4, broadcast="names")
    assert sorted(shuffled.pairs) == sorted(joined.pairs)
    assert {"lines": 36, "names": 3} == shuffled.counters == joined.counters


def test_an_error_names_the_record() -> None:
    """An error in `map_joined` names the record that it had last."""
    lines = b"1\n2\nx\n"
    with pytest.raises(UserCodeError, match=r"invalid literal") as caught:
        run(Names(), inputs={**INPUTS, "lines": lines}, splits=1, broadcast="names")
    assert "'x'" == caught.value.record


def test_a_class_that_cannot_be_broadcast_is_refused() -> None:
    """`broadcasts` and `map_joined` belong together, and need a `reduce` method."""

    class Alone(Names):
        map_joined = Job.map_joined  # type: ignore[assignment]

    class Summed(Names):
        reduce = Sum()  # type: ignore[assignment]

    for cls, message in ((Alone, "`broadcasts` alone"), (Summed, "an aggregation")):
        with pytest.raises(JobLoadError, match=message):
            cls.check()
    Names.check()
    for hook in "map_cleanup", "reduce_cleanup":
        ends: type[Names] = type("Ends", (Names,), {hook: lambda self: [], "__module__": __name__})
        with pytest.raises(JobLoadError, match=f"`broadcasts` and `{hook}`"):
            ends.check()


@pytest.mark.parametrize("key", [1.0, True, (1, 2.0)])
def test_keys_that_python_takes_as_equal_are_refused(key: Any) -> None:
    """1, 1.0 and True are three keys of the engine, and one of a dict."""
    for before in (), ((1, 1), ((1, 2), 1)):
        with pytest.raises(UserCodeError, match="str, bytes, int and None only"):
            Held(0).add([*before, (key, 1)])


def test_values_are_those_that_the_shuffle_would_carry() -> None:
    """An object that the author fills again keeps what it had, and one that cannot be sent is
    refused.
    """
    row, held = [0], Held(0)

    def pairs() -> Iterator[tuple[str, Any]]:
        for number in 1, 2:
            row[0] = number
            yield "a", row

    held.add(pairs())
    assert {"a": [[1], [2]]} == held.groups
    with pytest.raises(NotCarriable):
        held.add([("a", {1, 2})])


def test_a_job_that_leaves_records_is_an_error() -> None:
    """Records that `map_joined` does not take would be in no count."""

    class Early(Names):
        def map_joined(
            self, held: Mapping[Any, Sequence[Any]], records: Iterator[tuple[Any, Any]]
        ) -> Iterator[tuple[Any, Any]]:
            """Yield the first one."""
            yield next(records)

    with pytest.raises(UserCodeError, match="map_joined ended before it had taken all `records`"):
        run(Early(), inputs=INPUTS, splits=1, broadcast="names")


@pytest.mark.parametrize("returned", ["names", None, ["nmaes"], 3])
def test_names_that_are_no_inputs_are_refused(returned: Any) -> None:
    """What `broadcasts` returns are names of the job's inputs; an error in it is the author's."""
    job = Names()
    job.broadcasts = lambda: returned  # type: ignore[method-assign]
    with pytest.raises(JobLoadError, match=r"names of its inputs \(lines, names\)"):
        broadcasts_of(job)


def test_what_is_broadcast_counts_in_one_task_only_of_a_run() -> None:
    """The task in which it counts has another key than the same split in which it does not."""
    inputs = [given("b", 10), given("c", 10), given("a", 7)]
    splits = plan_splits(inputs, SplitRule(split_bytes=10), broadcast="a")
    assert [True, False] == [each.counts_beside for each in splits]
    counted, not_counted = splits[0], splits[0].model_copy(update={"index": 1})
    assert pieces_identity(counted) != pieces_identity(not_counted)
    assert pieces_identity(splits[1]) == pieces_identity(splits[1].model_copy(update={"index": 9}))


def test_check_holds_the_broadcast_against_the_shuffle() -> None:
    """A `map_joined` that yields something else than `reduce` breaks a law; the right one none."""

    class Wrong(Names):
        def map_joined(
            self, held: Mapping[Any, Sequence[Any]], records: Iterator[tuple[Any, Any]]
        ) -> Iterator[tuple[Any, Any]]:
            """Yield each line, with a name or not."""
            for _, line in records:
                yield int(line), str(held.get(int(line)))

    inputs = [PlainInput(f"file:///{name}", data, name) for name, data in INPUTS.items()]
    assert [] == check(Names, inputs)
    (breach,) = check(Wrong, inputs)
    assert "broadcast of names" == breach.way


def test_a_group_of_fields() -> None:
    """With `group_by`, the first fields are the key; a key without fields is refused."""
    held = Held(2)
    held.add([(("a", 1, 2), "x"), (("a", 1, 3), "y"), (("b", 1, 3), "z")])
    assert {("a", 1): ["x", "y"], ("b", 1): ("z",)} == held.groups
    with pytest.raises(UserCodeError, match="needs a tuple of at least 2 fields"):
        held.add([("a", 1)])
    with pytest.raises(UserCodeError, match="needs a tuple of at least 1 field"):
        Held(1).add([("a", 1)])
