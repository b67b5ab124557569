"""The actions that requests to S3 need, by the tables of the S3 user guide."""

from __future__ import annotations

import json

import pytest

from tests.policies.policy import Access, Policy
from tests.policies.s3_actions import (
    S3Request,
    UnknownRequest,
    is_allowed,
    may_know_missing,
    needed,
)

BUCKET = "arn:aws:s3:::store"


@pytest.mark.parametrize(
    ("method", "target", "action", "arn"),
    [
        ("GET", "/store/maps/a%20b", "s3:GetObject", f"{BUCKET}/maps/a b"),
        ("HEAD", "/store/maps/a", "s3:GetObject", f"{BUCKET}/maps/a"),
        ("PUT", "/store/maps/a?x-id=PutObject", "s3:PutObject", f"{BUCKET}/maps/a"),
        ("POST", "/store/a?uploads", "s3:PutObject", f"{BUCKET}/a"),
        ("PUT", "/store/a?partNumber=1&uploadId=u", "s3:PutObject", f"{BUCKET}/a"),
        ("POST", "/store/a?uploadId=u", "s3:PutObject", f"{BUCKET}/a"),
        ("DELETE", "/store/a?uploadId=u", "s3:AbortMultipartUpload", f"{BUCKET}/a"),
        ("DELETE", "/store/a", "s3:DeleteObject", f"{BUCKET}/a"),
        ("POST", "/store?delete", "s3:DeleteObject", f"{BUCKET}/*"),
        ("PUT", "/store/a?acl", "s3:PutObjectAcl", f"{BUCKET}/a"),
        ("PUT", "/store?policy", "s3:PutBucketPolicy", BUCKET),
        ("GET", "/store?uploads", "s3:ListBucketMultipartUploads", BUCKET),
        ("HEAD", "/store", "s3:ListBucket", BUCKET),
        ("GET", "/", "s3:ListAllMyBuckets", "*"),
    ],
)
def test_one_action(method: str, target: str, action: str, arn: str) -> None:
    """Each request needs the action that the guide names for it."""
    assert [Access(action, arn)] == needed(S3Request(method, target))


def test_a_deletion_of_several_objects_needs_each() -> None:
    """S3 looks at each key in the body: one that is not allowed denies the request."""
    request = S3Request("POST", "/store?delete", deleted=("cuts/1", "spec"))
    assert [
        Access("s3:DeleteObject", f"{BUCKET}/cuts/1"),
        Access("s3:DeleteObject", f"{BUCKET}/spec"),
    ] == needed(request)
    statement = {"Effect": "Allow", "Action": "s3:DeleteObject", "Resource": f"{BUCKET}/cuts/*"}
    policy = Policy.of(json.dumps({"Statement": [statement]}))
    assert not is_allowed(policy, request)
    assert is_allowed(policy, S3Request("POST", "/store?delete", deleted=("cuts/1", "cuts/2")))


def test_a_listing_has_its_prefix() -> None:
    """The condition keys of a listing are its parameters; without a prefix there is no key."""
    (found,) = needed(S3Request("GET", "/store?list-type=2&prefix=maps%2F&delimiter=%2F"))
    assert Access("s3:ListBucket", BUCKET, (("s3:prefix", "maps/"), ("s3:delimiter", "/"))) == found
    (found,) = needed(S3Request("GET", "/store/?list-type=2"))
    assert Access("s3:ListBucket", BUCKET) == found


def test_a_copy_reads_its_source() -> None:
    """A copy, whole or of a part, needs both objects."""
    for target in ("/store/b", "/store/b?partNumber=1&uploadId=u"):
        copy = S3Request("PUT", target, {"x-amz-copy-source": "/other/a%20b"})
        assert [
            Access("s3:PutObject", f"{BUCKET}/b"),
            Access("s3:GetObject", "arn:aws:s3:::other/a b"),
        ] == needed(copy)


def test_a_write_that_compares_the_etag_reads() -> None:
    """A conditional write by ETag needs the right to read; one by absence does not."""
    read = Access("s3:GetObject", f"{BUCKET}/a")
    assert read in needed(S3Request("PUT", "/store/a", {"if-match": "x"}))
    assert read not in needed(S3Request("PUT", "/store/a", {"if-none-match": "*"}))


@pytest.mark.parametrize(
    ("method", "target"),
    [("PATCH", "/store/a"), ("GET", "/store/a?torrent"), ("POST", "/store"), ("PUT", "/store?x")],
)
def test_no_request_passes_unseen(method: str, target: str) -> None:
    """A request without an entry is an error."""
    with pytest.raises(UnknownRequest):
        needed(S3Request(method, target))


def test_all_accesses_are_needed() -> None:
    """A request is allowed if all its accesses are, and a missing object is known by a listing."""
    statements = [
        {"Effect": "Allow", "Action": "s3:PutObject", "Resource": f"{BUCKET}/*"},
        {"Effect": "Allow", "Action": "s3:GetObject", "Resource": f"{BUCKET}/maps/*"},
        {
            "Effect": "Allow",
            "Action": "s3:ListBucket",
            "Resource": BUCKET,
            "Condition": {"StringLike": {"s3:prefix": "maps/*"}},
        },
    ]
    policy = Policy.of(json.dumps({"Statement": statements}))
    for source, allowed in (("store/maps/a", True), ("store/runs/a", False)):
        copy = S3Request("PUT", "/store/b", {"x-amz-copy-source": source})
        assert is_allowed(policy, copy) == allowed
    assert may_know_missing(policy, S3Request("GET", "/store/maps/none"))
    assert not may_know_missing(policy, S3Request("GET", "/store/runs/none"))
