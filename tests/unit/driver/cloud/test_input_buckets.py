"""Buckets of another region, and encrypted ones, over S3 on loopback and a stubbed KMS."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from botocore.stub import Stubber

from driver.cloud.aws import Aws
from driver.cloud.input_buckets import check_encryption, check_regions, region_of
from driver.cloud.stack import Stack
from mapreduce.errors import StorageError, UsageError
from mapreduce.storage import open_storage
from tests.unit.driver.cloud.loopback_aws import LoopbackAws, running_loopback_aws
from tests.unit.driver.samples import STACK_VALUES

KEY = "arn:aws:kms:eu-central-1:1:key/k"
URL = "s3://books/a.txt"


class _Keyed(Stack):
    """A stack that knows the keys of its inputs."""

    extra_kms_key_arns: tuple[str, ...] = ()


@pytest.fixture
def loopback(offline: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[LoopbackAws]:
    """S3 with a bucket `books` in the stack's region, and `far` in another."""
    with running_loopback_aws() as aws:
        monkeypatch.setenv("AWS_ENDPOINT_URL", aws.endpoint)
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAOLD")
        aws.regions["far"] = "us-west-2"
        aws.objects["/books/a.txt"] = b"x"
        yield aws


@pytest.fixture
def aws(loopback: LoopbackAws) -> Aws:
    """AWS in the stack's region."""
    return Aws("eu-central-1")


def test_the_region_of_a_bucket(aws: Aws, loopback: LoopbackAws) -> None:
    """S3 names a bucket's region, also of one elsewhere and of one that may not be read."""
    loopback.closed.add("shut")
    assert ["eu-central-1", "us-west-2", "eu-central-1"] == [
        region_of(aws, name) for name in ("books", "far", "shut")
    ]


@pytest.mark.parametrize("text", ["s3://far/logs/", "visits=s3://far/day=*/"])
def test_a_bucket_of_another_region_is_refused(aws: Aws, stack: Stack, text: str) -> None:
    """An input in another region is refused before it is looked for, with both ways out."""
    with pytest.raises(UsageError, match="far.*is in us-west-2.*eu-central-1") as caught:
        check_regions([URL, text], stack, aws)
    for words in ("aws s3 cp --recursive", "--source-region us-west-2", "--region us-west-2"):
        assert words in str(caught.value)


def test_buckets_of_the_region_and_files_pass(
    aws: Aws, loopback: LoopbackAws, stack: Stack
) -> None:
    """Buckets of the stack's region and local files pass; the stack's own is not asked."""
    check_regions([URL, "book.txt", f"{stack.store}/input/a"], stack, aws)
    assert ["/books"] == [path for _, _, path in loopback.asked]


def test_without_a_stack_the_region_is_named(loopback: LoopbackAws) -> None:
    """A bucket of another region is an error that names the variable, and not a redirect."""
    with pytest.raises(StorageError, match="another region; export AWS_REGION"):
        open_storage(region="eu-central-1").read("s3://far/a")


@pytest.mark.parametrize(
    ("manager", "allowed", "refused", "notes"),
    [
        ("CUSTOMER", (), True, 0),
        ("CUSTOMER", (KEY,), False, 0),
        ("AWS", (), False, 0),
        ("AccessDeniedException", (), False, 1),
    ],
)
def test_an_encrypted_bucket_needs_its_key(
    aws: Aws,
    loopback: LoopbackAws,
    manager: str,
    allowed: tuple[str, ...],
    refused: bool,
    notes: int,
) -> None:
    """A key of the user that the stack does not name is refused, with the variable; AWS's own key
    passes, and one that cannot be asked about is a note.
    """
    loopback.keys["/books/a.txt"] = KEY
    stack = _Keyed.model_validate(STACK_VALUES | {"extra_kms_key_arns": allowed})
    with Stubber(aws.kms) as kms:
        if manager.endswith("Exception"):
            kms.add_client_error("describe_key", manager)
        else:
            metadata = {"KeyId": "k", "KeyManager": manager}
            kms.add_response("describe_key", {"KeyMetadata": metadata}, {"KeyId": KEY})
        if refused:
            with pytest.raises(UsageError, match="extra_kms_key_arns.*./deploy.sh") as caught:
                check_encryption([URL], stack, aws)
            assert KEY in str(caught.value)
        else:
            assert notes == len(check_encryption([URL, "s3://books/b.txt"], stack, aws))


def test_what_is_not_encrypted_passes(aws: Aws, loopback: LoopbackAws, stack: Stack) -> None:
    """A bucket without a key passes, and so do local files and the stack's own bucket; of each
    bucket one object is asked.
    """
    keyed = _Keyed.model_validate(STACK_VALUES)
    urls = [URL, "s3://books/b.txt", "file:///a", f"{stack.store}/input/x"]
    assert [] == check_encryption(urls, keyed, aws)
    assert ["/books/a.txt"] == [path for _, _, path in loopback.asked]
