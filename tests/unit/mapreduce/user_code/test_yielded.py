"""A pair is a tuple or list of two for every hook, in the engine and in the reference run."""

from __future__ import annotations

from collections import UserList, namedtuple
from typing import Any

import pytest

from mapreduce import Job, Sum
from mapreduce.check.reference import PlainInput, plain_run
from mapreduce.errors import UserCodeError
from mapreduce.testing import run
from mapreduce.user_code.yielded import NotAPair, pair_of, pairs_of

Named = namedtuple("Named", "key value")

NO_PAIRS = [
    "NY",
    b"NY",
    {"a": 1, "b": 2},
    {1, 2},
    range(2),
    ("a",),
    ["a", 1, 2],
    7,
    None,
    UserList("ab"),
]


@pytest.mark.parametrize("pair", [("a", 1), ["a", 1], Named("a", 1), (("a", "b"), ("c", "d"))])
def test_pairs(pair: Any) -> None:
    """A tuple, list or named tuple of two is a pair, also with tuples as key and value."""
    assert (pair[0], pair[1]) == pair_of(pair)


@pytest.mark.parametrize("wrong", NO_PAIRS, ids=repr)
def test_values_that_are_no_pair(wrong: Any) -> None:
    """Any other value is refused with its type and the remedy."""
    with pytest.raises(
        NotAPair,
        match=f"yielded the {type(wrong).__name__} .* which is not a pair; write `yield key, "
        "value`",
    ):
        pair_of(wrong)


@pytest.mark.parametrize(
    "returned",
    [
        [],
        (),
        [("a", 1)],
        {("a", 1)},
        iter([("a", 1)]),
        zip("a", [1], strict=True),
        {"a": 1}.items(),
    ],
)
def test_accepted_returns(returned: Any) -> None:
    """Any collection of pairs except a dict can be returned."""
    assert all(each == ("a", 1) for each in pairs_of(returned))


@pytest.mark.parametrize(
    "returned", [("a", 1), (("a", 1), ("b", 2)), {"a": 1}, "ab", b"ab", 7, None]
)
def test_refused_returns(returned: Any) -> None:
    """A pair, a dict and a text cannot be returned, because their items could look like pairs."""
    with pytest.raises(NotAPair, match="yield|items"):
        pairs_of(returned)
    assert [] == list(pairs_of(None, none_is_empty=True))


def job_with(hook: str, yielded: Any) -> type[Job]:
    """Return a job that yields a value from one of its methods, and pairs from the others."""

    class Yielding(Job):
        def map(self, key: Any, value: Any) -> Any:
            yield value, 1

        def reduce(self, key: Any, values: Any) -> Any:
            yield key, sum(values)

    def giving(self: Any, *_: Any) -> Any:
        yield yielded

    names: dict[str, Any] = {"__module__": __name__, hook.removesuffix(" only"): giving}
    if hook == "map only":
        names["reduce"] = None
    if hook == "map of Sum":
        names = {"__module__": __name__, "map": giving, "reduce": Sum()}
    return type("Mine", (Yielding,), names)


HOOKS = ["map", "map only", "map of Sum", "map_cleanup", "combine", "reduce", "reduce_cleanup"]


@pytest.mark.parametrize("hook", HOOKS)
@pytest.mark.parametrize("wrong", NO_PAIRS, ids=repr)
def test_every_place_refuses_the_same(hook: str, wrong: Any) -> None:
    """Every hook refuses a value that is no pair with its name, in C, in Python and in the
    reference run.
    """
    job = job_with(hook, wrong)
    with pytest.raises(
        UserCodeError, match=rf"^{hook.split(maxsplit=1)[0]} yielded .* not a pair"
    ) as caught:
        run(job(), ["NY", "CA"])
    if hook not in ("map_cleanup", "reduce_cleanup"):
        assert caught.value.record in ("'NY'", "'CA'")
    if hook != "combine":
        with pytest.raises(
            UserCodeError, match=rf"^{hook.split(maxsplit=1)[0]} yielded .* not a pair"
        ):
            plain_run(job(), [PlainInput("u", b"NY\nCA")])
