r"""Shell commands as mapper and reducer, as in Hadoop Streaming.

    python -m driver run --input book.txt --job streaming \
        --param mapper='tr -cs A-Za-z "\n"' --param reducer='uniq -c'

Input: lines of any bytes. The mapper reads the lines of one file of its split, and writes lines: a
key, a tab and a value. The reducer reads the lines of its partition, sorted by the bytes of their
keys as `LC_ALL=C sort` does, lines of one key in the order of the input. Output: key -> value of
each line that it writes, as text, or as bytes where they are not UTF-8; the value of a line without
a tab is null. With `whole_lines=true` the key is null and the value is the line: then `--output
FILE.txt` has the lines as the reducers wrote them. Without a `reducer`, and with `reducer=NONE`,
the result is what the mapper writes; `streaming_map` gives the same without a shuffle. A combiner
is a part of the mapper: `mapper='... | LC_ALL=C sort | uniq -c'`. Scripts travel with a class of
your own: `class Mine(Streaming)` with `files = ["map.sh"]`, in whose folder the commands then run.

Lines pass as they are: a line without a tab comes to the reducer without one. A carriage return
before a line feed is part of the line end. `reporter:counter:GROUP,NAME,AMOUNT` on standard error
is a counter.
"""

from collections.abc import Iterable, Iterator

from mapreduce_jobs._shell_command import ShellCommand
from mapreduce_jobs.streaming_map import StreamingMap


class Streaming(StreamingMap):
    """The lines that a reducer writes for the sorted lines of a mapper."""

    reducer: str = ""

    _reducing: ShellCommand | None = None

    def reduce_setup(self) -> None:
        """Start the reducer: it runs also for a partition without lines, as in Hadoop."""
        if self.reducer not in ("", "NONE"):
            self._reducing = self._started("reducer", self.reducer, {})

    def reduce(self, key: bytes, values: Iterator[bytes | None]) -> Iterator[tuple[object, object]]:
        """Give the reducer the lines of a key, and yield what it has written so far."""
        for value in values:
            line = key if value is None else key + b"\t" + value
            if self._reducing is None:
                yield from super()._pairs([line])
            else:
                yield from super()._pairs(self._reducing.feed(line + b"\n"))

    def reduce_cleanup(self) -> Iterator[tuple[object, object]]:
        """End the reducer, and yield the rest of what it has written."""
        if self._reducing is not None:
            yield from super()._pairs(self._reducing.end())
            self._reducing = None

    def _pairs(self, lines: Iterable[bytes]) -> Iterator[tuple[object, object]]:
        """Yield the key and the value of each line of the mapper, as bytes: they sort as bytes."""
        return map(self._parted, lines)
