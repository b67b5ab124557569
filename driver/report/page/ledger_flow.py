"""A ledger as a flow: what goes from step to step, and the sums that agree between them. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from driver.text import bytes_text
from mapreduce.engine import Ledger
from mapreduce.engine.ledger import LedgerRow

WRONG_SHOWN = 10
_LAWS = {
    "bytes": ("bytes of the inputs = bytes in records read", 0),
    "times each": ("every byte read exactly once", 0),
    "": ("the inputs have not changed (ETags)", 0),
    "partitions": ("every partition reduced", 1),
    "pairs": ("pairs written by maps = pairs read by reduces", 1),
    "checksum": ("checksums of the pairs, by partition", 1),
    "seal of the blocks": ("seal over all blocks", 1),
}
"""For each unit of the rows: the law in words, and between which steps of the flow it stands."""


@dataclass(frozen=True, slots=True)
class Law:
    """The rows of one unit together: how many agree, their sums, and those that do not agree."""

    words: str
    between: int
    rows: int
    agree: int
    sums: str
    wrong: tuple[LedgerRow, ...]

    @property
    def holds(self) -> bool:
        """Whether all rows agree."""
        return self.rows == self.agree


def laws(ledger: Ledger) -> list[Law]:
    """Return the laws of a ledger, in the order of the flow; those without a row are left out."""
    found = []
    for unit, (words, between) in _LAWS.items():
        rows = [row for row in ledger.rows if row.unit == unit]
        if not rows:
            continue
        wrong = [row for row in rows if not row.balances]
        agree = len(rows) - len(wrong)
        sums = _sums(unit, rows, ledger)
        found.append(Law(words, between, len(rows), agree, sums, tuple(wrong[:WRONG_SHOWN])))
    return found


def _sums(unit: str, rows: list[LedgerRow], ledger: Ledger) -> str:
    """Return both sides in numbers where they have a sum; else ""."""
    if unit == "bytes":
        expected, found = (
            sum(value for row in rows if isinstance(value := getattr(row, side), int))
            for side in ("expected", "found")
        )
        sign = "=" if expected == found else "≠"
        return f"{expected:,} {sign} {found:,} ({bytes_text(expected)})"
    if unit == "pairs":
        return f"{ledger.pairs_shuffled:,}"
    return ""
