"""The objects under `fleet/` of the stack's bucket: who uses the fleet, and what a run has changed.

The idle guard in the account reads the same leases (`services/guard`). S3's clock dates them and
says what time it is now, so that a wrong clock of this machine does not count.
"""

from __future__ import annotations

import json
from contextlib import suppress
from email.utils import parsedate_to_datetime
from typing import Any

from driver.cloud.aws import Aws, ClientError, explained
from driver.cloud.fleet.capacity import Lease, Scaling
from mapreduce.wire import keys

LAST = "last"
"""The lease that no run holds: it says when the last one has ended."""
_TAKEN = {"PreconditionFailed", "ConditionalRequestConflict"}


class Leases:
    """The leases of a stack's fleet.

    Args:
        aws: AWS in the stack's region.
        bucket: the stack's bucket.
        own: the name of this driver's lease.
        run: the first epoch of a run that has a plan, whose drivers may follow one another.
    """

    def __init__(self, aws: Aws, bucket: str, own: str, run: str | None = None) -> None:
        self._aws, self._bucket = aws, bucket
        self._of_run = keys.lease(f"{run}.") if run else None
        self._own = keys.lease(f"{run}.{own}" if run else own)

    def renew(self, seconds: float) -> None:
        """Say that the fleet is needed for some seconds from now; raises `FleetError`."""
        self._write(self._own, {"seconds": seconds, "holds": True})

    def end_lost(self) -> None:
        """Delete the leases of the drivers that this run has lost; raises `FleetError`.

        One that only sleeps ends without its lease too, once it is awake.
        """
        if self._of_run is None:
            return
        with explained():
            pages = self._aws.s3.get_paginator("list_objects_v2")
            for page in pages.paginate(Bucket=self._bucket, Prefix=self._of_run):
                for item in page.get("Contents", ()):
                    if item["Key"] != self._own:
                        self._aws.s3.delete_object(Bucket=self._bucket, Key=item["Key"])

    def note_end(self, seconds: float) -> None:
        """Say that the last run has ended now, and for how long the guard waits from here.

        Raises:
            FleetError: S3 refuses.
        """
        self._write(keys.lease(LAST), {"seconds": seconds, "holds": False})

    def end(self) -> None:
        """Delete this run's lease; raises `FleetError`."""
        with explained():
            self._aws.s3.delete_object(Bucket=self._bucket, Key=self._own)

    def clear(self) -> None:
        """Delete all leases and the kept change; raises `FleetError`."""
        with explained():
            pages = self._aws.s3.get_paginator("list_objects_v2")
            found = [
                item["Key"]
                for page in pages.paginate(Bucket=self._bucket, Prefix=f"{keys.LEASES}/")
                for item in page.get("Contents", ())
            ]
            for key in (*found, keys.SCALING):
                self._aws.s3.delete_object(Bucket=self._bucket, Key=key)

    def others(self) -> tuple[list[Lease], float]:
        """Return the leases of other runs, and the time by S3's clock; raises `FleetError`."""
        found: list[Lease] = []
        now = 0.0
        with explained():
            pages = self._aws.s3.get_paginator("list_objects_v2")
            for page in pages.paginate(Bucket=self._bucket, Prefix=f"{keys.LEASES}/"):
                now = _date(page)
                for item in page.get("Contents", ()):
                    if item["Key"] != self._own:
                        content = self._read(item["Key"])
                        found.append(_lease(item["LastModified"].timestamp(), content))
        return found, now

    def remember(self, scaling: Scaling) -> Scaling:
        """Keep a change of the numbers of tasks for the run that ends last.

        Returns:
            The kept change: an earlier run's, with this one's numbers, if there is one already.
        """
        text = {"before": scaling.before, "after": scaling.after}
        try:
            self._write(keys.SCALING, text, IfNoneMatch="*")
        except _Exists:
            kept = self.scaling()
            if kept is not None:
                scaling = Scaling(scaling.before | kept.before, kept.after | scaling.after)
            self._write(keys.SCALING, {"before": scaling.before, "after": scaling.after})
        return scaling

    def scaling(self) -> Scaling | None:
        """Return the change of the numbers of tasks that is kept; raises `FleetError`."""
        with explained():
            content = self._read(keys.SCALING)
        with suppress(KeyError, TypeError, ValueError):
            return Scaling(dict(content["before"]), dict(content["after"]))
        return None

    def forget(self) -> None:
        """Delete the kept change; raises `FleetError`."""
        with explained():
            self._aws.s3.delete_object(Bucket=self._bucket, Key=keys.SCALING)

    def _write(self, key: str, content: dict[str, Any], **conditions: str) -> None:
        body = json.dumps(content).encode()
        with explained():
            try:
                self._aws.s3.put_object(Bucket=self._bucket, Key=key, Body=body, **conditions)
            except ClientError as exc:
                if exc.response.get("Error", {}).get("Code") in _TAKEN:
                    raise _Exists from exc
                raise

    def _read(self, key: str) -> dict[str, Any]:
        """Return an object's content; nothing if it is gone or is not ours."""
        try:
            answer = self._aws.s3.get_object(Bucket=self._bucket, Key=key)
        except self._aws.s3.exceptions.NoSuchKey:
            return {}
        with suppress(ValueError):
            content = json.loads(answer["Body"].read())
            if isinstance(content, dict):
                return content
        return {}


class _Exists(Exception):
    """There is an object with this key already."""


def _lease(renewed: float, content: dict[str, Any]) -> Lease:
    """Return a lease from its object; one that is not ours holds nothing."""
    try:
        return Lease(renewed, float(content["seconds"]), bool(content["holds"]))
    except (KeyError, TypeError, ValueError):
        return Lease(renewed, 0.0, holds=False)


def _date(page: dict[str, Any]) -> float:
    """Return the time at which S3 answered, in seconds since the epoch."""
    text = page["ResponseMetadata"]["HTTPHeaders"].get("date", "")
    return parsedate_to_datetime(text).timestamp()
