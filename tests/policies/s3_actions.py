"""The IAM actions that a request to S3 needs.

Source: S3 user guide, "Required permissions for Amazon S3 API operations" and "Multipart upload API
and permissions". A request that is not in the tables raises `UnknownRequest`: none passes unseen.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, unquote, urlsplit

from tests.policies.policy import Access, Policy

ARN = "arn:aws:s3:::"
_CONDITION_KEYS = ("prefix", "delimiter", "max-keys")
# queries that only shape the answer; signatures of presigned URLs are not used
_HARMLESS = frozenset(
    {"list-type", "continuation-token", "start-after", "encoding-type", "fetch-owner", "x-id"}
) | {*_CONDITION_KEYS}
_OBJECT = {
    ("GET", ""): "s3:GetObject",
    ("HEAD", ""): "s3:GetObject",
    ("PUT", ""): "s3:PutObject",
    ("DELETE", ""): "s3:DeleteObject",
    ("POST", "uploads"): "s3:PutObject",
    ("PUT", "uploadId"): "s3:PutObject",
    ("POST", "uploadId"): "s3:PutObject",
    ("DELETE", "uploadId"): "s3:AbortMultipartUpload",
    ("GET", "uploadId"): "s3:ListMultipartUploadParts",
    ("PUT", "acl"): "s3:PutObjectAcl",
    ("PUT", "tagging"): "s3:PutObjectTagging",
    ("DELETE", "tagging"): "s3:DeleteObjectTagging",
}
_BUCKET = {
    ("GET", ""): "s3:ListBucket",
    ("HEAD", ""): "s3:ListBucket",
    ("PUT", ""): "s3:CreateBucket",
    ("DELETE", ""): "s3:DeleteBucket",
    ("GET", "uploads"): "s3:ListBucketMultipartUploads",
    ("GET", "versions"): "s3:ListBucketVersions",
    ("GET", "location"): "s3:GetBucketLocation",
    ("PUT", "policy"): "s3:PutBucketPolicy",
    ("DELETE", "policy"): "s3:DeleteBucketPolicy",
    ("PUT", "lifecycle"): "s3:PutLifecycleConfiguration",
    ("PUT", "versioning"): "s3:PutBucketVersioning",
}
_SUBRESOURCES = frozenset(name for _, name in (*_OBJECT, *_BUCKET) if name)


class UnknownRequest(Exception):
    """The tables have no action for this request."""


@dataclass(frozen=True, slots=True)
class S3Request:
    """A request in path style.

    Attributes:
        method: of HTTP.
        target: path and query, as they were sent.
        headers: those that decide about actions, with names in lower case.
        deleted: keys in the body of a deletion of several objects; if they are not known, it needs
            permission for all objects.
    """

    method: str
    target: str
    headers: Mapping[str, str] = field(default_factory=dict)
    deleted: tuple[str, ...] = ()

    @property
    def bucket(self) -> str:
        """The bucket's name."""
        return unquote(urlsplit(self.target).path).lstrip("/").partition("/")[0]

    @property
    def key(self) -> str:
        """The object's key; "" for a request about the bucket."""
        return unquote(urlsplit(self.target).path).lstrip("/").partition("/")[2]

    @property
    def query(self) -> dict[str, str]:
        """The parameters of the query."""
        return dict(parse_qsl(urlsplit(self.target).query, keep_blank_values=True))

    @property
    def reads_object(self) -> bool:
        """Whether it reads an object, so that a missing one is told by its status."""
        return self.method in ("GET", "HEAD") and bool(self.key) and not self._subresource

    @property
    def _subresource(self) -> str:
        named = self.query.keys() & _SUBRESOURCES
        if "uploadId" in named:
            return "uploadId"
        return next(iter(sorted(named)), "")


def needed(request: S3Request) -> list[Access]:
    """Return the accesses that a request needs, all of them.

    Raises:
        UnknownRequest: it is none of the tables.
    """
    if not request.bucket:
        return [Access("s3:ListAllMyBuckets", "*")]
    if (request.method, *request.query) == ("POST", "delete"):
        keys = request.deleted or ("*",)
        return [Access("s3:DeleteObject", f"{ARN}{request.bucket}/{key}") for key in keys]
    unknown = request.query.keys() - _HARMLESS - _SUBRESOURCES - {"partNumber"}
    table = _OBJECT if request.key else _BUCKET
    action = table.get((request.method, request._subresource))
    if action is None or unknown:
        raise UnknownRequest(f"{request.method} {request.target}")
    arn = f"{ARN}{request.bucket}/{request.key}" if request.key else f"{ARN}{request.bucket}"
    found = [Access(action, arn, _context(request) if action == "s3:ListBucket" else ())]
    if source := request.headers.get("x-amz-copy-source"):
        found.append(Access("s3:GetObject", f"{ARN}{unquote(source).lstrip('/')}"))
    # a write that compares the ETag reads the object's
    if request.method in ("PUT", "POST") and "if-match" in request.headers:
        found.append(Access("s3:GetObject", arn))
    return found


def is_allowed(policy: Policy, request: S3Request) -> bool:
    """Return whether a policy allows a request."""
    return all(policy.decide(access) == "allowed" for access in needed(request))


def may_know_missing(policy: Policy, request: S3Request) -> bool:
    """Return whether S3 tells the reader of a missing object that it is missing: with permission
    to list, where it compares the object's key with `s3:prefix`. Otherwise it answers 403.
    """
    context = {"s3:prefix": request.key}
    return policy.allows("s3:ListBucket", f"{ARN}{request.bucket}", context)


def _context(request: S3Request) -> tuple[tuple[str, str], ...]:
    query = request.query
    return tuple((f"s3:{name}", query[name]) for name in _CONDITION_KEYS if name in query)
