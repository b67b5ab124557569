"""Objects as local files.

An object is a file, its key the file's path. A write goes to an unnamed file, which then gets the
object's name, so it is visible whole or not at all, and a process that is killed during a write
leaves nothing. On systems without unnamed files (O_TMPFILE, open(2)), it goes to a hidden file
beside the object.
"""

from __future__ import annotations

import errno
import fcntl
import os
import re
import secrets
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from stat import S_ISREG
from typing import BinaryIO

from mapreduce.errors import InputChanged, ObjectExists, ObjectMissing, StorageError
from mapreduce.storage.base import BLOCK_BYTES, ObjectInfo, split_url
from mapreduce.storage.digest import Digest, check_copy
from mapreduce.storage.requests import Requests
from mapreduce.system import operating_system

LONGEST_BLOCK_BYTES = 256 << 10
"""Longer blocks are slower: this length stays in the processor's cache while it is processed."""

_UNFINISHED = re.compile(r"\.mapreduce-[0-9a-f]{16}\.unfinished")


class LocalStorage:
    """The local file system. Arguments, results and errors are those of the `Storage` protocol."""

    requests = Requests()

    def with_own_count(self) -> LocalStorage:
        return self

    def head(self, url: str) -> ObjectInfo:
        with _translated(url):
            stat = _path(url).stat()
        if not S_ISREG(stat.st_mode):
            raise ObjectMissing(f"there is no object {url}: it is not a plain file")
        return _info(url, stat)

    def read(
        self, url: str, start: int = 0, end: int | None = None, *, etag: str | None = None
    ) -> bytes:
        if end is None:
            with _translated(url), _path(url).open("rb", buffering=0) as whole:
                whole.seek(start)
                content = whole.readall()
                _unchanged(url, whole.fileno(), etag)
                return content
        if end - start > LONGEST_BLOCK_BYTES:
            return b"".join(self.stream(url, start, end, etag=etag))
        if end <= start:
            return b""
        # a reduce task reads thousands of small ranges: system calls without a file object
        with _translated(url):
            file = os.open(_key(url), os.O_RDONLY | os.O_CLOEXEC)
            try:
                data = os.pread(file, end - start, start)
                # one look after the read is enough: an earlier change shows in it too
                _unchanged(url, file, etag)
            finally:
                os.close(file)
        if len(data) < end - start:
            raise _cut_short(url, end, end - start - len(data))
        return data

    def stream(
        self,
        url: str,
        start: int,
        end: int,
        *,
        etag: str | None = None,
        block_bytes: int = BLOCK_BYTES,
        ahead: int = 0,
    ) -> Iterator[bytes]:
        if end <= start:
            return
        with _translated(url), _path(url).open("rb", buffering=0) as file:
            _unchanged(url, file.fileno(), etag)
            file.seek(start)
            left = end - start
            while left and (block := file.read(min(block_bytes, LONGEST_BLOCK_BYTES, left))):
                left -= len(block)
                yield block
            _unchanged(url, file.fileno(), etag)
        if left:
            raise _cut_short(url, end, left)

    def write(
        self,
        url: str,
        data: bytes | Path,
        *,
        progress: Callable[[int], None] | None = None,
        move: bool = False,
        durable: bool = False,
    ) -> ObjectInfo:
        with _translated(url):
            # a hard link moves a scratch file without a copy; a durable write must sync, so it
            # copies
            if move and not durable and isinstance(data, Path) and _linked(data, _path(url)):
                data.unlink()  # a write to this name would change the object
            else:
                with _new_file(_path(url)) as new:
                    _fill(new.file, data, progress)
                    new.take_name(_path(url), replace=True, durable=durable)
            return self.head(url)

    def create(self, url: str, data: bytes, *, durable: bool = False) -> ObjectInfo:
        with _translated(url), _new_file(_path(url)) as new:
            new.file.write(data)
            new.take_name(_path(url), replace=False, durable=durable)
            return self.head(url)

    def replace(self, url: str, data: bytes, etag: str) -> ObjectInfo:
        path = _path(url)
        try:
            with _translated(url), path.open("rb") as old:
                # the lock of the old file orders those who replace it; the second finds another
                fcntl.flock(old, fcntl.LOCK_EX)
                if _info(url, path.stat()).etag == etag:
                    with _new_file(path) as new:
                        new.file.write(data)
                        new.take_name(path, replace=True)
                        return self.head(url)
        except ObjectMissing as exc:
            raise InputChanged.since_planning(url) from exc
        raise InputChanged.since_planning(url)

    def copy(
        self, source: str, target: str, *, expected: ObjectInfo | None = None, durable: bool = False
    ) -> ObjectInfo:
        # a copy, not a hard link: users may edit results
        digest = Digest()
        with _translated(source), _path(source).open("rb") as file, _new_file(_path(target)) as new:
            new.file.writelines(digest.passing(iter(partial(file.read, LONGEST_BLOCK_BYTES), b"")))
            check_copy(source, expected, digest)
            new.take_name(_path(target), replace=True, durable=durable)
            return replace(self.head(target), digest=digest.text if expected else "")

    def requests_at_once(self, url: str) -> int:
        return 1

    def vouches(self, url: str) -> bool:
        return False

    def list(self, prefix: str) -> Iterator[ObjectInfo]:
        with _translated(prefix):
            found = [
                _info(f"file://{path}", path.stat())
                for path in _files(prefix)
                if not _is_unfinished(path)
            ]
        return iter(sorted(found, key=lambda info: info.url))

    def folders(self, prefix: str) -> Iterator[str]:
        try:
            with _translated(prefix), os.scandir(_path(prefix)) as entries:
                return iter(sorted(entry.name for entry in entries if entry.is_dir()))
        except ObjectMissing:
            return iter(())

    def unfinished(self, prefix: str, age_s: float) -> Iterator[ObjectInfo]:
        now = time.time()
        with _translated(prefix):
            stats = [(path, path.stat()) for path in _files(prefix) if _is_unfinished(path)]
        return iter(
            [_info(f"file://{path}", stat) for path, stat in stats if stat.st_mtime <= now - age_s]
        )

    def delete(self, urls: Iterable[str]) -> None:
        for url in urls:
            path = _path(url)
            with suppress(ObjectMissing), _translated(url):
                path.unlink()
            for folder in path.parents:  # a folder that has become empty is not an object
                try:
                    folder.rmdir()
                except OSError:
                    break


def _path(url: str) -> Path:
    return Path(_key(url))


def _key(url: str) -> str:
    root, key = split_url(url)
    if root != "file://":
        raise StorageError(f"{url} is not a file of this machine")
    return key


def _files(prefix: str) -> Iterator[Path]:
    for folder, _, names in os.walk(_path(prefix), onerror=_raise_but_missing):
        yield from (path for name in names if (path := Path(folder, name)).is_file())


def _is_unfinished(path: Path) -> bool:
    return _UNFINISHED.fullmatch(path.name) is not None


def _info(url: str, stat: os.stat_result) -> ObjectInfo:
    # ctime cannot be set back, unlike mtime
    etag = f"{stat.st_ino:x}-{stat.st_mtime_ns:x}-{stat.st_ctime_ns:x}-{stat.st_size:x}"
    return ObjectInfo(url, stat.st_size, etag, modified=stat.st_mtime)


def _unchanged(url: str, file: int, etag: str | None) -> None:
    if etag and _info(url, os.fstat(file)).etag != etag:
        raise InputChanged.since_planning(url)


def _cut_short(url: str, end: int, missing: int) -> InputChanged:
    return InputChanged(
        f"{url} ended {missing} bytes before byte {end}: it was cut short; run again"
    )


def _fill(target: BinaryIO, data: bytes | Path, progress: Callable[[int], None] | None) -> None:
    if isinstance(data, bytes):
        target.write(data)
        return
    sent = 0
    with data.open("rb") as source:
        while block := source.read(BLOCK_BYTES):
            sent += target.write(block)
            if progress:
                progress(sent)


def _linked(source: Path, target: Path) -> bool:
    """Give a file a second name, replacing that object; return False if the system cannot."""
    if source.is_symlink() or (target.exists() and target.samefile(source)):
        return False
    target.parent.mkdir(parents=True, exist_ok=True)
    hidden = _hidden(target)
    try:
        os.link(source, hidden)
        hidden.replace(target)
    except OSError as exc:
        if exc.errno in (errno.EXDEV, errno.EPERM, errno.EOPNOTSUPP, errno.EMLINK):
            return False
        raise
    finally:
        hidden.unlink(missing_ok=True)
    return True


def _hidden(path: Path) -> Path:
    return path.parent / f".mapreduce-{secrets.token_hex(8)}.unfinished"


@dataclass(frozen=True, slots=True)
class _NewFile:
    """A file being written; `hidden` is its temporary name, `nameless` means that it has none."""

    file: BinaryIO
    hidden: Path
    nameless: bool

    def take_name(self, path: Path, *, replace: bool, durable: bool = False) -> None:
        """Give the file its name, which must be free unless `replace` is set.

        A durable file is synced before it gets the name: otherwise a loss of power could leave the
        name without the content.
        """
        self.file.flush()
        if durable:
            operating_system.sync(self.file.fileno())
        name = self.hidden if replace else path
        if self.nameless:
            # Python sets AT_SYMLINK_FOLLOW (linkat(2)), needed for /proc, only with src_dir_fd
            folder = os.open(path.parent, os.O_RDONLY)
            try:
                opened = f"{operating_system.PROC}/self/fd/{self.file.fileno()}"
                os.link(opened, name, src_dir_fd=folder)
            finally:
                os.close(folder)
        elif not replace:
            os.link(self.hidden, path)
        if replace:
            self.hidden.replace(path)
        if durable:
            _sync_folders(path)


def _sync_folders(path: Path) -> None:
    """Sync the names of a file and of its folders; each may have been created just now."""
    for folder in path.parents:
        try:
            opened = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        except PermissionError:  # another user's folder: this process has created nothing in it
            continue
        try:
            operating_system.sync(opened)
        except OSError as exc:
            # some file systems do not sync folders
            if exc.errno not in (errno.EINVAL, errno.EROFS):
                raise
        finally:
            os.close(opened)


@contextmanager
def _new_file(path: Path) -> Iterator[_NewFile]:
    """Open a new file in the folder of `path`; remove it at the end unless it has taken a name."""
    path.parent.mkdir(parents=True, exist_ok=True)
    hidden = _hidden(path)
    descriptor = _open_nameless(path.parent)
    try:
        if descriptor is not None:
            with open(descriptor, "wb") as file:  # noqa: PTH123 - a descriptor, not a path
                yield _NewFile(file, hidden, nameless=True)
        else:
            with hidden.open("wb") as file:
                yield _NewFile(file, hidden, nameless=False)
    finally:
        hidden.unlink(missing_ok=True)


def _open_nameless(folder: Path) -> int | None:
    """Open an unnamed file in that folder; return None if the system has none."""
    if not operating_system.can_name_a_file():
        return None
    try:
        return os.open(folder, operating_system.NAMELESS_FILE | os.O_WRONLY | os.O_CLOEXEC, 0o666)
    except OSError as exc:
        if exc.errno in (errno.EOPNOTSUPP, errno.EISDIR, errno.EINVAL):
            return None
        raise


def _raise_but_missing(error: OSError) -> None:
    if not isinstance(error, FileNotFoundError):
        raise error


@contextmanager
def _translated(url: str) -> Iterator[None]:
    """Translate the system's errors to ours; the only place that does."""
    try:
        yield
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError) as exc:
        raise ObjectMissing(f"there is no object {url}") from exc
    except FileExistsError as exc:
        raise ObjectExists(f"there is an object {url} already") from exc
    except OSError as exc:
        hint = "; free disk space, or name another folder" if exc.errno == errno.ENOSPC else ""
        raise StorageError(f"the store failed at {url}: {exc.strerror or exc}{hint}") from exc
