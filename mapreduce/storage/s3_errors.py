"""What an error of S3 means: the cause, and what to do about it. Pure: text in, an error out."""

from __future__ import annotations

import re

from mapreduce.errors import MapReduceError, ObjectMissing, StorageError

SIGN_IN = "aws sso login, aws configure, or the keys from your course's page"
_CODE = re.compile(r"<Code>(\w+)</Code>")
_REGION = re.compile(r"<Region>([a-z0-9-]+)</Region>")
_ADDRESS = re.compile(r"https?://[^/\s]+")
_EXPIRED = {"ExpiredToken", "RequestExpired", "TokenRefreshRequired", "ExpiredTokenException"}
_REFUSED = {"InvalidAccessKeyId", "SignatureDoesNotMatch", "InvalidToken", "InvalidClientTokenId"}
_OTHER_REGION = {
    "AuthorizationHeaderMalformed",
    "PermanentRedirect",
    "IllegalLocationConstraintException",
}
# S3's client reports a bucket of another region so when an answer has no Location header
_REDIRECT = "redirect without LOCATION"
# where the client asks for credentials when it has none, and how it calls the driver's provider
_NO_CREDENTIALS = re.compile(r"http://169\.254\.|External AWS credential provider|\[fd00:ec2::")
_UNREACHABLE = re.compile(r"error sending request|Connection refused|dns error")
_MESSAGE = re.compile(r"<Message>([^<]+)</Message>")
_OF_PROVIDER = re.compile(r"credential provider: (?:\w+: )?(.+)")


def explained(url: str, text: str, *, denied: bool, missing: bool) -> MapReduceError:
    """Return the error of a request that failed.

    Args:
        url: the object, or the prefix of a listing.
        text: what S3's client says of the failure, with S3's answer.
        denied: the client takes it for a 403.
        missing: the client takes it for a 404.
    """
    found = _CODE.search(text)
    code = found[1] if found else ""
    bucket = url.removeprefix("s3://").partition("/")[0]
    if code == "NoSuchBucket":
        return StorageError(
            f"there is no bucket {bucket}; check the name in {url}, or make the bucket: "
            f"aws s3 mb s3://{bucket}"
        )
    if missing:
        return ObjectMissing(f"there is no object {url}")
    if code in _EXPIRED:
        return StorageError(f"the AWS credentials have expired, at {url}; sign in again: {SIGN_IN}")
    if code in _REFUSED:
        return StorageError(
            f"S3 does not accept the credentials ({code}), at {url}; sign in again: {SIGN_IN}"
        )
    if code in _OTHER_REGION or _REDIRECT in text:
        return StorageError(_other_region(url, bucket, text))
    if _NO_CREDENTIALS.search(text):
        return StorageError(
            f"there are no AWS credentials that work, for {url}; sign in: {SIGN_IN}{_why(text)}"
        )
    if denied or code == "AccessDenied":
        return StorageError(
            f"S3 denies access to {url} (403): these credentials may not use it, or it is missing "
            f"and they may not list its folder{_why(text)}"
        )
    if _UNREACHABLE.search(text):
        return StorageError(_unreachable(url, text))
    return StorageError(f"the store failed at {url}: {_first_line(text)}")


def _other_region(url: str, bucket: str, text: str) -> str:
    region = _REGION.search(text)
    if region is not None:
        return (
            f"the bucket of {url} is in another region, {region[1]}; "
            f"run again after: export AWS_REGION={region[1]}"
        )
    return (
        f"the bucket of {url} is in another region; export AWS_REGION=... to the one that this "
        f"prints, and run again: aws s3api get-bucket-location --bucket {bucket}"
    )


def _unreachable(url: str, text: str) -> str:
    address = _ADDRESS.search(text)
    where = f" at {address[0]}" if address else ""
    return (
        f"S3 cannot be reached{where}, for {url}; "
        "check the network, AWS_REGION and AWS_ENDPOINT_URL, and run again"
    )


def _why(text: str) -> str:
    """Return S3's message, or that of the driver's credentials, in parentheses; "" for none."""
    found = _MESSAGE.search(text) or _OF_PROVIDER.search(text)
    return f" ({found[1].strip()[:300]})" if found else ""


def _first_line(text: str) -> str:
    return next((line.strip() for line in text.splitlines() if line.strip()), "no reason")[:500]
