"""Merged states of neighbouring map outputs, kept for later runs: an inner level of a merge tree.

Where an aggregation allows it, the blocks of a partition are merged in groups first, and each
group's merged states stay in the store. A later run in which most map outputs are the same merges
the kept states of their groups, and reads only the blocks of the other groups. A group ends where
its last block says so, so that a new block changes its own group alone.

Reduce tasks of every job write below `pairs/states/`, and the policy of their role cannot tell them
apart. So a kept object is sealed with the identity of the states, which is a secret of the jobs
with this code where the driver has a key: another job's code cannot make one that is used.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from mapreduce.aggregate import Aggregation
from mapreduce.engine.fetch import BlockSource
from mapreduce.engine.merge import FileRun
from mapreduce.errors import ObjectMissing, StorageError
from mapreduce.formats.frames import BlockWriter
from mapreduce.storage import Storage
from mapreduce.wire import keys
from mapreduce.wire.messages import Message

KEY_DIGITS = 32
GROUP = 16
"""Blocks of a group, usually."""
LONGEST_GROUP = 64
LEAST_BLOCKS = 2 * GROUP
"""Of fewer blocks all are read again: most of them would be in the group that a new one changes."""
LEAST_BYTES = 1 << 20
"""Shorter groups are not kept: to read their blocks again costs less than to keep their states."""


def allows_states(aggregation: Aggregation[Any] | None) -> bool:
    """Return whether states may be merged in groups, and stay short."""
    return aggregation is not None and not aggregation.grows and is_associative(aggregation)


def is_associative(aggregation: Aggregation[Any]) -> bool:
    """Return whether the class or the instance itself says so: a subclass may change `merge`."""
    said = {**vars(type(aggregation)), **vars(aggregation)}
    return bool(said.get("associative"))


class _State(Message):
    """The first line of a kept object: what its bytes after the line are.

    `seal` is an HMAC of the key, of `integers`, and of the bytes.
    """

    key: str
    seal: str
    integers: bool


@dataclass(frozen=True, slots=True)
class States:
    """The kept states of one partition's groups.

    Attributes:
        identity: of all that the states depend on beside the blocks: the job and the build; the
            key of the seals.
        store: the root URL of the store.
        storage: reads and writes them.
    """

    identity: str
    store: str
    storage: Storage

    def key(self, group: Sequence[BlockSource]) -> str:
        """Return the key of a group's states: a digest of their blocks, in order."""
        blocks = [[source.block.records, source.block.checksum] for source in group]
        return self._hmac(json.dumps(blocks).encode())[:KEY_DIGITS]

    def find(self, key: str, path: Path) -> tuple[FileRun, bool] | None:
        """Write the kept states of a group to `path`; return the run, and whether it has integers.

        None if there are none, or if they are not what was written.
        """
        try:
            data = self.storage.read(keys.kept_state(self.store, key))
            line, _, block = data.partition(b"\n")
            state = _State.model_validate_json(line)
        except (ObjectMissing, StorageError, ValidationError):
            return None
        if state.key != key or not hmac.compare_digest(
            state.seal, self._seal(key, block, integers=state.integers)
        ):
            return None
        path.write_bytes(block)
        return FileRun(path, 0, len(block), path.name), state.integers

    def keep(self, key: str, path: Path, written: BlockWriter) -> None:
        """Keep a group's states. The run can do without: a store that fails changes nothing."""
        block = path.read_bytes()
        seal = self._seal(key, block, integers=written.integers)
        state = _State(key=key, seal=seal, integers=written.integers)
        with suppress(StorageError):
            url = keys.kept_state(self.store, key)
            self.storage.write(url, state.model_dump_json().encode() + b"\n" + block)

    def _seal(self, key: str, block: bytes, *, integers: bool) -> str:
        return self._hmac(f"{key} {integers:d}\n".encode() + block)

    def _hmac(self, data: bytes) -> str:
        return hmac.new(self.identity.encode(), data, hashlib.sha256).hexdigest()


def groups_of(sources: Sequence[BlockSource]) -> list[list[BlockSource]]:
    """Return neighbouring blocks together, about `GROUP` of them.

    The checksum of its last block ends a group, wherever the group begins.
    """
    groups: list[list[BlockSource]] = [[]]
    for source in sources:
        groups[-1].append(source)
        if source.block.checksum % GROUP == 0 or len(groups[-1]) == LONGEST_GROUP:
            groups.append([])
    return [group for group in groups if group]


def is_kept(group: Sequence[BlockSource]) -> bool:
    """Return whether the states of a group are worth keeping."""
    return len(group) > 1 and sum(source.block.length for source in group) >= LEAST_BYTES
