"""Watch the leases of the runs in the bucket; stop all services when the fleet has been idle.

S3's clock dates the leases and says what time it is. A look that fails is made again: the guard
stops the fleet only by what it has seen.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any

import boto3
from boto3.exceptions import Boto3Error
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from services.guard.decide import Lease, stops_at

LOOK_S = 20.0
"""Seconds between looks."""
WRONG_SETTING = 2
FAILURES = (ClientError, BotoCoreError, Boto3Error, ValueError, KeyError)


@dataclass(frozen=True, slots=True)
class Settings:
    """What the guard watches, as its task definition says."""

    bucket: str
    leases: str
    scaling: str
    cluster: str
    services: tuple[str, ...]
    guard: str
    idle_s: float

    @classmethod
    def of(cls, environment: Mapping[str, str]) -> Settings:
        """Return the settings in the environment; raises `KeyError` or `ValueError`."""
        return cls(
            bucket=environment["MAPREDUCE_STORE"].removeprefix("s3://"),
            leases=environment["MAPREDUCE_LEASES"],
            scaling=environment["MAPREDUCE_SCALING"],
            cluster=environment["MAPREDUCE_CLUSTER"],
            services=tuple(json.loads(environment["MAPREDUCE_SERVICES"])),
            guard=environment["MAPREDUCE_GUARD"],
            idle_s=60 * float(environment["MAPREDUCE_IDLE_STOP_MINUTES"]),
        )


class Guard:
    """Looks at the leases and stops the fleet.

    Args:
        settings: what it watches.
        s3: a client of S3.
        ecs: a client of ECS.
    """

    def __init__(self, settings: Settings, s3: Any, ecs: Any) -> None:
        self._settings, self._s3, self._ecs = settings, s3, ecs
        self._began: float | None = None

    def look(self) -> float:
        """Look once, and stop the fleet if its time is over.

        Returns:
            For how many more seconds the fleet stays; 0 or less: it was stopped.

        Raises:
            ClientError: AWS refuses.
        """
        leases, now = self._leases()
        if self._began is None:
            self._began = now
        left = stops_at(leases, self._began, self._settings.idle_s) - now
        if left <= 0:
            self._stop()
        return left

    def _leases(self) -> tuple[list[Lease], float]:
        """Return all leases, and the time by S3's clock."""
        of, found, now = self._settings, [], 0.0
        pages = self._s3.get_paginator("list_objects_v2")
        for page in pages.paginate(Bucket=of.bucket, Prefix=f"{of.leases}/"):
            date = page["ResponseMetadata"]["HTTPHeaders"]["date"]
            now = parsedate_to_datetime(date).timestamp()
            for item in page.get("Contents", ()):
                body = self._s3.get_object(Bucket=of.bucket, Key=item["Key"])["Body"].read()
                content = json.loads(body)
                found.append(Lease(item["LastModified"].timestamp(), float(content["seconds"])))
        return found, now

    def _stop(self) -> None:
        """Stop every service; the guard's own last, so that it tries again after a failure."""
        of = self._settings
        for service in (*of.services, of.guard):
            if service == of.guard:
                # no run has to undo its change of the numbers any more
                self._s3.delete_object(Bucket=of.bucket, Key=of.scaling)
            self._ecs.update_service(cluster=of.cluster, service=service, desiredCount=0)


def watch(guard: Guard, sleep: Callable[[float], None] = time.sleep) -> None:
    """Look until the fleet is stopped, and on, until ECS ends the guard's own task."""
    said = ""
    while True:
        try:
            left = guard.look()
            told = "the fleet was idle: stopped" if left <= 0 else "the fleet is in use, or kept"
        except FAILURES as exc:
            told = f"could not look; trying again: {exc}"
        if told != said:
            said = told
            say(told)
        sleep(LOOK_S)


def main() -> int:
    """Watch with the settings of the environment; return 2 for a wrong setting."""
    try:
        settings = Settings.of(os.environ)
    except (KeyError, ValueError) as exc:
        say(f"wrong setting: {exc}")
        return WRONG_SETTING
    # process 1 ignores a signal that it does not handle
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    config = Config(retries={"mode": "standard", "max_attempts": 5})
    session = boto3.Session()
    guard = Guard(
        settings, session.client("s3", config=config), session.client("ecs", config=config)
    )
    say(f"watching {settings.cluster}: stopped after {settings.idle_s / 60:g} min without a run")
    watch(guard)
    return 0


def say(text: str) -> None:
    """Write one line of JSON to standard output, as the services' logs are."""
    line = {"time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), "event": text}
    sys.stdout.write(json.dumps({"service": "guard"} | line) + "\n")
    sys.stdout.flush()
