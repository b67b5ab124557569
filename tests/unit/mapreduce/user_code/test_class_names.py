"""Names that the engine ignores, or that hide its own, are refused with the right name; helpers are
not.
"""

from __future__ import annotations

from typing import Any, ClassVar

import pytest

from mapreduce import Chain, Count, Job, Sum, Text
from mapreduce.errors import JobLoadError
from mapreduce.user_code.class_names import FOREIGN


class Lines(Job):
    """A valid job."""

    reduce: ClassVar[Any] = Count()

    def map(self, key: Any, value: Any) -> Any:
        return [(value, 1)]


class Helped(Lines):
    """Helpers with names similar to ours, or of other frameworks, that the job uses."""

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
    """A valid chain."""

    def steps(self) -> Any:
        return [Lines()]


def nothing(self: Any, *_: Any) -> None:
    """Do nothing."""


def refusal(base: type[Job] | type[Chain], **names: Any) -> str:
    """Return the error for a subclass with these names."""
    with pytest.raises(JobLoadError) as caught:
        type("Mine", (base,), {"__module__": __name__, **names}).check()  # type: ignore[attr-defined]
    return str(caught.value)


@pytest.mark.parametrize("name", sorted(FOREIGN))
@pytest.mark.parametrize(
    "value", [nothing, True, staticmethod(nothing)], ids=["method", "attribute", "static"]
)
def test_names_of_other_frameworks(name: str, value: Any) -> None:
    """A name of another framework is refused in a job and, except `steps`, in a chain, with our
    name.
    """
    assert FOREIGN[name] in refusal(Lines, **{name: value})
    if name != "steps":
        assert f"`{name}`" in refusal(Steps, **{name: value})


@pytest.mark.parametrize(
    "name", ["mapper", "reducer_init", "SORT_VALUES", "setup", "steps", "filter"]
)
def test_declared_parameters_may_be_called_so(name: str) -> None:
    """A declared parameter may have such a name, but not a class variable, nor an attribute of
    another class.
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
    """Such a name is refused in any base class of the author."""
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
    """A parameter or attribute that hides a name of the engine is refused."""
    annotations = {"__annotations__": {name: int}} if declared else {}
    assert f"`{name}` of Mine hides a name of the engine" in refusal(
        Lines, **annotations, **{name: 3}
    )


@pytest.mark.parametrize("name", ["check", "parameters", "parameter_values"])
def test_names_without_which_no_class_can_be_checked(name: str) -> None:
    """A name that the check itself needs is refused when the class is created."""
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
    """A misspelt and unused name of a hook is refused with the right one."""
    assert f"is it `{meant}`?" in refusal(Lines, **{name: value})


def test_helpers_are_accepted() -> None:
    """A method that the job uses is a helper with any name, as are dissimilar and private names."""
    Helped.check()


@pytest.mark.parametrize(
    ("name", "value"),
    [("map", nothing), ("reduce", Sum()), ("group_by", 1), ("map_setup", nothing)],
)
def test_names_of_a_job_in_a_chain(name: str, value: Any) -> None:
    """A name of a job in the class of a chain is refused."""
    assert "in the class of a step's job" in refusal(Steps, **{name: value})
    assert "is it `steps`?" in refusal(Steps, step=nothing)


def test_a_parameter_may_have_a_foreign_name_in_subclasses_too() -> None:
    """A value for a parameter that a parent declares is no foreign name."""

    class Commands(Lines):
        """Declares what mrjob calls a method."""

        mapper: str
        reducer: str = ""

    class Given(Commands):
        """Gives it a value."""

        mapper = "cat"
        reducer = "uniq"

    Given.check()
    assert "`mapper`" in refusal(Lines, mapper="cat")
