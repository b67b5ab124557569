"""A join of two tables on a column.

    python -m driver run --job join --input left=orders.csv --input right=users.csv --param on=user
    python -m driver run --job join ... --param how=left

Input: CSV files with headers, named `left` and `right`; each name may be given several times.
Output: the column's text -> [left row, right row] for each two rows with the same text. `how` says
what becomes of the other rows, as in SQL:

    inner   they are left out
    left    a left row without a match -> [left row, null]
    right   a right row without a match -> [null, right row]
    outer   both
    semi    the column's text -> each left row that has a match, once
    anti    the column's text -> each left row that has none

A file without the column is an error. Texts are compared as they are: "1" is not "01".
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal

from mapreduce import Csv, Job, RowJoin, Spool

Row = dict[str, str]

_BROADCASTS = {
    "inner": ("right", "left"),
    "left": ("right",),
    "right": ("left",),
    "outer": (),
    "semi": ("right",),
    "anti": ("right",),
}


class Join(Job):
    """A join. Where one table is small, each map task holds it; else the right rows of one key are
    read again for each left row, from memory or from a temporary file: use the smaller table as
    right.
    """

    on: str = "id"
    how: Literal["inner", "left", "right", "outer", "semi", "anti"] = "inner"

    input_format = {"left": Csv(), "right": Csv()}  # noqa: RUF012
    group_by = 1

    def broadcasts(self) -> tuple[str, ...]:
        """Return the tables whose rows are in the result only together with rows of the other."""
        return _BROADCASTS[self.how]

    def row_join(self) -> RowJoin:
        """Return the join, which the engine does without `map_joined` where it can."""
        return RowJoin(self.on, self.how)

    def map_joined(
        self, held: Mapping[str, Sequence[Row]], records: Iterator[tuple[int, Row]]
    ) -> Iterator[tuple[str, Any]]:
        """Yield the pairs of rows of one table, with the other table in memory."""
        if self.how in ("semi", "anti"):
            for _, row in records:
                name = self._text(row)
                if (name in held) == (self.how == "semi"):
                    yield name, row
            return
        on, partners_of, is_left = self.on, held.get, self.input == "left"
        alone = () if self.how == "inner" else (None,)
        for _, row in records:
            # no call for each row: this is the hottest line of a join
            name = row[on] if on in row else self._text(row)
            for partner in partners_of(name, alone):
                yield name, (row, partner) if is_left else (partner, row)

    def _text(self, row: Row) -> str:
        try:
            return row[self.on]
        except KeyError:
            raise ValueError(
                f"the input {self.input!r} has no column {self.on!r}; it has {', '.join(row)}"
            ) from None

    def map(self, key: int, value: Row) -> Iterator[tuple[tuple[str, bool], Row | None]]:
        """Yield the row under the column's text; right rows sort before left ones, as False before
        True.
        """
        is_left = self.input == "left"
        # of a right row, semi and anti joins need only the key
        needed = is_left or self.how not in ("semi", "anti")
        yield (self._text(value), is_left), value if needed else None

    def reduce(self, key: str, values: Iterator[Row]) -> Iterator[tuple[str, Any]]:
        """Yield each left row, as it arrives, with all right rows."""
        if self.how in ("semi", "anti"):
            return self._filtered(key, values)
        return self._joined(key, values)

    def _joined(
        self, key: str, values: Iterator[Row]
    ) -> Iterator[tuple[str, tuple[Row | None, Row | None]]]:
        is_matched = False
        with Spool() as partners:
            for row in values:
                if not self.key[1]:
                    partners.append(row)
                    continue
                is_matched = True
                for partner in partners:
                    yield key, (row, partner)
                if not partners and self.how in ("left", "outer"):
                    yield key, (row, None)
            if not is_matched and self.how in ("right", "outer"):
                for partner in partners:
                    yield key, (None, partner)

    def _filtered(self, key: str, values: Iterator[Row]) -> Iterator[tuple[str, Row]]:
        has_partner = False
        for row in values:
            if not self.key[1]:
                has_partner = True
            elif has_partner == (self.how == "semi"):
                yield key, row
