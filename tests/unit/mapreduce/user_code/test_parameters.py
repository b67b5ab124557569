"""Parameters that a program in Python gives as values."""

from __future__ import annotations

import datetime
from typing import Any

import pytest

from mapreduce import Job
from mapreduce.errors import ParameterError
from mapreduce.user_code.parameters import parameters_as_json


class _Mine(Job):
    low: int = 1
    day: datetime.date = datetime.date(2024, 1, 1)
    names: frozenset[str] = frozenset()

    def map(self, key: Any, value: Any) -> Any:
        yield value, 1


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({}, {}),
        ({"low": 3}, {"low": 3}),
        ({"day": datetime.date(2024, 2, 3)}, {"day": "2024-02-03"}),
        ({"day": "2024-02-03"}, {"day": "2024-02-03"}),
        ({"names": {"b", "a"}}, {"names": ["a", "b"]}),
    ],
)
def test_values_become_json(values: dict[str, Any], expected: dict[str, Any]) -> None:
    """A value is held as the JSON that `--param` would give; only those that are given."""
    assert expected == parameters_as_json(_Mine, values)


@pytest.mark.parametrize(
    ("values", "named"),
    [({"lo": 3}, "no parameter 'lo'"), ({"low": "x"}, "low of _Mine wants int")],
)
def test_wrong_values_are_refused(values: dict[str, Any], named: str) -> None:
    """An unknown name and a value of a wrong type are refused."""
    with pytest.raises(ParameterError, match=named):
        parameters_as_json(_Mine, values)
