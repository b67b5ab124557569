"""Which objects an S3 prefix means as an input: the rules of a local folder."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from driver.plan.inputs import FoundInputs, find_inputs
from mapreduce.errors import InputError, UsageError
from mapreduce.storage import open_storage
from tests.contract.conftest import BUCKET
from tests.contract.emulator import Emulator

pytestmark = pytest.mark.s3
RUN = "run-20260101-000000-calm-crane"


@pytest.fixture
def root(emulator: Emulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The URL of an empty prefix; the environment has the emulator's address."""
    for name, value in emulator.environment.items():
        monkeypatch.setenv(name, value)
    return f"s3://{BUCKET}/{hashlib.sha256(str(tmp_path).encode()).hexdigest()[:12]}"


@pytest.fixture
def client(root: str, emulator: Emulator) -> Iterator[Any]:
    """AWS's client, because it can write keys that end with a slash."""
    import boto3

    made = boto3.client("s3", endpoint_url=emulator.endpoint)
    yield made
    made.close()


def write(client: Any, root: str, *names: str) -> None:
    """Write objects that contain their name; one that ends with a slash or "empty" is empty."""
    for name in names:
        key = f"{root.removeprefix(f's3://{BUCKET}/')}/{name}"
        client.put_object(
            Bucket=BUCKET, Key=key, Body=b"" if name.endswith(("/", "empty")) else name.encode()
        )


def found(*given: str, store: str | None = None) -> FoundInputs:
    """Return the inputs that the URLs mean."""
    return find_inputs(given, open_storage(), store=store)


def names(*given: str, root: str, store: str | None = None) -> list[str]:
    """Return the inputs' keys, relative to the root."""
    return [each.url.removeprefix(f"{root}/") for each in found(*given, store=store).objects]


def test_the_rule_of_names(root: str, client: Any) -> None:
    """Below a prefix, reserved names are left out, and each reserved folder counts once."""
    write(
        client,
        root,
        "d/a",
        "d/_SUCCESS",
        "d/_temporary/0/x",
        "d/_temporary/0/y",
        "d/e/.git/z",
        "d/e/year=1/b",
    )
    assert (
        ["d/a", "d/e/year=1/b"] == names(f"{root}/d", root=root) == names(f"{root}/d/", root=root)
    )
    assert {"name": 3} == found(f"{root}/d").left_out
    assert ["d/_SUCCESS"] == names(f"{root}/d/_SUCCESS", root=root)
    assert ["d/_temporary/0/x", "d/_temporary/0/y"] == names(f"{root}/d/_temporary", root=root)


def test_marks_of_folders_are_no_objects(root: str, client: Any) -> None:
    """An empty key that ends with a slash is a folder; another empty object is an input."""
    write(
        client,
        root,
        "d/",
        "d/sub/",
        "d/sub/x",
        "d/only/",
        "d/empty",
        "d/both-empty",
        "d/both-empty/",
    )
    assert ["d/both-empty", "d/empty", "d/sub/x"] == names(f"{root}/d", root=root)
    assert ({}, ()) == (found(f"{root}/d").left_out, found(f"{root}/d").twice)


def test_an_object_whose_key_ends_with_a_slash_is_an_error(root: str, client: Any) -> None:
    """An object with bytes whose key ends with a slash is refused."""
    key = f"{root.removeprefix(f's3://{BUCKET}/')}/d/x"
    client.put_object(Bucket=BUCKET, Key=f"{key}/", Body=b"bytes")
    for content in (b"bytes", b"others", b""):
        client.put_object(Bucket=BUCKET, Key=key, Body=content)
        with pytest.raises(InputError, match="an object whose key ends with a slash"):
            found(f"{root}/d")


def test_an_object_and_objects_below_its_name(root: str, client: Any) -> None:
    """A name means the object, and a name with a slash the objects below it; an empty object is a
    folder's mark.
    """
    write(client, root, "o", "o/below", "m-empty", "m-empty/below")
    assert ["o"] == names(f"{root}/o", root=root)
    assert ["o/below"] == names(f"{root}/o/", root=root)
    assert ["m-empty/below"] == names(f"{root}/m-empty", root=root)


def test_the_store_may_be_the_bucket(root: str, client: Any) -> None:
    """If the store is the whole bucket, the files of runs are left out, and a committed result can
    be named.
    """
    results = f"reduce/{RUN}"
    write(
        client,
        root,
        "books/a",
        f"{results}/part-00000.jsonl",
        f"{results}/_SUCCESS",
        f"maps/{RUN}/map-00000",
    )
    write(client, root, f"{results}/part-00000.attempt-0.jsonl")
    everything = found(root, store=root)
    assert [f"{root}/books/a"] == [each.url for each in everything.objects]
    assert {"store": 3, "name": 1} == everything.left_out
    for given in (results, f"{results}/", f"{results}/part-00000.jsonl"):
        assert [f"{results}/part-00000.jsonl"] == names(f"{root}/{given}", root=root, store=root)
    for given in (
        "maps",
        f"maps/{RUN}/map-00000",
        f"{results}/part-00000.attempt-0.jsonl",
        f"{results}/_SUCCESS",
    ):
        with pytest.raises(UsageError, match=f"name {root}/reduce/RUN/"):
            found(f"{root}/{given}", store=root)


@pytest.mark.parametrize("text", ["nothing", "d/*", "nothing/"])
def test_nothing_there(root: str, client: Any, text: str) -> None:
    """An input that matches nothing is refused with its URL; `*` is explained as a pattern."""
    write(client, root, "d/a")
    with pytest.raises(InputError) as caught:
        found(f"{root}/{text}")
    assert f"{root}/{text}" in str(caught.value)
    assert ("pattern" in str(caught.value)) == ("*" in text)
