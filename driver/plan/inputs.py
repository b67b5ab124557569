"""Finds the inputs: from the user's texts to objects with size and ETag, before anything starts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, TypeAlias

from driver.plan import local_paths
from driver.plan.local_paths import Identity, LeftOut, shown_path
from driver.plan.own_store import OwnStore
from mapreduce.code import JobClass
from mapreduce.errors import InputError, ObjectMissing
from mapreduce.job import Job
from mapreduce.storage import ObjectInfo, Storage, split_url
from mapreduce.wire.messages import InputObject

Reason: TypeAlias = Literal["name", "store", "output"]

_REASONS: dict[Reason, str] = {
    "name": "with a name that begins with '.' or '_'",
    "store": "of the run store",
    "output": "of an earlier result in --output",
}
_LOCAL = "file://"


@dataclass(frozen=True, slots=True)
class FoundInput:
    """An input.

    Attributes:
        object: the input as the plan holds it.
        given: the text that named it.
        identity: of a local file: the same for each of its names.
        direct: the text named or matched it itself; it was not found in a folder.
    """

    object: InputObject
    given: str
    identity: Identity | None = None
    direct: bool = True


@dataclass(frozen=True, slots=True)
class FoundInputs:
    """All inputs of a run, in the order of their records.

    Attributes:
        inputs: each once for each of its names.
        left_out: how many entries of folders and prefixes are not inputs, by the reason.
        twice: inputs that were given more than once, and are read once.
    """

    inputs: tuple[FoundInput, ...]
    left_out: Mapping[Reason, int] = field(default_factory=dict)
    twice: tuple[str, ...] = ()

    @property
    def objects(self) -> tuple[InputObject, ...]:
        """The inputs as the plan holds them."""
        return tuple(each.object for each in self.inputs)

    @property
    def notes(self) -> tuple[str, ...]:
        """Messages to the user, a line each."""
        notes = []
        if total := sum(self.left_out.values()):
            counts = ", ".join(
                f"{count:,} {_REASONS[reason]}" for reason, count in self.left_out.items() if count
            )
            notes.append(
                f"left out: {total:,} {'entry' if total == 1 else 'entries'} of the input: {counts}"
            )
        if self.twice:
            notes.append(f"given more than once, read once: {_first_of(self.twice)}")
        if same := _same_files(self.inputs):
            notes.append(f"one file under two names, read under each: {_first_of(same)}")
        return tuple(notes)


def find_inputs(
    given: Iterable[str], storage: Storage, *, names: Collection[str] = (), store: str | None = None
) -> FoundInputs:
    """Return the objects of paths, folders, globs and URLs, in that order; by name within each.

    Args:
        given: as typed. `NAME=PATH` gives the objects of PATH a name, if NAME is one of `names`;
            else it is all a path.
        storage: finds them.
        names: the names that the job declares.
        store: root URL of the run's store; of what runs have written there, only a committed result
            is an input.

    Raises:
        InputError: one of them means no object, or an entry of a folder cannot be an input.
    """
    finding = _Finding(storage, OwnStore(store, storage), tuple(names))
    for text in given:
        finding.take(text)
    if not finding.found:
        raise InputError("there is no input; name a file, folder, glob or URL with --input")
    return FoundInputs(
        tuple(finding.found.values()), dict(+finding.left_out), tuple(dict.fromkeys(finding.twice))
    )


def declared_names(job: JobClass) -> frozenset[str]:
    """Return the input names that a job declares; for a chain, those of all loaded jobs."""
    if issubclass(job, Job):
        return frozenset(job.input_format) if isinstance(job.input_format, Mapping) else frozenset()
    return frozenset(name for each in _subclasses(Job) for name in declared_names(each))


def check_name(name: str) -> None:
    """Refuse a path or URL that the records of a run cannot hold; raises `InputError`."""
    try:
        name.encode("utf-8")
    except UnicodeEncodeError:
        raise InputError(
            f"the name {shown_path(name)} is not UTF-8; rename the file or folder"
        ) from None


def local_url(path: Path) -> str:
    """Return the URL of a local file, links resolved."""
    return f"{_LOCAL}{path.resolve()}"


class _Finding:
    """The inputs found so far."""

    def __init__(self, storage: Storage, own: OwnStore, names: tuple[str, ...]) -> None:
        self._storage = storage
        self._own = own
        self._names = names
        self.found: dict[tuple[str, str], FoundInput] = {}
        self.left_out: Counter[Reason] = Counter()
        self.twice: list[str] = []

    def take(self, text: str) -> None:
        """Add the inputs that one text means."""
        name, path = _named(text, self._names)
        if not path.strip():
            raise InputError(f"--input {text!r} names nothing; is a variable of the shell empty?")
        before = len(self.found) + len(self.twice)
        left_out = self.left_out.copy()
        if path.startswith(_LOCAL):
            split_url(path)
            self._take_local(text, name, [path.removeprefix(_LOCAL)])
        elif "://" in path:
            self._take_url(text, name, path)
        else:
            self._take_local(text, name, local_paths.paths_of(path))
        if len(self.found) + len(self.twice) == before:
            raise InputError(self._nothing(text, path, self.left_out - left_out))

    def _take_local(self, text: str, name: str, paths: list[str]) -> None:
        for path in paths:
            results_of = self._own.results_folder(path)
            for entry in local_paths.files_of(path) if _is_there(path) else ():
                if isinstance(entry, LeftOut):
                    self.left_out["name"] += 1
                    continue
                direct = entry.path == path
                if direct:
                    self._own.check_given(entry.path, entry.real)
                elif self._own.holds(entry.real) and not self._own.is_result(
                    entry.real, results_of
                ):
                    self.left_out["store"] += 1
                    continue
                info = self._storage.head(_LOCAL + entry.path)
                self._add(FoundInput(_input(info, name), text, entry.identity, direct))

    def _take_url(self, text: str, name: str, url: str) -> None:
        info = _head(self._storage, url)
        # some tools write an empty object under the key of a folder
        if info is not None and (info.size or not _below(self._storage, url)):
            self._own.check_given(url, url)
            self._add(FoundInput(_input(info, name), text))
            return
        results_of = self._own.results_folder(url)
        hidden: set[str] = set()
        for info in _below(self._storage, url):
            if (mark := _left_out_at(url, info.url)) is not None:
                hidden.add(mark)
            elif self._own.holds(info.url) and not self._own.is_result(info.url, results_of):
                self.left_out["store"] += 1
            else:
                self._add(FoundInput(_input(info, name), text, direct=False))
        self.left_out["name"] += len(hidden)

    def _add(self, found: FoundInput) -> None:
        key = (found.object.name, found.object.url)
        if key in self.found:
            self.twice.append(found.object.url)
        # an input that was named directly stays so, also when a folder holds it too
        if key not in self.found or (found.direct and not self.found[key].direct):
            self.found[key] = found

    def _nothing(self, text: str, path: str, left_out: Counter[Reason]) -> str:
        if total := sum(left_out.values()):
            counts = ", ".join(
                f"{count:,} {_REASONS[reason]}" for reason, count in left_out.items()
            )
            hint = "name a file itself to read it, whatever it is called"
            if left_out["store"]:
                hint = (
                    "of the store only a committed result can be an input: "
                    f"name {self._own.example}"
                )
            return f"{shown_path(path)} holds no input: {total:,} left out ({counts}); {hint}"
        if "://" in path:
            hint = (
                "a pattern is not expanded in a URL; name the prefix above it"
                if set("*?[") & set(path)
                else ""
            )
            return (
                f"there is no object {path}, and nothing below it; "
                f"{hint or 'check the name, or list the prefix'}"
            )
        if local_paths.paths_of(path):
            return f"the folder {shown_path(path)} holds no file"
        if set("*?[") & set(path):
            return (
                f"no file matches {shown_path(path)}; "
                f"check the pattern (a relative one starts at {Path.cwd()})"
            )
        return (
            f"there is no file {shown_path(path)}; "
            f"check the path (a relative one starts at {Path.cwd()})" + _reading(text, self._names)
        )


def _named(text: str, names: Collection[str]) -> tuple[str, str]:
    """Return the name and the path of `NAME=PATH`; without a declared name, "" and the text."""
    name, equals, path = text.partition("=")
    return (name, path) if equals and name in names else ("", text)


def _reading(text: str, names: Collection[str]) -> str:
    """Return a hint for a path with an equals sign: how it was read, how to declare a name."""
    name, equals, path = text.partition("=")
    if not equals or not name.isidentifier() or not path:
        return ""
    if names:
        declared = ", ".join(sorted(names))
        return f". It was read as a path: the job calls its inputs {declared}, and none {name!r}"
    declared = f'input_format = {{"{name}": Text()}}'
    return (
        f". It was read as a path: for an input called {name!r} "
        f"the job must declare the name ({declared})"
    )


def _is_there(path: str) -> bool:
    return Path(path).is_symlink() or Path(path).exists()


def _head(storage: Storage, url: str) -> ObjectInfo | None:
    """Return the object of exactly this key; None for a URL that ends with a slash."""
    if url.endswith("/"):
        split_url(url)
        return None
    try:
        return storage.head(url)
    except ObjectMissing:
        return None


def _below(storage: Storage, url: str) -> list[ObjectInfo]:
    """Return the objects below a URL.

    An empty key that ends with a slash is a folder of S3's console, and not an object.
    """
    listed: dict[str, list[ObjectInfo]] = {}
    for info in storage.list(url):
        # the listing drops a slash at a key's end, so two keys may have one name in it
        listed.setdefault(info.url, []).append(info)
    found = (_one_of(infos, storage) for infos in listed.values())
    return [info for info in found if info is not None]


def _one_of(infos: list[ObjectInfo], storage: Storage) -> ObjectInfo | None:
    """Return the object among keys with one name in the listing; None for a folder's marker."""
    filled = [info for info in infos if info.size]
    if len(infos) == len(filled) == 1:
        return filled[0]
    found = _head(storage, infos[0].url)
    if filled and filled != [found]:
        raise InputError(
            f"{infos[0].url}/ is an object whose key ends with a slash; copy it to another key"
        )
    return found


def _left_out_at(prefix: str, url: str) -> str | None:
    """Return the URL up to the first step below the prefix that is left out by its name."""
    steps = url.removeprefix(prefix.rstrip("/") + "/").split("/")
    for number, step in enumerate(steps, 1):
        if local_paths.is_left_out(step):
            return "/".join(steps[:number])
    return None


def _input(info: ObjectInfo, name: str) -> InputObject:
    return InputObject(url=info.url, size=info.size, etag=info.etag, name=name)


def _same_files(inputs: Iterable[FoundInput]) -> tuple[str, ...]:
    """Return pairs of inputs with one name that are the same local file."""
    first: dict[tuple[str, Identity], str] = {}
    same = []
    for each in inputs:
        if each.identity is not None:
            url = first.setdefault((each.object.name, each.identity), each.object.url)
            same += [f"{url} and {each.object.url}"] if url != each.object.url else []
    return tuple(same)


def _first_of(texts: tuple[str, ...]) -> str:
    return texts[0] + (f", and {len(texts) - 1:,} more" if len(texts) > 1 else "")


def _subclasses(cls: type[Job]) -> Iterator[type[Job]]:
    for each in cls.__subclasses__():
        yield each
        yield from _subclasses(each)
