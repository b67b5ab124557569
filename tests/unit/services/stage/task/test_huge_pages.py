"""Which huge pages fit into a process's memory."""

import sys

import pytest

from services.stage.task.huge_pages import use_huge_pages, whole_huge_pages

MAPS = """\
00100000-00900000 rw-p 00000000 00:00 0
00a00000-00c00000 rw-p 00000000 00:00 0
01000000-01400000 rw-p 00000000 00:00 0                    [heap]
02000000-02400000 rw-p 00001000 fe:00 1234                               /usr/lib/a lib.so
03000000-03400000 r--p 00000000 00:00 0
04000000-04400000 rw-s 00000000 00:00 0
05000000-05400000 rw-p 00000000 00:00 0                                  [stack]
"""


def test_only_whole_ones_of_private_memory_without_a_file() -> None:
    """Only whole huge pages of private anonymous memory are used, each aligned to 2 MiB."""
    expected = [0x200000, 0x400000, 0x600000, 0xA00000, 0x1000000, 0x1200000]
    assert list(whole_huge_pages(MAPS.splitlines(keepends=True))) == expected


@pytest.mark.skipif(sys.platform != "linux", reason="there is no /proc")
def test_memory_is_unchanged() -> None:
    """The memory's content is unchanged, whether or not the kernel supports it."""
    kept = [str(number) for number in range(300_000)]
    use_huge_pages()
    assert kept == [str(number) for number in range(300_000)]
