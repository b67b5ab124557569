"""Credentials that end in the middle of a run: real clients against S3, STS and ECS on loopback,
which refuse a key until the credentials file has another one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from driver.cloud.aws import Aws, explained
from driver.cloud.ecs import EcsFleet
from driver.cloud.patient_storage import PatientStorage
from driver.cloud.sign_in import SignIn, patient
from driver.cloud.stack import Stack
from driver.plan import events
from driver.plan.events import Event
from driver.transport.endpoint import SignInEnded
from mapreduce.errors import FleetError, ObjectMissing, StorageError
from mapreduce.storage import Storage, open_storage
from tests.unit.driver.cloud.loopback_aws import LoopbackAws, running_loopback_aws

LIMIT_S = 60.0
URL = "s3://bucket/tasks/a.json"


@pytest.fixture(scope="module")
def server() -> Iterator[LoopbackAws]:
    """AWS on loopback."""
    with running_loopback_aws() as running:
        yield running


@pytest.fixture
def loopback(
    server: LoopbackAws, offline: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> LoopbackAws:
    """AWS on loopback, where every key works, and a profile with the old one."""
    server.expired.clear()
    server.objects.clear()
    server.asked.clear()
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_ENDPOINT_URL", server.endpoint)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    _sign_in(tmp_path, "AKIAOLD")
    return server


def _sign_in(folder: Path, key: str) -> None:
    lines = ["[default]", f"aws_access_key_id = {key}", "aws_secret_access_key = secret"]
    (folder / "credentials").write_text("\n".join([*lines, f"aws_session_token = of-{key}", ""]))


class _Time:
    """A clock whose pauses take no time; at a second of it, something happens."""

    def __init__(self, at_s: float = 0.0, happens: Callable[[], None] = lambda: None) -> None:
        self.now = 0.0
        self._at_s, self._happens = at_s, happens

    def pause(self, seconds: float) -> None:
        """Let the seconds pass."""
        before, self.now = self.now, self.now + seconds
        if before < self._at_s <= self.now:
            self._happens()


def _storage(aws: Aws) -> PatientStorage:
    def opened() -> Storage:
        return open_storage(credentials=aws.credential_provider(), region=aws.region)

    return PatientStorage(opened, lambda: aws.renewals)


def _sign_in_of(aws: Aws, time: _Time, seen: list[Event], account: str = "1") -> SignIn:
    return SignIn(aws, account, seen.append, LIMIT_S, now=lambda: time.now, pause=time.pause)


Operation = Callable[[Storage], object]
OPERATIONS: dict[str, Operation] = {
    "head": lambda storage: storage.head(URL).size,
    "read": lambda storage: storage.read(URL),
    "range": lambda storage: storage.read(URL, 1, 3),
    "stream": lambda storage: b"".join(storage.stream(URL, 0, 5, block_bytes=2)),
    "write": lambda storage: storage.write("s3://bucket/tasks/b.json", b"new").size,
    "create": lambda storage: storage.create("s3://bucket/tasks/c.json", b"new").size,
    "copy": lambda storage: storage.copy(URL, "s3://bucket/reduce/result").size,
    "list": lambda storage: [info.url for info in storage.list("s3://bucket/tasks")],
    "delete": lambda storage: storage.delete(["s3://bucket/tasks/b.json"]),
}
EXPECTED: dict[str, object] = {
    "head": 5,
    "read": b"12345",
    "range": b"23",
    "stream": b"12345",
    "write": 3,
    "create": 3,
    "copy": 5,
    "list": [URL],
    "delete": None,
}


@pytest.mark.parametrize("name", OPERATIONS)
def test_every_request_to_the_store_waits_for_a_sign_in(
    loopback: LoopbackAws, tmp_path: Path, name: str
) -> None:
    """A request that S3 refuses for an expired token waits until the file has other keys, and then
    gives what it would have given; the pause and its end are events.
    """
    aws, seen = Aws("eu-central-1"), list[Event]()
    storage = _storage(aws)
    storage.write(URL, b"12345")
    loopback.expired.add("AKIAOLD")
    time = _Time(20.0, lambda: _sign_in(tmp_path, "AKIANEW"))
    with storage.waiting_for(_sign_in_of(aws, time, seen).renewed):
        assert EXPECTED[name] == OPERATIONS[name](storage)
    paused, went_on = seen
    assert isinstance(paused, events.SignInNeeded)
    assert "sign in again" in paused.why
    assert isinstance(went_on, events.SignedIn)
    assert 20 <= went_on.seconds <= 25
    assert ("AKIANEW", LIMIT_S) == (loopback.asked[-1][0], paused.limit_s)


def test_the_requests_of_both_credentials_are_counted(
    loopback: LoopbackAws, tmp_path: Path
) -> None:
    """The count of requests goes on after a sign-in: the receipt needs it."""
    aws = Aws("eu-central-1")
    storage = _storage(aws)
    storage.write(URL, b"12345")
    loopback.expired.add("AKIAOLD")
    time = _Time(5.0, lambda: _sign_in(tmp_path, "AKIANEW"))
    with storage.waiting_for(_sign_in_of(aws, time, []).renewed):
        storage.read(URL)
    assert (1, 2) == (storage.requests.put, storage.requests.get)


def test_a_sign_in_that_was_made_ahead_is_no_pause(loopback: LoopbackAws, tmp_path: Path) -> None:
    """Keys that are in the file already are used at once, and nothing is said."""
    aws, seen = Aws("eu-central-1"), list[Event]()
    storage = _storage(aws)
    storage.write(URL, b"12345")
    loopback.expired.add("AKIAOLD")
    _sign_in(tmp_path, "AKIANEW")
    with storage.waiting_for(_sign_in_of(aws, _Time(), seen).renewed):
        assert b"12345" == storage.read(URL)
    assert [] == seen


def test_many_threads_wait_once(loopback: LoopbackAws, tmp_path: Path) -> None:
    """Sixteen requests at the same time are one pause, and all of them succeed."""
    aws, seen = Aws("eu-central-1"), list[Event]()
    storage = _storage(aws)
    storage.write(URL, b"12345")
    loopback.expired.add("AKIAOLD")
    time = _Time(20.0, lambda: _sign_in(tmp_path, "AKIANEW"))
    with (
        storage.waiting_for(_sign_in_of(aws, time, seen).renewed),
        ThreadPoolExecutor(16) as pool,
    ):
        assert [5] * 16 == list(pool.map(lambda _: storage.head(URL).size, range(16)))
    assert ["SignInNeeded", "SignedIn"] == [type(event).__name__ for event in seen]


def test_the_wait_has_a_limit(loopback: LoopbackAws) -> None:
    """After the limit without a sign-in the request fails, and says how the run is continued."""
    aws, time = Aws("eu-central-1"), _Time()
    storage = _storage(aws)
    loopback.expired.add("AKIAOLD")
    with (
        storage.waiting_for(_sign_in_of(aws, time, []).renewed),
        pytest.raises(SignInEnded, match="sign in again.*then run the same command again"),
    ):
        storage.read(URL)
    assert LIMIT_S <= time.now <= LIMIT_S + 5


def test_keys_of_another_account_are_not_taken(loopback: LoopbackAws, tmp_path: Path) -> None:
    """A sign-in to another account does not end the pause."""
    aws, seen = Aws("eu-central-1"), list[Event]()
    storage = _storage(aws)
    storage.write(URL, b"12345")
    loopback.expired.add("AKIAOLD")
    _sign_in(tmp_path, "AKIAOTHER")
    time = _Time(20.0, lambda: _sign_in(tmp_path, "AKIANEW"))
    with storage.waiting_for(_sign_in_of(aws, time, seen).renewed):
        assert b"12345" == storage.read(URL)
    assert isinstance(seen[-1], events.SignedIn)
    assert seen[-1].seconds >= 20


def test_keys_of_the_environment_that_have_ended_hide_no_others(
    loopback: LoopbackAws, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process cannot get other variables, so new keys in the file count after the end of those of
    the environment.
    """
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAOLD")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    aws = Aws("eu-central-1")
    storage = _storage(aws)
    storage.write(URL, b"12345")
    _sign_in(tmp_path, "AKIANEW")
    loopback.expired.add("AKIAOLD")
    with storage.waiting_for(_sign_in_of(aws, _Time(), []).renewed):
        assert b"12345" == storage.read(URL)
    assert "eu-central-1" == aws.region


def test_other_errors_are_not_waited_for(loopback: LoopbackAws) -> None:
    """A missing object, and a failure while the credentials work, are errors at once."""
    aws, time = Aws("eu-central-1"), _Time()
    storage = _storage(aws)
    with storage.waiting_for(_sign_in_of(aws, time, []).renewed):
        with pytest.raises(ObjectMissing):
            storage.head(URL)
        assert "sts" not in {name for _, _, name in loopback.asked}
        with pytest.raises(StorageError, match="not in|failed"):
            storage.copy("s3://other/key", URL)
    assert 0 == time.now


def test_before_a_run_nothing_waits(loopback: LoopbackAws) -> None:
    """Outside of a run, expired credentials are an error at once."""
    aws = Aws("eu-central-1")
    loopback.expired.add("AKIAOLD")
    with pytest.raises(StorageError):
        _storage(aws).read(URL)


def test_ctrl_c_ends_the_wait(loopback: LoopbackAws, monkeypatch: pytest.MonkeyPatch) -> None:
    """A cancelled run does not wait on, neither in this request nor in a later one."""
    monkeypatch.setattr("driver.cloud.sign_in.TICK_S", 0.001)
    aws, ended = Aws("eu-central-1"), []
    storage = _storage(aws)
    loopback.expired.add("AKIAOLD")

    async def run() -> None:
        with patient(storage, aws, "1", emit, 3600.0):
            try:
                await asyncio.to_thread(storage.read, URL)
            finally:
                try:
                    await asyncio.to_thread(storage.write, URL, b"the run's events")
                except SignInEnded as exc:
                    ended.append(exc)

    async def main() -> None:
        task = asyncio.current_task()
        assert task is not None
        cancel.append(task.cancel)
        await run()

    cancel: list[Callable[[], object]] = []
    said: list[Event] = []

    def emit(event: Event) -> None:
        said.append(event)
        loop.call_soon_threadsafe(cancel[0])

    with asyncio.Runner() as runner:
        loop = runner.get_loop()
        with pytest.raises(asyncio.CancelledError):
            runner.run(main())
    assert (1, 1) == (len(ended), len(said))


def test_look_ups_of_the_fleet_use_new_keys(
    loopback: LoopbackAws, stack: Stack, tmp_path: Path
) -> None:
    """A look-up that AWS refuses for an expired token is made again with new keys, once there are
    any; until then it is a `SignInEnded`.
    """
    aws = Aws("eu-central-1")
    fleet = EcsFleet(stack, aws)
    assert [] == asyncio.run(fleet.endpoints("map"))
    loopback.expired.add("AKIAOLD")
    with pytest.raises(SignInEnded, match="sign in again"):
        asyncio.run(fleet.endpoints("map"))
    _sign_in(tmp_path, "AKIANEW")
    assert [] == asyncio.run(fleet.endpoints("map"))
    assert {} == asyncio.run(fleet.why_gone("map", []))
    assert "AKIANEW" == loopback.asked[-1][0]


def test_a_session_is_renewed_only_by_other_keys(loopback: LoopbackAws, tmp_path: Path) -> None:
    """The same keys, or none, are no renewal; clients that exist then keep working."""
    aws = Aws("eu-central-1")
    client = aws.sts
    assert (False, 0) == (aws.renew(), aws.renewals)
    (tmp_path / "credentials").unlink()
    assert (False, 0) == (aws.renew(), aws.renewals)
    assert client is aws.sts
    _sign_in(tmp_path, "AKIANEW")
    assert (True, 1) == (aws.renew(), aws.renewals)
    assert client is not aws.sts


def test_what_a_sign_in_mends_is_told_from_other_errors(aws: Aws) -> None:
    """Expired and invalid keys, and none, are `SignInEnded`; a denied action is not."""
    from botocore.stub import Stubber

    for code, expected in (
        ("ExpiredToken", SignInEnded),
        ("InvalidClientTokenId", SignInEnded),
        ("AccessDenied", FleetError),
    ):
        with Stubber(aws.sts) as sts:
            sts.add_client_error("get_caller_identity", code)
            with pytest.raises(FleetError) as caught, explained():
                aws.sts.get_caller_identity()
        assert expected is type(caught.value)


def test_new_keys_that_work_only_some_seconds_later_are_asked_again(
    loopback: LoopbackAws, tmp_path: Path
) -> None:
    """Keys that AWS does not know yet at the first look are tried again at the next ones."""
    aws, seen = Aws("eu-central-1"), list[Event]()
    aws.credential_provider()
    loopback.expired |= {"AKIAOLD", "AKIANEW"}
    _sign_in(tmp_path, "AKIANEW")
    time = _Time(12, lambda: loopback.expired.discard("AKIANEW"))
    assert _sign_in_of(aws, time, seen, account="").renewed(aws.renewals)
    assert 12 <= time.now <= 20
