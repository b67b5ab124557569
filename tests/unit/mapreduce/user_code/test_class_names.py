"""Names that would be passed over, or would hide the engine's, are refused with the word to use;
helpers are not.
"""

from __future__ import annotations

from typing import Any, ClassVar

import pytest

from mapreduce import Chain, Count, Job, Sum, Text
from mapreduce.errors import JobLoadError
from mapreduce.user_code.class_names import FOREIGN


class Lines(Job):
    """A good job."""

    reduce: ClassVar[Any] = Count()

    def map(self, key: Any, value: Any) -> Any:
        return [(value, 1)]


class Helped(Lines):
    """Helpers with names that are near to ours, or are another framework's, and that the job uses
    itself.
    """

    mapping: ClassVar[dict[str, str]] = {}

    def map(self, key: Any, value: Any) -> Any:
        return [(self.reduced(value), number) for number in self.maps()]

    def reduced(self, value: str) -> str:
        return value

    def maps(self) -> list[int]:
        return [1]

    def filter(self, values: list[str]) -> list[str]:
        return [each for each in values if self.run(each)]

    def run(self, value: str) -> bool:
        return bool(self.filter([value]))

    def _partitons(self) -> None: ...

    def words_of(self) -> None: ...

    @property
    def partitions(self) -> int:
        return 1


class Steps(Chain):
    """A good chain."""

    def steps(self) -> Any:
        return [Lines()]


def nothing(self: Any, *_: Any) -> None:
    """A method."""


def refusal(base: type[Job] | type[Chain], **names: Any) -> str:
    """What a subclass with these names is refused with."""
    with pytest.raises(JobLoadError) as caught:
        type("Mine", (base,), {"__module__": __name__, **names}).check()  # type: ignore[attr-defined]
    return str(caught.value)


@pytest.mark.parametrize("name", sorted(FOREIGN))
@pytest.mark.parametrize(
    "value", [nothing, True, staticmethod(nothing)], ids=["method", "attribute", "static"]
)
def test_names_of_other_frameworks(name: str, value: Any) -> None:
    """A method or attribute is refused, in a job and, but for `steps`, in a chain; the message has
    our word.
    """
    assert FOREIGN[name] in refusal(Lines, **{name: value})
    if name != "steps":
        assert f"`{name}`" in refusal(Steps, **{name: value})


@pytest.mark.parametrize(
    "name", ["mapper", "reducer_init", "SORT_VALUES", "setup", "steps", "filter"]
)
def test_declared_parameters_may_be_called_so(name: str) -> None:
    """An annotation declares a parameter; one of a class variable, or in a class that is no job,
    does not.
    """
    own: Any = type(
        "Own", (Lines,), {"__module__": __name__, "__annotations__": {name: int}, name: 3}
    )
    own.check()
    assert {name: 3} == own().parameter_values()
    assert "does not call" in refusal(Lines, **{"__annotations__": {name: ClassVar[int]}, name: 3})
    mixin = type("Mixin", (), {"__annotations__": {name: int}, name: 3})
    with pytest.raises(JobLoadError, match="Mixin has"):
        type("Mixed", (mixin, Lines), {}).check()  # type: ignore[attr-defined]


def test_inherited_names() -> None:
    """They are refused wherever in the author's classes they stand, before or behind the job."""
    mixin = type("Mixin", (), {"reducer": nothing})
    for bases in ((mixin, Lines), (Lines, mixin)):
        with pytest.raises(JobLoadError, match="Mixin has `reducer`"):
            type("Mixed", bases, {}).check()  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    "name",
    [
        "source",
        "input",
        "stage",
        "counters",
        "status_text",
        "count",
        "status",
        "path",
        "map_only",
        "aggregation",
    ],
)
@pytest.mark.parametrize("declared", [True, False])
def test_names_of_the_engine(name: str, declared: bool) -> None:
    """Neither a parameter nor an attribute may hide them."""
    annotations = {"__annotations__": {name: int}} if declared else {}
    assert f"`{name}` of Mine hides a name of the engine" in refusal(
        Lines, **annotations, **{name: 3}
    )


@pytest.mark.parametrize("name", ["check", "parameters", "parameter_values"])
def test_names_without_which_no_class_can_be_checked(name: str) -> None:
    """They are refused when the class is made."""
    with pytest.raises(JobLoadError, match=f"`{name}` of Mine hides a name of the engine"):
        type("Mine", (Lines,), {name: 3})


@pytest.mark.parametrize(
    ("name", "value", "meant"),
    [
        ("map_set_up", nothing, "map_setup"),
        ("mapBatch", nothing, "map_batch"),
        ("MapCleanup", nothing, "map_cleanup"),
        ("reduce_cleanpu", nothing, "reduce_cleanup"),
        ("partiton", nothing, "partition"),
        ("groupby", 1, "group_by"),
        ("input_fromat", Text(), "input_format"),
        ("totalOrder", True, "total_order"),
    ],
)
def test_misspelt_hooks(name: str, value: Any, meant: str) -> None:
    """A name that is nearly one of ours, and that nothing uses, is refused with ours."""
    assert f"is it `{meant}`?" in refusal(Lines, **{name: value})


def test_helpers_are_let_be() -> None:
    """What the job uses itself is a helper, whatever its name is near to; so are other names, and
    private ones.
    """
    Helped.check()


@pytest.mark.parametrize(
    ("name", "value"),
    [("map", nothing), ("reduce", Sum()), ("group_by", 1), ("map_setup", nothing)],
)
def test_names_of_a_job_in_a_chain(name: str, value: Any) -> None:
    """A chain would pass them over."""
    assert "in the class of a step's job" in refusal(Steps, **{name: value})
    assert "is it `steps`?" in refusal(Steps, step=nothing)
