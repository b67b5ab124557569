"""The text of a part: rows of sorted pairs, written as they come; the top pairs are kept."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, BinaryIO

from mapreduce.encoding import STR_TAG, decode_key, unpack_value
from mapreduce.engine.top_pairs import TopPairs
from mapreduce.errors import UserCodeError
from mapreduce.formats.frames import (
    INTEGERS,
    Frame,
    FrameSink,
    RawFrame,
    columns,
    first_key,
)
from mapreduce.formats.json_values import json_key, jsonable
from mapreduce.formats.output import JsonLayout, JsonPair, layout_of
from mapreduce.formats.table import Columns, NotARow, fill_two, row_of, shown_pair


class RowsWriter(FrameSink):
    """Renders pairs as JSON.

    Args:
        file: the output, empty.
        top: how many top pairs are kept.
        whole: write a .json document; else rows of a .jsonl file.
        distinct: the pairs come in key order, and no key twice, so that the document can be an
            object if its keys are str.
        columns: that each pair must fill, if any.
    """

    __slots__ = ("_columns", "_distinct", "_file", "_layout", "_limit", "_top", "_whole", "records")

    def __init__(
        self,
        file: BinaryIO,
        top: int,
        *,
        whole: bool,
        distinct: bool,
        columns: Columns = (),
    ) -> None:
        self._columns = columns
        self._file = file
        self._limit = top
        self._whole = whole
        self._distinct = distinct
        self._begin()

    def _begin(self) -> None:
        self._top = TopPairs(self._limit)
        self._layout: JsonLayout | None = None
        self.records = 0

    @property
    def top(self) -> list[tuple[Any, Any]]:
        """The top pairs, top first."""
        return self._top.pairs()

    def start_over(self) -> None:
        """Empty the file."""
        self._file.seek(0)
        self._file.truncate()
        self._begin()

    def write_frames(self, frames: Iterable[RawFrame]) -> None:
        """Render frames.

        Raises:
            UserCodeError: a pair does not fill the columns.
        """
        self._file.writelines(self._rendered(frames))

    def finish(self) -> None:
        """Write the text after the last row."""
        layout = self._layout or self._begun(STR_TAG)
        self._file.write(layout.tail)

    def _begun(self, tag: int) -> JsonLayout:
        # keys are sorted, and a str has the greatest tag: if the first key is a str, so are all
        as_object = self._whole and self._distinct and tag == STR_TAG
        self._layout = layout_of("json" if self._whole else "jsonl", as_object=as_object)
        self._file.write(self._layout.head)
        return self._layout

    def _rendered(self, frames: Iterable[RawFrame]) -> Iterator[bytes]:
        for raw in frames:
            layout = self._layout or self._begun(first_key(raw)[0])
            found = layout.rows_of_frame(raw) if self._are_rows(raw) else None
            # a frame is decoded only if the extension cannot render it, or it may hold a top pair
            if found is None or found[1] is None or found[1] > self._top.threshold:
                frame = columns(raw)
                self._offer(frame)
                rows = found[0] if found else layout.rows(self._checked(_pairs(frame)))
            else:
                rows = found[0]
            yield layout.separator + rows if self.records else rows
            self.records += raw[1]

    def _are_rows(self, raw: RawFrame) -> bool:
        """Return whether each pair fills the columns without a look at it."""
        return not self._columns or (raw[0] == INTEGERS and fill_two(self._columns))

    def _checked(self, pairs: Iterable[tuple[bytes, Any]]) -> Iterator[JsonPair]:
        """Yield pairs as JSON values; refuse one that does not fill the columns."""
        for encoded, value in pairs:
            key, shown = decode_key(encoded), jsonable(value)
            if self._columns:
                check_row((jsonable(key), shown), self._columns)
            yield json_key(key), shown

    def _offer(self, frame: Frame) -> None:
        top = self._top
        for key, value in zip(frame.keys, frame.values, strict=True):
            if type(value) is not int or value > top.threshold:
                top.offer(decode_key(key), unpack_value(value))


def check_row(pair: JsonPair, columns: Columns) -> None:
    """Refuse a pair that does not fill the columns; raises `UserCodeError`."""
    try:
        row_of(*pair, columns)
    except NotARow as exc:
        raise UserCodeError(
            f"the job yielded the pair {shown_pair(*pair)}, which {exc}; "
            "a key gives its fields, then the value; a tuple or list gives several",
            record=shown_pair(*pair),
        ) from None


def _pairs(frame: Frame) -> Iterator[tuple[bytes, Any]]:
    return zip(frame.keys, map(unpack_value, frame.values), strict=True)
