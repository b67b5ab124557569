"""What an error of S3 means, from the text of S3's client."""

from __future__ import annotations

import pytest

from mapreduce.errors import ObjectMissing, StorageError
from mapreduce.storage.s3_errors import explained

URL = "s3://books/input/a.txt"


def _answer(code: str, more: str = "") -> str:
    body = f"<Error><Code>{code}</Code>{more}</Error>"
    return f"Generic S3 error: Error performing GET https://s3/books - 400 Bad Request: {body}"


@pytest.mark.parametrize(
    ("text", "cause", "step"),
    [
        (_answer("NoSuchBucket"), "there is no bucket books", "aws s3 mb s3://books"),
        (_answer("ExpiredToken"), "the AWS credentials have expired", "aws sso login"),
        (
            _answer("InvalidAccessKeyId"),
            "does not accept the credentials (InvalidAccessKeyId)",
            "aws sso login",
        ),
        (
            _answer("AuthorizationHeaderMalformed", "<Region>eu-west-1</Region>"),
            "in another region, eu-west-1",
            "export AWS_REGION=eu-west-1",
        ),
        (
            "Received redirect without LOCATION, this normally indicates ...",
            "in another region",
            "aws s3api get-bucket-location --bucket books",
        ),
        (
            "Error performing PUT http://169.254.169.254/latest/api/token in 3 ms",
            "there are no AWS credentials that work",
            "aws configure",
        ),
        (
            "valid authentication for path External AWS credential provider: SignInEnded: it ended",
            "there are no AWS credentials that work",
            "(it ended)",
        ),
        (
            _answer("AccessDenied", "<Message>Access Denied</Message>"),
            "denies access to s3://books/input/a.txt (403)",
            "(Access Denied)",
        ),
        (
            "Error performing GET http://127.0.0.1:9/b in 1 s, after 8 retries - error sending "
            "request",
            "S3 cannot be reached at http://127.0.0.1:9",
            "AWS_ENDPOINT_URL",
        ),
        ("\n something else \nDebug: x", "the store failed at s3://books", "something else"),
        ("", "the store failed at s3://books", "no reason"),
    ],
)
def test_an_error_names_its_cause_and_what_to_do(text: str, cause: str, step: str) -> None:
    """The message has the cause, the URL and the next step, in at most two lines of a terminal."""
    made = explained(URL, text, denied=False, missing=False)
    assert isinstance(made, StorageError)
    assert (cause in str(made), step in str(made)) == (True, True), made
    assert "s3://books" in str(made)
    assert "<" not in str(made)
    assert len(str(made)) < 240


def test_a_missing_object_is_not_a_missing_bucket() -> None:
    """A 404 is a missing object, which its task can write again, unless the bucket is missing."""
    assert isinstance(
        explained(URL, _answer("NoSuchKey"), denied=False, missing=True), ObjectMissing
    )
    bucket = explained(URL, _answer("NoSuchBucket"), denied=False, missing=True)
    assert not isinstance(bucket, ObjectMissing)


def test_a_403_without_a_reason_is_denied() -> None:
    """A 403 without a body is a denied access."""
    assert "denies access" in str(explained(URL, "403 Forbidden", denied=True, missing=False))
