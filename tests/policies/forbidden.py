"""Requests that a role may not make, for every kind of object that the store has."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import quote

from mapreduce.wire import keys
from tests.policies.planned import EXTRA, MAPPER, REDUCER, ROLES, SPLITTER, STORE, STRANGER
from tests.policies.s3_actions import S3Request

RUN = "run-20260101-000000-calm-crane"
DIGEST = "ab" * 32
_URL = f"s3://{STORE}"
_WRITTEN = {
    keys.chunk(_URL, RUN, 0): (SPLITTER,),
    keys.boundaries(_URL, RUN, DIGEST): (SPLITTER,),
    keys.map_attempt(_URL, RUN, 3, "0"): (MAPPER,),
    keys.part_attempt(_URL, RUN, 0, "1", "jsonl"): (MAPPER, REDUCER),
    keys.pairs_attempt(_URL, keys.step(RUN, 2), 0, "1"): (MAPPER, REDUCER),
    keys.kept_state(_URL, DIGEST[:32]): (REDUCER,),
}
"""What tasks write, and the roles that may: the others may not."""
_COMMITTED = (
    keys.uploaded_input(_URL, DIGEST, "a b.txt"),
    keys.map_outputs(_URL, RUN, DIGEST),
    keys.result(_URL, RUN, 0, whole=True),
    keys.result(_URL, RUN, 0, whole=False),
    keys.success(_URL, RUN),
    keys.code(_URL, DIGEST),
    keys.package_set(_URL, DIGEST),
    keys.wheel(_URL, DIGEST),
)
"""What only the driver writes, and tasks may read."""
_DRIVERS = (
    keys.run_file(_URL, RUN, "plan.json"),
    keys.run_file(_URL, RUN, keys.dead_letter(0, 0)),
    keys.segment(_URL, RUN, 0),
    keys.run_lease(_URL, RUN),
    keys.cancel(_URL, RUN),
    keys.epoch_slot(_URL, RUN, 2),
    keys.indexed(_URL, RUN, "WzFd"),
    keys.forecasts(_URL, "0" * 32),
    keys.task(_URL, DIGEST),
    keys.join(_URL, "fleet", "certificate.json"),
    keys.join(_URL, "anything"),
)
"""What only the driver reads and writes."""
_NOT_READ = {
    SPLITTER: (keys.map_attempt(_URL, RUN, 3, "0"),),
    MAPPER: (),
    REDUCER: (keys.uploaded_input(_URL, DIGEST, "a"), keys.chunk(_URL, RUN, 0)),
}
_LISTINGS = ("", "?list-type=2", "?list-type=2&prefix=", "?versions", "?uploads")
_FOLDERS = ("r", "runs/", "index/", "forecasts/", "tasks/", "fleet/", "maps")
_BUCKET_CHANGES = (
    ("PUT", "?policy"),
    ("DELETE", "?policy"),
    ("PUT", "?lifecycle"),
    ("PUT", "?versioning"),
    ("DELETE", ""),
)


def forbidden(role: str) -> Iterator[S3Request]:
    """Yield requests that this role may not make; each is one that S3 knows."""
    assert role in ROLES
    others = [url for url, writers in _WRITTEN.items() if role not in writers]
    for url in (*others, *_COMMITTED, *_DRIVERS):
        yield from _writes(_target(url))
    for url in (*_WRITTEN, *_COMMITTED, *_DRIVERS):
        yield S3Request("DELETE", _target(url))
        yield S3Request("PUT", f"{_target(url)}?acl")
        yield S3Request("PUT", f"{_target(url)}?tagging")
    for url in (*_DRIVERS, *_NOT_READ[role]):
        yield from (S3Request(method, _target(url)) for method in ("GET", "HEAD"))
        # and none may read it by a copy to an object that it may write
        yield S3Request(
            "PUT", _target(_own(role)), {"x-amz-copy-source": _target(url).removeprefix("/")}
        )
    yield from _about_buckets(role)


def _about_buckets(role: str) -> Iterator[S3Request]:
    yield S3Request("GET", "/")
    yield from (S3Request("GET", f"/{STORE}{query}") for query in _LISTINGS)
    for folder in _FOLDERS:
        yield S3Request("GET", f"/{STORE}?list-type=2&prefix={quote(folder, safe='')}")
    for bucket in (STORE, EXTRA, STRANGER):
        yield from (S3Request(method, f"/{bucket}{query}") for method, query in _BUCKET_CHANGES)
    for bucket in (EXTRA, STRANGER):
        yield from _writes(f"/{bucket}/maps/0/{RUN}/map-00000.attempt-0")
        yield S3Request("DELETE", f"/{bucket}/a")
    strange = (STRANGER, EXTRA) if role == REDUCER else (STRANGER,)
    for bucket in strange:
        yield S3Request("GET", f"/{bucket}/input/a")
        yield S3Request("GET", f"/{bucket}?list-type=2&prefix=input%2F")


def _own(role: str) -> str:
    return next(url for url, writers in _WRITTEN.items() if role in writers)


def _writes(target: str) -> Iterator[S3Request]:
    """Yield every way to write an object."""
    yield S3Request("PUT", target)
    yield S3Request("PUT", target, {"x-amz-copy-source": f"{STORE}/jobs/a"})
    yield S3Request("POST", f"{target}?uploads")
    yield S3Request("PUT", f"{target}?partNumber=1&uploadId=u")
    yield S3Request("POST", f"{target}?uploadId=u")
    yield S3Request("DELETE", f"{target}?uploadId=u")


def _target(url: str) -> str:
    return "/" + quote(url.removeprefix("s3://"))
