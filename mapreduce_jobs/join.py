"""A join of two tables on a column.

    python -m driver run --job join --input left=orders.csv --input right=users.csv --param on=user
    python -m driver run --job join ... --param how=left

Input: CSV files with headers, named `left` and `right`; each name may be given several times.
Output: the column's text -> [left row, right row] for each two rows with the same text; with
`how=left` also [left row, null] for a left row without a match. A file without the column is an
error. Texts are compared as they are: "1" is not "01".
"""

from collections.abc import Iterator
from typing import Literal

from mapreduce import Csv, Job

Row = dict[str, str]


class Join(Job):
    """A reduce-side join. It holds the right rows of one key in memory: use the smaller table as
    right.
    """

    on: str = "id"
    how: Literal["inner", "left"] = "inner"

    input_format = {"left": Csv(), "right": Csv()}  # noqa: RUF012
    group_by = 1

    def map(self, key: int, value: Row) -> Iterator[tuple[tuple[str, bool], tuple[bool, Row]]]:
        """Yield the row under the column's text; right rows sort before left ones, as False before
        True.
        """
        if self.on not in value:
            raise ValueError(
                f"the input {self.input!r} has no column {self.on!r}; it has {', '.join(value)}"
            )
        is_left = self.input == "left"
        yield (value[self.on], is_left), (is_left, value)

    def reduce(
        self, key: str, values: Iterator[tuple[bool, Row]]
    ) -> Iterator[tuple[str, tuple[Row, Row | None]]]:
        """Yield each left row, as it arrives, with all right rows."""
        partners: list[Row | None] = []
        for is_left, row in values:
            if not is_left:
                partners.append(row)
                continue
            for partner in partners or ([None] if self.how == "left" else []):
                yield key, (row, partner)
