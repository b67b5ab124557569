"""The place of `--output`: one file, a folder of files, or standard output; and its table.

Before any work, `Output.checked` refuses a place that would replace an input. What an earlier run
has written there is not an input of the next one; a record of the run tells its files from the
user's.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from pydantic import ValidationError

from driver.history.run_store import RunStore
from driver.output.folders import check_columns
from driver.plan.inputs import FoundInput, FoundInputs
from driver.plan.local_paths import Identity
from driver.plan.own_store import OwnStore
from driver.plan.tasks import RunPlan
from mapreduce.errors import InputError, UsageError
from mapreduce.formats.table import KEY_AND_VALUE, Columns, wrong_columns
from mapreduce.formats.table_files import FileFormat, TableStyle, format_of
from mapreduce.wire.messages import InputObject, Message

RECORD = "output.json"
"""The name of the record of written files, in a run's folder."""

STDOUT = "-"
DEFAULT_FORMAT: FileFormat = "jsonl"
"""Of the files of a folder, and of standard output."""
_LOCAL = "file://"


class WrittenOutput(Message):
    """The files that a run has written for `--output`: resolved path, and ETag, of each."""

    files: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Output:
    """A place and a format that have been checked.

    Attributes:
        path: the file, or the folder.
        format: of the file, of the files in the folder, or of standard output.
        in_folder: the path is a folder.
        columns: their names; None for those of the job.
        header: CSV and TSV files begin with the names.
        partition_by: columns whose values make folders.
    """

    path: Path
    format: FileFormat
    in_folder: bool = False
    columns: tuple[str, ...] | None = None
    header: bool = True
    partition_by: tuple[str, ...] = ()

    @classmethod
    def parse(
        cls,
        text: str | None,
        style: FileFormat | None = None,
        *,
        columns: str | None = None,
        header: bool = True,
        partition_by: str | None = None,
    ) -> Output | None:
        """Return the place and the table of the options, or None without `--output`.

        Raises:
            UsageError: an option is wrong, or options contradict each other.
        """
        if text is None:
            _refuse_alone(style, columns, partition_by, header=header)
            return None
        made = replace(
            cls._placed(text, style),
            columns=None if columns is None else _names("--columns", columns),
            header=header,
            partition_by=() if partition_by is None else _names("--partition-by", partition_by),
        )
        if made.partition_by and not made.in_folder:
            raise UsageError(
                f"--partition-by makes folders, and --output {text} is not a folder; "
                "write --output FOLDER/"
            )
        # of the job's own columns only the run knows
        made.style(made.columns or ())
        return made

    @classmethod
    def _placed(cls, text: str, style: FileFormat | None) -> Output:
        if text.startswith("-") and text != STDOUT:
            raise UsageError(
                f"--output {text}: name a file or folder; "
                f"for one of this name write ./{text}, for standard output -"
            )
        if text == STDOUT:
            return cls(Path(STDOUT), style or DEFAULT_FORMAT)
        if "://" in text:
            raise UsageError(
                f"--output {text}: the result is copied to this machine; "
                "name a local file or folder"
            )
        path = Path(text).expanduser()
        if text.endswith("/") or path.is_dir():
            if path.exists() and not path.is_dir():
                raise UsageError(
                    f"--output {text}: this is a file, and not a folder; name another place"
                )
            return cls(path, style or DEFAULT_FORMAT, in_folder=True)
        if style is not None and style != format_of(text):
            raise UsageError(
                f"--output {text} and --output-format {style} contradict each other; give one"
            )
        return cls(path, format_of(text))

    @property
    def to_stdout(self) -> bool:
        """Whether the result goes to standard output."""
        return self.path == Path(STDOUT) and not self.in_folder

    def style(self, columns: Columns, *, keep_order: bool = False) -> TableStyle:
        """Return how the result is written; of several outputs, without their columns.

        Args:
            columns: that the job names.
            keep_order: the result stands in the order in which it was yielded.

        Raises:
            UsageError: the format has no such table, or the table no such column.
        """
        if self.columns is None and isinstance(columns, Mapping):
            self._check_outputs(columns)
            return TableStyle(self.format, (), self.header, not keep_order).checked()
        names = tuple(columns) if self.columns is None else self.columns
        style = TableStyle(self.format, names, self.header, not keep_order).checked()
        if self.partition_by and (names or self.columns is not None):
            check_columns(names or KEY_AND_VALUE, self.partition_by)
        return style

    def _check_outputs(self, columns: Mapping[str, object]) -> None:
        """Refuse what several outputs cannot be written as; raises `UsageError`."""
        outputs = f"the job has {len(columns)} outputs ({', '.join(columns)})"
        if not self.in_folder:
            raise UsageError(
                f"--output {self.path}: {outputs}; write --output FOLDER/, "
                "which gets a folder for each"
            )
        if self.partition_by:
            raise UsageError(f"--partition-by: {outputs}, which are the folders; leave it out")
        if self.format.startswith("txt"):
            raise UsageError("a .txt file holds the values alone, and the outputs have columns")

    def checked(self, found: FoundInputs, runs: RunStore) -> FoundInputs:
        """Return the inputs without the files that an earlier run has written to this place.

        Raises:
            UsageError: nothing can be written here, or it would replace an input, or lie in the
                store.
        """
        if self.to_stdout:
            return found
        self._check_place()
        if OwnStore(runs.store, runs.storage).contains(os.path.realpath(self.path)):
            raise UsageError(f"--output {self.path} lies in the run store; name another place")
        self._check_folder(found)
        claim = _Claim.of(self)
        held = [each for each in found.inputs if claim.holds(each)]
        if not held:
            return found
        written = written_files(runs)
        ours = {
            id(each)
            for each in held
            if (os.path.realpath(_path(each)), each.object.etag) in written
        }
        for each in held:
            if claim.replaces(each) and (each.direct or id(each) not in ours):
                raise UsageError(
                    f"--output {self.path} would replace the input {_path(each)} "
                    f"(given as {each.given}); "
                    "name another output, or move that file away if it is an old result"
                )
        left = tuple(each for each in found.inputs if each.direct or id(each) not in ours)
        if not left:
            raise InputError(
                f"the input holds only an earlier result at --output {self.path}; "
                "name another --input"
            )
        gone = len(found.inputs) - len(left)
        return replace(found, inputs=left, left_out={**found.left_out, "output": gone})

    @property
    def missing_folder(self) -> Path | None:
        """The folder that must be made for the files; None when it exists."""
        folder = self.path if self.in_folder else self.path.parent
        return None if folder.exists() else folder

    def parts_there(self) -> list[Path]:
        """Return the files in the folder that have the names of parts in this format."""
        part = re.compile(rf"part-[0-9]{{5,}}\.{re.escape(self.format)}")
        return [path for path in _files_of(self.path) if part.fullmatch(path.name)]

    def checked_again(self, plan: RunPlan, runs: RunStore) -> None:
        """Check the place for another export of a finished run; raises `UsageError`."""
        self.checked(FoundInputs(tuple(_found(given) for given in plan.inputs)), runs)

    def _check_place(self) -> None:
        """Refuse a place at which no file can be written; raises `UsageError`."""
        if self.path.exists() and not self.path.is_dir() and not self.path.is_file():
            raise UsageError(f"--output {self.path} is not a plain file; name one, or a folder")
        place = self.path if self.in_folder else self.path.parent
        above = next(
            folder for folder in (place, *place.absolute().parents) if os.path.lexists(folder)
        )
        if not above.is_dir():
            raise UsageError(
                f"--output {self.path} lies below {above}, which is not a folder; "
                "name another place"
            )
        if not os.access(above, os.W_OK | os.X_OK):
            raise UsageError(
                f"--output {self.path}: the folder {above} is not writable; name another place"
            )

    def _check_folder(self, found: FoundInputs) -> None:
        """Refuse to write into a folder that was given as the input; raises `UsageError`."""
        if not self.in_folder:
            return
        for given in dict.fromkeys(each.given for each in found.inputs if not each.direct):
            path = Path(given.removeprefix(_LOCAL)).expanduser()
            if _is_same(path, self.path):
                raise UsageError(
                    f"--output {self.path} is the folder of the input {given}; name another folder"
                )


@dataclass(frozen=True, slots=True)
class _Claim:
    """The files that an output replaces, and for a folder all files in it."""

    replaced: frozenset[Identity]
    folder: Path | None

    @classmethod
    def of(cls, output: Output) -> _Claim:
        """Return the claim of an output, by the files there now."""
        if not output.in_folder:
            return cls(_identities([output.path]), None)
        return cls(_identities(output.parts_there()), output.path.resolve())

    def holds(self, each: FoundInput) -> bool:
        """Return whether an input lies in the output's place, under any name."""
        return self.replaces(each) or (
            self.folder is not None and self.folder in Path(_path(each)).resolve().parents
        )

    def replaces(self, each: FoundInput) -> bool:
        """Return whether an input is a file that the output replaces, or another name of one."""
        return each.identity in self.replaced


def _files_of(folder: Path) -> Iterator[Path]:
    """Yield the files of a folder, and of its folders by the values of columns (`country=DE`)."""
    for path in folder.iterdir() if folder.is_dir() else ():
        if "=" in path.name and path.is_dir() and not path.is_symlink():
            yield from _files_of(path)
        else:
            yield path


def _refuse_alone(
    style: FileFormat | None, columns: str | None, partition_by: str | None, *, header: bool
) -> None:
    """Refuse options of an output that is not wanted; raises `UsageError`."""
    if style is not None:
        raise UsageError(
            f"--output-format {style} is the format of files in a folder; add --output FOLDER/"
        )
    given = {
        "--columns": columns is not None,
        "--partition-by": partition_by is not None,
        "--no-header": not header,
    }
    if alone := next((name for name, is_given in given.items() if is_given), None):
        raise UsageError(f"{alone} says how --output is written; add --output FILE or FOLDER/")


def _names(option: str, text: str) -> tuple[str, ...]:
    names = tuple(name.strip() for name in text.split(","))
    if wrong := wrong_columns(names):
        raise UsageError(f"{option} {text} {wrong}")
    return names


def written_files(runs: RunStore) -> frozenset[tuple[str, str]]:
    """Return the files that the runs of this store have written for `--output`."""
    files: set[tuple[str, str]] = set()
    for run in runs.runs():
        try:
            files.update(
                WrittenOutput.model_validate_json(
                    runs.record(run, RECORD) or b'{"files": []}'
                ).files
            )
        except ValidationError:
            continue  # of another version: its files count as the user's
    return frozenset(files)


def _found(given: InputObject) -> FoundInput:
    """Return an input of a finished run, with the identity of its file if it is still there."""
    path, identity = Path(given.url.removeprefix(_LOCAL)), None
    if given.url.startswith(_LOCAL) and path.exists():
        identity = (path.stat().st_dev, path.stat().st_ino)
    return FoundInput(given, str(path), identity)


def _path(each: FoundInput) -> str:
    return each.object.url.removeprefix(_LOCAL)


def _identities(paths: Sequence[Path]) -> frozenset[Identity]:
    return frozenset(
        (found.st_dev, found.st_ino) for path in paths if path.exists() for found in (path.stat(),)
    )


def _is_same(first: Path, second: Path) -> bool:
    try:
        return first.samefile(second)
    except OSError:
        return False
