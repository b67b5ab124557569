"""Move this process's memory into huge pages, so that a fork copies fewer page table entries.

The cost of a fork, and of the child's end, grows with the number of pages. A page that a child
writes to is still copied alone, as 4 KiB. Needs Linux 6.1; elsewhere it does nothing.
"""

from __future__ import annotations

import ctypes
from collections.abc import Iterable, Iterator

from mapreduce.system import operating_system

_MADV_COLLAPSE = 25
_HUGE_BYTES = 2 << 20
_OWN = frozenset(("", "[heap]"))


def use_huge_pages() -> None:
    """Move all memory of this process that can be moved."""
    madvise = operating_system.madvise
    if madvise is None:
        return
    with open(f"{operating_system.PROC}/self/maps", encoding="utf-8", errors="replace") as file:  # noqa: PTH123 - of /proc
        starts = list(whole_huge_pages(file))
    for start in starts:
        if madvise(ctypes.c_void_p(start), ctypes.c_size_t(_HUGE_BYTES), _MADV_COLLAPSE) != 0:
            return  # this kernel cannot, or no huge page is free


def whole_huge_pages(lines: Iterable[str]) -> Iterator[int]:
    """Yield the addresses at which huge pages fit into private memory that belongs to no file.

    Args:
        lines: of /proc/self/maps.
    """
    for line in lines:
        addresses, rights, _, _, _, *name = line.split(maxsplit=5)
        # only anonymous private memory: files and shared memory stay in place
        if rights != "rw-p" or "".join(name).strip() not in _OWN:
            continue
        start, end = (int(each, 16) for each in addresses.split("-"))
        first = -(-start // _HUGE_BYTES) * _HUGE_BYTES
        yield from range(first, end - _HUGE_BYTES + 1, _HUGE_BYTES)
