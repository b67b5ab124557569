"""A shell command as mapper, without a reducer, as in Hadoop Streaming with `-reducer NONE`.

    python -m driver run --input logs/ --job streaming_map --param mapper='grep -v DEBUG'

Input: lines of any bytes. The mapper reads the lines of one file of its split, and writes lines: a
key, a tab and a value. Output: key -> value of each line, as text, or as bytes where they are not
UTF-8; the value of a line without a tab is null. With `whole_lines=true` the key is null and the
value is the line. The name of the file is in the variable `mapreduce_map_input_file`.
"""

from collections.abc import Iterable, Iterator

from mapreduce import Job, Text
from mapreduce_jobs._shell_command import ShellCommand

Line = tuple[bytes, bytes | None]
BOM = b"\xef\xbb\xbf"
FED_BYTES = 64 << 10
"""Lines are given to the command in blocks of this size."""


class StreamingMap(Job):
    """The lines that a command writes for the lines of each file; nothing is sorted or reduced."""

    mapper: str
    key_fields: int = 1
    whole_lines: bool = False

    # every byte is a character of it: lines pass as they are
    input_format = Text(encoding="latin-1")

    _command: ShellCommand | None = None
    _source: str | None = None

    def map_setup(self) -> None:
        """Refuse a wrong parameter."""
        self._lines = bytearray()
        if self.key_fields < 1:
            raise ValueError(f"key_fields={self.key_fields}: a key has at least one field")

    def map(self, key: int, value: str) -> Iterator[tuple[object, object]]:
        """Give the mapper one line, and yield what it has written so far."""
        if self._command is None or self._source != self.source:
            # one process for each file, which has its name in the environment
            yield from self._ended()
            names = ("mapreduce_map_input_file", "map_input_file")
            self._command = self._started("mapper", self.mapper, dict.fromkeys(names, self.source))
            self._source = self.source
        line = value.encode("latin-1") + b"\n"
        self._lines += line.removeprefix(BOM) if key == 0 else line
        if len(self._lines) >= FED_BYTES:
            yield from self._fed(self._command)

    def map_cleanup(self) -> Iterator[tuple[object, object]]:
        """End the mapper, and yield the rest of what it has written."""
        return self._ended()

    def _fed(self, command: ShellCommand) -> Iterator[tuple[object, object]]:
        lines = bytes(self._lines)
        self._lines.clear()
        yield from self._pairs(command.feed(lines))

    def _ended(self) -> Iterator[tuple[object, object]]:
        if self._command is not None:
            yield from self._fed(self._command)
            yield from self._pairs(self._command.end())
            self._command = None

    def _started(self, role: str, command: str, environment: dict[str, str]) -> ShellCommand:
        stage = "true" if role == "mapper" else "false"
        variables = {"mapreduce_task_ismap": stage, **environment}
        folder = self.path(".") if self.files else None
        return ShellCommand(role, command, variables, folder, self.count)

    def _pairs(self, lines: Iterable[bytes]) -> Iterator[tuple[object, object]]:
        """Yield the key and the value of each line of a result."""
        if self.whole_lines:
            return ((None, _readable(line)) for line in lines)
        return (tuple(map(_readable, self._parted(line))) for line in lines)  # type: ignore[misc]

    def _parted(self, line: bytes) -> Line:
        """Return the first fields of a line and the rest; None for the rest if there is no tab."""
        fields = line.split(b"\t", self.key_fields)
        if len(fields) <= self.key_fields:
            return line, None
        return b"\t".join(fields[:-1]), fields[-1]


def _readable(data: bytes | None) -> str | bytes | None:
    """Return the text of UTF-8, and other bytes as they are."""
    try:
        return None if data is None else data.decode()
    except UnicodeDecodeError:
        return data
