"""Cuts of a run in the store: whole, or not there.

Each server writes its range under a name of its own; then server 0 creates the manifest that names
them all, which it can do only once. A part that no manifest names is no cut. Everything of a run
lies in training/<run>/.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from secrets import token_hex
from typing import Final

import numpy as np
from pydantic import BaseModel, ConfigDict, ValidationError

from examples.parameter_server.core.leases import MicroBatch
from examples.parameter_server.core.shard import Cut
from examples.parameter_server.core.spec import Counts, RunSpec
from examples.parameter_server.core.update import Vector
from mapreduce.errors import LeaseTaken, ObjectExists, ObjectMissing, OutputLost
from mapreduce.storage import Storage

KEPT: Final = 2
"""Cuts that stay in the store: the last, and the one before it in case a part of that is lost."""
DONE: Final = "_SUCCESS"
FAILED: Final = "_FAILED"
_FOLDER: Final = "training"
_TAKEN: Final = (
    "another server 0 carries out run {run}: it has begun generation {number}; follow that one"
)


class Part(BaseModel):
    """A range in the store: parameters, then velocity, as float64 in little-endian order."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    shard: int
    url: str
    size: int
    sha256: str
    ahead: tuple[MicroBatch, ...] = ()


class Manifest(BaseModel):
    """A cut: all ranges at one version, and the ledger up to it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: int
    generation: int
    parts: tuple[Part, ...]
    counts: Counts


class Outcome(BaseModel):
    """How a run has ended: `_SUCCESS` and `_FAILED`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    run: str
    spec: RunSpec
    version: int
    counts: Counts
    problem: str = ""
    sha256: str = ""
    evaluation: dict[str, float] = {}
    parts: tuple[Part, ...] = ()


class Runs:
    """The runs in a store.

    Args:
        storage: the objects.
        root: URL of the store.
    """

    def __init__(self, storage: Storage, root: str) -> None:
        self._storage = storage
        self._root = f"{root.rstrip('/')}/{_FOLDER}"
        self._owner = token_hex(8).encode()
        self._claimed = ""

    def create(self, run: str, spec: RunSpec) -> None:
        """Write a new run.

        Raises:
            ObjectExists: there is one of that name.
        """
        self._storage.create(self._url(run, "spec.json"), spec.model_dump_json().encode())

    def unfinished(self) -> tuple[str, RunSpec] | None:
        """Return the newest run, if it has not ended; one with an unreadable record has."""
        names = [*self._storage.folders(f"{self._root}/")]
        if not names:
            return None
        url = self._url(names[-1], "spec.json")
        try:
            if self.outcome(names[-1]):
                return None
            return names[-1], RunSpec.model_validate_json(self._storage.read(url))
        except (ObjectMissing, OutputLost, ValidationError):
            return None

    def outcome(self, run: str) -> Outcome | None:
        """Return how a run has ended; None if it has not.

        Raises:
            OutputLost: its mark cannot be read.
        """
        for name in (DONE, FAILED):
            url = self._url(run, name)
            try:
                return Outcome.model_validate_json(self._storage.read(url))
            except ObjectMissing:
                continue
            except ValidationError as exc:
                raise OutputLost(f"{url} is no record of this version; train again") from exc
        return None

    def claim_generation(self, run: str) -> int:
        """Return a new number for this run, above all earlier ones.

        Raises:
            LeaseTaken: another process has claimed one since this one did.
        """
        number = self._generation(run)
        if self._claimed == run:
            owner = self._storage.read(self._url(run, f"generations/{number:06}"))
            if owner != self._owner:
                raise LeaseTaken(_TAKEN.format(run=run, number=number))
        self._claimed = run
        while True:
            number += 1
            try:
                self._storage.create(self._url(run, f"generations/{number:06}"), self._owner)
            except ObjectExists:
                continue
            return number

    def write_part(self, run: str, generation: int, shard: int, cut: Cut) -> Part:
        """Write a range."""
        content = cut.theta.astype("<f8").tobytes() + cut.velocity.astype("<f8").tobytes()
        url = self._url(run, f"cuts/{cut.version:08}-{generation:06}/part-{shard:03}")
        self._storage.write(url, content, durable=True)
        return Part(
            shard=shard,
            url=url,
            size=len(cut.theta),
            sha256=hashlib.sha256(content).hexdigest(),
            ahead=cut.ahead,
        )

    def read_part(self, part: Part, version: int) -> Cut:
        """Return a range.

        Raises:
            OutputLost: it is missing, or its bytes are not those that were written.
        """
        try:
            content = self._storage.read(part.url)
        except ObjectMissing as exc:
            raise OutputLost(f"{part.url} is missing, and with it the cut at {version}") from exc
        found = hashlib.sha256(content).hexdigest()
        if found != part.sha256 or len(content) != 16 * part.size:
            raise OutputLost(f"{part.url} has changed: its SHA-256 is not the manifest's")
        theta, velocity = np.frombuffer(content, "<f8").reshape(2, part.size)
        return Cut(version, theta, velocity, part.ahead)

    def commit(self, run: str, manifest: Manifest) -> None:
        """Make a cut of parts that are written.

        Raises:
            ObjectExists: the cut exists, with other parts.
            LeaseTaken: a later generation has begun.
        """
        self._check_generation(run, manifest.generation)
        url = self._url(run, f"cuts/{manifest.version:08}-{manifest.generation:06}.json")
        content = manifest.model_dump_json().encode()
        try:
            self._storage.create(url, content)
        except ObjectExists:
            # a repeated request of ours looks the same
            if self._storage.read(url) != content:
                raise

    def prune(self, run: str) -> None:
        """Delete all cuts but the last ones."""
        for old in [*self.cuts(run)][KEPT:]:
            name = f"cuts/{old.version:08}-{old.generation:06}"
            # the manifest first: parts without one are no cut
            self._storage.delete([self._url(run, f"{name}.json")])
            self._storage.delete([each.url for each in old.parts])

    def cuts(self, run: str) -> Iterator[Manifest]:
        """Yield the cuts of a run, the newest first."""
        urls = [each.url for each in self._storage.list(self._url(run, "cuts/"))]
        for url in sorted((each for each in urls if each.endswith(".json")), reverse=True):
            try:
                yield Manifest.model_validate_json(self._storage.read(url))
            except (ObjectMissing, ValidationError):
                continue  # deleted since the list was made, or not ours

    def parameters(self, parts: tuple[Part, ...]) -> Vector:
        """Return the whole vector.

        Raises:
            OutputLost: a part is missing or has changed.
        """
        return np.concatenate([self.read_part(part, 0).theta for part in parts])

    def end(self, outcome: Outcome, generation: int | None = None) -> Outcome:
        """Mark a run as ended; return its first mark, which stays.

        Args:
            outcome: how it has ended.
            generation: in which it has; None if none has begun.

        Raises:
            LeaseTaken: a later generation has begun.
            OutputLost: there is a mark, and it cannot be read.
        """
        if earlier := self.outcome(outcome.run):
            return earlier
        if generation is not None:
            self._check_generation(outcome.run, generation)
        name = FAILED if outcome.problem else DONE
        try:
            self._storage.create(
                self._url(outcome.run, name), outcome.model_dump_json(indent=2).encode() + b"\n"
            )
        except ObjectExists:  # since the look above
            return self.outcome(outcome.run) or outcome
        return outcome

    def _generation(self, run: str) -> int:
        """Return the highest number that was claimed; 0 if there is none."""
        listed = self._storage.list(self._url(run, "generations/"))
        names = (each.url.rpartition("/")[2] for each in listed)
        return max((int(name) for name in names if name.isdecimal()), default=0)

    def _check_generation(self, run: str, generation: int) -> None:
        newest = self._generation(run)
        if newest > generation:
            raise LeaseTaken(_TAKEN.format(run=run, number=newest))

    def _url(self, run: str, name: str) -> str:
        return f"{self._root}/{run}/{name}"


def fingerprint(theta: Vector) -> str:
    """Return the SHA-256 of a vector as float64 in little-endian order."""
    return hashlib.sha256(theta.astype("<f8").tobytes()).hexdigest()
