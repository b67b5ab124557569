from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeAlias

Buffer: TypeAlias = bytes | bytearray | memoryview

Frame: TypeAlias = tuple[int, int, bytes]

SOURCES_DIGEST: str
KEEP: int
SUM: int
COUNT: int
LEAST: int
GREATEST: int
FIRST: int
ENDED: int
FULL: int
REFUSED: int

class WordCounts:
    def __init__(self, lanes: int = 64) -> None: ...
    def __len__(self) -> int: ...
    @property
    def lanes(self) -> int: ...
    @property
    def nbytes(self) -> int: ...
    def add(self, data: bytes) -> None: ...
    def take(self) -> tuple[list[str], list[int], list[bytes], list[int]]: ...
    def take_packed(self) -> tuple[bytes, bytes, bytes, list[bytes], list[int]] | None: ...

class Collector:
    def __init__(
        self,
        operation: int,
        partitions: int,
        limit: int,
        encode_key: Callable[[Any], bytes],
        encode_value: Callable[[Any], bytes],
        long_hash: Callable[[bytes], int],
        partition: Callable[[bytes], int] | None,
        check: Callable[[bytes], object] | None,
    ) -> None: ...
    def __len__(self) -> int: ...
    def add(self, pairs: Iterator[Any]) -> tuple[int, tuple[Any, ...]]: ...
    def add_columns(
        self, keys: list[Any], values: list[Any], at: int
    ) -> tuple[int, int, tuple[tuple[Any, Any], ...]]: ...
    def add_packed(
        self, ends: Buffer | None, data: Buffer, values: Buffer, at: int
    ) -> tuple[int, int, tuple[tuple[Any, Any], ...]]: ...
    def add_states(
        self,
        key_steps: str,
        key_fields: tuple[tuple[Buffer | None, Buffer | None, Buffer], ...],
        layout: str,
        columns: tuple[Buffer, ...],
        rows: int,
        at: int,
    ) -> tuple[int, int]: ...
    def sort(self) -> None: ...
    def frame(self, partition: int, at: int) -> Frame | None: ...
    def clear(self) -> None: ...

class HeldRows:
    def __init__(self) -> None: ...
    def __len__(self) -> int: ...
    @property
    def nbytes(self) -> int: ...
    def add(
        self,
        columns: tuple[tuple[bytes, int, bytes, bytes, bytes], ...],
        rows: int,
        on: int,
        keeps: bool,
    ) -> bool: ...
    def add_pair(self, key: bytes, value: bytes) -> None: ...
    def groups(self) -> list[tuple[bytes, list[bytes]]]: ...
    def join(
        self,
        collector: Collector,
        columns: tuple[tuple[bytes, int, bytes, bytes, bytes], ...],
        rows: int,
        on: int,
        how: int,
        swapped: bool,
        at: int,
        following: int,
    ) -> tuple[int, int, int] | None: ...

class Merge:
    def __init__(self, runs: list[Iterator[Frame]], operation: int) -> None: ...
    def __iter__(self) -> Merge: ...
    def __next__(self) -> Frame: ...

class Fold:
    def __init__(
        self,
        frames: Iterable[Frame],
        program: bytes,
        header: bytes,
        prefixes: tuple[bytes, ...],
        options: tuple[tuple[int, ...], ...],
        makes_results: bool,
        otherwise: Callable[[bytes, list[bytes], bool], int | bytes],
    ) -> None: ...
    def __iter__(self) -> Fold: ...
    def __next__(self) -> Frame: ...

def groups(frame: Frame, decode_value: Callable[[bytes], Any]) -> list[tuple[bytes, list[Any]]]: ...
def last_key(frame: Frame, previous: bytes | None) -> bytes | None: ...
def rows(
    frame: Frame, before: bytes, between: bytes, behind: bytes
) -> tuple[bytes, int | float | None] | None: ...
def records(
    names: tuple[str, ...],
    columns: tuple[tuple[str, Buffer | None, Buffer, Buffer | None], ...],
    begin: int,
    end: int,
) -> list[dict[str, Any]]: ...
def separated(
    data: bytes, delimiter: int, quote: int, width: int, places: tuple[int, ...]
) -> tuple[int, list[tuple[bytes, bytes]]] | None: ...
def json_lines(
    data: bytes, wanted: tuple[tuple[bytes, int], ...]
) -> tuple[int, list[tuple[int, bytes, bytes, bytes]]] | None: ...
def short_hash(data: bytes) -> int: ...
def byte_count(data: bytes, byte: int) -> int: ...
def braced_lines(data: bytes) -> int: ...
