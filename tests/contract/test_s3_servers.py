"""Which rules of S3 each of the two servers keeps, and which it forgives.

A test that passes on one server because it forgives something proves less than it seems to. Each
rule on which the engine relies is kept by at least one server, except those in `KEPT_BY_NEITHER`,
which only a real bucket shows. AWS's answers are those of its API reference: the error codes of
S3, and the pages of PutObject, CopyObject, UploadPart, UploadPartCopy and CompleteMultipartUpload.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from tests.contract.conftest import BUCKET
from tests.contract.emulator import SERVERS, Emulator

pytestmark = pytest.mark.s3
KEY = "rules/a"
NEW = "rules/new"
LARGE = "rules/large"
PART = 5 << 20
OTHER = '"00000000000000000000000000000000"'
FINE = "200"


@dataclass(frozen=True)
class Rule:
    """A request, AWS's answer, and the answer of a server that forgives it.

    Attributes:
        request: makes the request.
        aws: AWS's answer: status and error code.
        forgiven: the other answers, by server.
    """

    request: Callable[[Any], Any]
    aws: str
    forgiven: dict[str, str] = field(default_factory=dict)

    def expected(self, server: str) -> str:
        """Return a server's answer."""
        return self.forgiven.get(server, self.aws)


def _in_parts(client: Any, sizes: list[int], **changes: Any) -> Any:
    """Write an object in parts; `etag` replaces the first part's, `turned` turns their order."""
    key = changes.pop("key", LARGE)
    named = {"Bucket": BUCKET, "Key": key}
    named["UploadId"] = client.create_multipart_upload(**named)["UploadId"]
    parts = []
    for number, size in enumerate(sizes, 1):
        sent = client.upload_part(**named, PartNumber=number, Body=bytes(size))
        parts.append({"PartNumber": number, "ETag": sent["ETag"]})
    if "etag" in changes:
        parts[0]["ETag"] = changes.pop("etag")
    if changes.pop("turned", False):
        parts.reverse()
    return client.complete_multipart_upload(**named, MultipartUpload={"Parts": parts}, **changes)


def _copied_part(client: Any, **condition: str) -> Any:
    named = {"Bucket": BUCKET, "Key": NEW}
    named["UploadId"] = client.create_multipart_upload(**named)["UploadId"]
    source = f"{BUCKET}/{KEY}"
    return client.upload_part_copy(**named, PartNumber=1, CopySource=source, **condition)


def _put(**more: Any) -> Callable[[Any], Any]:
    return lambda client: client.put_object(**{"Bucket": BUCKET, "Key": KEY, "Body": b"x"} | more)


def _get(**more: Any) -> Callable[[Any], Any]:
    return lambda client: client.get_object(**{"Bucket": BUCKET, "Key": KEY} | more)


def _copy(**more: Any) -> Callable[[Any], Any]:
    given = {"Bucket": BUCKET, "Key": NEW, "CopySource": f"{BUCKET}/{KEY}"} | more
    return lambda client: client.copy_object(**given)


RULES = {
    # `Storage.create`, and so every object that is written once
    "create of an object that exists": Rule(_put(IfNoneMatch="*"), "412 PreconditionFailed"),
    "end of parts of an object that exists": Rule(
        lambda client: _in_parts(client, [PART, 1], key=KEY, IfNoneMatch="*"),
        "412 PreconditionFailed",
    ),
    "conditional write of a missing object": Rule(
        _put(Key=NEW, IfMatch=OTHER),
        "404 NoSuchKey",
    ),
    # pinned reads
    "read of another version": Rule(_get(IfMatch=OTHER), "412 PreconditionFailed"),
    "pinned read of a missing object": Rule(_get(Key=NEW, IfMatch=OTHER), "404 NoSuchKey"),
    "range beyond the end": Rule(_get(Range="bytes=20-30"), "416 InvalidRange"),
    "range over the end": Rule(_get(Range="bytes=5-30"), "206"),
    # commits; ours looks at the source before and after a copy, and never relies on the condition
    "copy of a missing object": Rule(_copy(CopySource=f"{BUCKET}/{NEW}"), "404 NoSuchKey"),
    "copy of another version": Rule(
        _copy(CopySourceIfMatch=OTHER), "412 PreconditionFailed", {"moto": FINE}
    ),
    "copy onto itself": Rule(_copy(Key=KEY), "400 InvalidRequest", {"ministack": FINE}),
    # copies of parts of more than 5 GB: they do rely on the condition
    "copied part of another version": Rule(
        lambda client: _copied_part(client, CopySourceIfMatch=OTHER),
        "412 PreconditionFailed",
        {"moto": FINE},
    ),
    "copied part beyond the end": Rule(
        lambda client: _copied_part(client, CopySourceRange="bytes=0-99999999"),
        "400 InvalidArgument",
        {"moto": FINE},
    ),
    # writes in parts
    "a part below 5 MiB": Rule(
        lambda client: _in_parts(client, [PART - 1, 1]),
        "400 EntityTooSmall",
        {"ministack": FINE},
    ),
    "a part with another ETag": Rule(
        lambda client: _in_parts(client, [PART, 1], etag=OTHER), "400 InvalidPart"
    ),
    "parts out of order": Rule(
        lambda client: _in_parts(client, [PART, PART], turned=True),
        "400 InvalidPartOrder",
        dict.fromkeys(SERVERS, FINE),
    ),
    "no parts": Rule(lambda client: _in_parts(client, []), "400 MalformedXML", {"ministack": FINE}),
    "a part of an unknown upload": Rule(
        lambda client: client.upload_part(
            Bucket=BUCKET, Key=LARGE, UploadId="unknown", PartNumber=1, Body=b""
        ),
        "404 NoSuchUpload",
        {"moto": "500 500"},
    ),
    # bytes that changed on the way
    "bytes of another MD5": Rule(
        _put(ContentMD5="1B2M2Y8AsgTpgAmY7PhCfg=="), "400 BadDigest", {"moto": FINE}
    ),
    "bytes of another CRC32": Rule(_put(ChecksumCRC32="AAAAAA=="), "400 BadDigest", {"moto": FINE}),
    # names
    "an unknown bucket": Rule(
        _put(Bucket="no-such-bucket"),
        "404 NoSuchBucket",
    ),
    "deletion of a missing object": Rule(
        lambda client: client.delete_object(Bucket=BUCKET, Key=NEW), "204"
    ),
    "a key of 1,025 bytes": Rule(
        _put(Key="k" * 1025), "400 KeyTooLongError", dict.fromkeys(SERVERS, FINE)
    ),
}
KEPT_BY_NEITHER = {"a key of 1,025 bytes", "parts out of order"}


@pytest.fixture(params=SERVERS)
def server(request: pytest.FixtureRequest) -> tuple[str, Emulator]:
    """Each server in turn, with its name."""
    return request.param, request.getfixturevalue(request.param)


@pytest.fixture
def client(server: tuple[str, Emulator]) -> Iterator[Any]:
    """AWS's client without retries, and an object of ten bytes."""
    made = _client(server[1])
    made.put_object(Bucket=BUCKET, Key=KEY, Body=b"0123456789")
    made.delete_object(Bucket=BUCKET, Key=NEW)
    yield made
    made.close()


def _client(emulator: Emulator, secret: str = "test") -> Any:
    import boto3
    from botocore.config import Config

    return boto3.client(
        "s3",
        endpoint_url=emulator.endpoint,
        region_name="us-east-1",
        aws_access_key_id="test",
        aws_secret_access_key=secret,
        config=Config(retries={"max_attempts": 0}, request_checksum_calculation="when_required"),
    )


def _answer(request: Callable[[Any], Any], client: Any) -> str:
    from botocore.exceptions import ClientError

    try:
        return str(request(client)["ResponseMetadata"]["HTTPStatusCode"])
    except ClientError as exc:
        status = exc.response["ResponseMetadata"]["HTTPStatusCode"]
        return f"{status} {exc.response['Error']['Code']}"


@pytest.mark.parametrize("name", RULES)
def test_a_rule_of_s3_is_kept_or_known_to_be_forgiven(
    server: tuple[str, Emulator], client: Any, name: str
) -> None:
    """A server answers as AWS does, or as the table says."""
    assert RULES[name].expected(server[0]) == _answer(RULES[name].request, client)


def test_what_no_server_keeps_is_named() -> None:
    """Each rule is kept by at least one server, except those that are named."""
    neither = {name for name, rule in RULES.items() if rule.forgiven.keys() >= SERVERS.keys()}
    assert KEPT_BY_NEITHER == neither


def test_no_server_checks_signatures(server: tuple[str, Emulator], client: Any) -> None:
    """Both forgive a wrong secret, which AWS answers with 403 SignatureDoesNotMatch: no run on them
    shows that requests are signed well.
    """
    stranger = _client(server[1], secret="wrong")
    assert _answer(_get(), stranger) == FINE
    stranger.close()


def test_a_body_that_is_cut_short_is_no_object(server: tuple[str, Emulator], client: Any) -> None:
    """A PUT whose body ends early writes nothing on either server."""
    import socket
    from urllib.parse import urlsplit

    address = urlsplit(server[1].endpoint)
    with socket.create_connection((address.hostname, address.port), timeout=20) as sent:
        head = (
            f"PUT /{BUCKET}/{NEW} HTTP/1.1\r\nHost: {address.netloc}\r\nContent-Length: 9\r\n\r\n"
        )
        sent.sendall(head.encode() + b"123")
        sent.shutdown(socket.SHUT_WR)
        assert not sent.recv(4096).startswith(b"HTTP/1.1 200")
    assert _answer(_get(Key=NEW), client) == "404 NoSuchKey"
