"""Where `--output` wants the result: one file, or a folder with a file for each part."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from driver.report.merge_parts import output_format, write_parts, write_result
from mapreduce.errors import UsageError
from mapreduce.formats.output import FileFormat
from mapreduce.storage import Storage


@dataclass(frozen=True, slots=True)
class Output:
    """A place and a format that have been checked.

    Attributes:
        path: the file, or the folder.
        parts_format: of the files in the folder; None for one file, whose ending says it.
    """

    path: Path
    parts_format: FileFormat | None

    @classmethod
    def parse(cls, text: str | None, style: FileFormat | None) -> Output | None:
        """What the options say; raises `UsageError` before anything is run."""
        if text is None:
            if style is not None:
                raise UsageError(f"--output-format {style} says how the files of --output FOLDER/ are to be; name it")
            return None
        path = Path(text).expanduser()
        if text.endswith("/") or path.is_dir():
            if path.exists() and not path.is_dir():
                raise UsageError(f"--output {text}: there is a file of that name, so it can be no folder")
            return cls(path, style or "jsonl")
        if style is not None and style != output_format(path):
            raise UsageError(f"--output {text} and --output-format {style} say different things")
        output_format(path)
        return cls(path, None)

    def write(self, urls: Sequence[str], storage: Storage) -> None:
        """Writes a result whose parts are these objects."""
        if self.parts_format is None:
            write_result(list(urls), storage, self.path)
        else:
            write_parts(list(urls), storage, self.path, self.parts_format)
