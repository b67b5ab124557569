"""The place of `--output`: one file, or a folder with a file for each part.

Before any work, `Output.checked` refuses a place that would replace an input. What an earlier run
has written there is not an input of the next one; a record of the run tells its files from the
user's.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from pydantic import ValidationError

from driver.history.run_store import RunStore
from driver.output.merge_parts import output_format, write_parts, write_result
from driver.plan.inputs import FoundInput, FoundInputs
from driver.plan.local_paths import Identity
from driver.plan.own_store import OwnStore
from driver.plan.tasks import RunPlan
from mapreduce.errors import InputError, UsageError
from mapreduce.formats.output import FileFormat
from mapreduce.storage import Storage
from mapreduce.wire.messages import InputObject, Message

RECORD = "output.json"
"""The name of the record of written files, in a run's folder."""

_LOCAL = "file://"


class WrittenOutput(Message):
    """The files that a run has written for `--output`: resolved path, and ETag, of each."""

    files: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Output:
    """A place and a format that have been checked.

    Attributes:
        path: the file, or the folder.
        parts_format: of the files in the folder; None for one file, whose suffix names it.
    """

    path: Path
    parts_format: FileFormat | None

    @classmethod
    def parse(cls, text: str | None, style: FileFormat | None) -> Output | None:
        """Return the place of the options, or None; raises `UsageError` before anything runs."""
        if text is None:
            if style is not None:
                raise UsageError(
                    f"--output-format {style} is the format of files in a folder; "
                    "add --output FOLDER/"
                )
            return None
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
            return cls(path, style or "jsonl")
        if style is not None and style != output_format(path):
            raise UsageError(
                f"--output {text} and --output-format {style} contradict each other; give one"
            )
        output_format(path)
        return cls(path, None)

    def checked(self, found: FoundInputs, runs: RunStore) -> FoundInputs:
        """Return the inputs without the files that an earlier run has written to this place.

        Raises:
            UsageError: nothing can be written here, or it would replace an input, or lie in the
                store.
        """
        self._check_place()
        if OwnStore(runs.store, runs.storage).contains(os.path.realpath(self.path)):
            raise UsageError(f"--output {self.path} lies in the run store; name another place")
        self._check_folder(found)
        claim = _Claim.of(self)
        held = [each for each in found.inputs if claim.holds(each)]
        if not held:
            return found
        written = _written(runs)
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
        folder = self.path if self.parts_format else self.path.parent
        return None if folder.exists() else folder

    def write(self, urls: Sequence[str], runs: RunStore, run: str) -> None:
        """Write the result of a run to this place, and a record of the files.

        Args:
            urls: the parts of the result.
            runs: the store.
            run: the run's id.
        """
        if self.parts_format is None:
            write_result(list(urls), runs.storage, self.path)
            files = [self.path]
        else:
            files = write_parts(list(urls), runs.storage, self.path, self.parts_format)
        runs.write(
            run,
            RECORD,
            WrittenOutput(files=tuple(_identified(file, runs.storage) for file in files)),
        )

    def checked_again(self, plan: RunPlan, runs: RunStore) -> None:
        """Check the place for another export of a finished run; raises `UsageError`."""
        self.checked(FoundInputs(tuple(_found(given) for given in plan.inputs)), runs)

    def _check_place(self) -> None:
        """Refuse a place at which no file can be written; raises `UsageError`."""
        if self.path.exists() and not self.path.is_dir() and not self.path.is_file():
            raise UsageError(f"--output {self.path} is not a plain file; name one, or a folder")
        place = self.path if self.parts_format else self.path.parent
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
        if self.parts_format is None:
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
        if output.parts_format is None:
            return cls(_identities([output.path]), None)
        part = re.compile(rf"part-[0-9]{{5,}}\.{output.parts_format}")
        present = output.path.iterdir() if output.path.is_dir() else ()
        files = [path for path in present if part.fullmatch(path.name)]
        return cls(_identities(files), output.path.resolve())

    def holds(self, each: FoundInput) -> bool:
        """Return whether an input lies in the output's place, under any name."""
        return self.replaces(each) or (
            self.folder is not None and self.folder == Path(_path(each)).resolve().parent
        )

    def replaces(self, each: FoundInput) -> bool:
        """Return whether an input is a file that the output replaces, or another name of one."""
        return each.identity in self.replaced


def _written(runs: RunStore) -> frozenset[tuple[str, str]]:
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


def _identified(file: Path, storage: Storage) -> tuple[str, str]:
    path = os.path.realpath(file)
    return path, storage.head(_LOCAL + path).etag


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
