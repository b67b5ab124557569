"""What a join of rows on a column does, in place of code."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

How: TypeAlias = Literal["inner", "left", "right", "outer", "semi", "anti"]


@dataclass(frozen=True, slots=True)
class RowJoin:
    """A join of the rows of two inputs on a column, which `Job.row_join` returns.

    It says of a job with `broadcasts` that `map` yields each row, a dict, under the value of its
    column `on`, and that `map_joined` yields under the same key

        inner, left, right, outer   the tuple (left row, right row), with None in place of a row
                                    that there is not, as in SQL
        semi, anti                  each left row that has a partner, or none; only the keys of
                                    `held` count, and any of its values may be None

    None is a key like any other: unlike in SQL, two rows without a value are partners.

    Attributes:
        on: the name of the column, in both inputs.
        how: the kind of the join.
        left: the name of the left input; the other one is the right one. The job has two.
    """

    on: str
    how: How = "inner"
    left: str = "left"

    def __post_init__(self) -> None:
        if self.how not in get_args(How):
            raise ValueError(f"how is one of {', '.join(get_args(How))}, not {self.how!r}")
