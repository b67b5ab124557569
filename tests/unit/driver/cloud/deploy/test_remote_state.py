"""The state in a bucket, from stubbed answers of AWS that botocore checks."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.response import StreamingBody
from botocore.stub import ANY, Stubber

from driver.cloud.aws import Aws
from driver.cloud.deploy.remote_state import (
    RemoteState,
    bucket_region,
    make_bucket,
    remote_state,
    share_settings,
    shared_settings,
)
from driver.cloud.stack import StackIdentity, read_stack
from driver.cloud.terraform import BACKEND_FILE, needs_init
from mapreduce.errors import FleetError, UsageError

STATE = RemoteState(
    bucket="states",
    bucket_region="eu-west-1",
    stack=StackIdentity(name="books", region="eu-north-1"),
)
SETTINGS = {"Bucket": "states", "Key": "mapreduce/books/eu-north-1/deploy.auto.tfvars.json"}


@pytest.fixture
def s3(aws: Aws) -> Iterator[Stubber]:
    """A stubbed S3."""
    with Stubber(aws.s3) as stubber:
        yield stubber
        stubber.assert_no_pending_responses()


def test_the_file_is_terraforms(tmp_path: Path) -> None:
    """The file is an override of Terraform's backend: encrypted, locked, and with a key for each
    name and region; it is read back as it was written.
    """
    assert remote_state(tmp_path) is None
    (tmp_path / BACKEND_FILE).write_text(STATE.backend())
    assert BACKEND_FILE.endswith("_override.tf.json")
    assert json.loads(STATE.backend()) == {
        "terraform": {
            "backend": {
                "s3": {
                    "bucket": "states",
                    "key": "mapreduce/books/eu-north-1/terraform.tfstate",
                    "region": "eu-west-1",
                    "encrypt": True,
                    "use_lockfile": True,
                }
            }
        }
    }
    assert STATE == remote_state(tmp_path)
    assert "s3://states/mapreduce/books/eu-north-1/terraform.tfstate" == STATE.url


@pytest.mark.parametrize(
    "text",
    ["", "{}", STATE.backend().replace("books/", ""), STATE.backend().replace("mapreduce/", "x/")],
)
def test_another_file_is_refused(tmp_path: Path, text: str) -> None:
    """A file that this version does not write is refused with the command that writes it."""
    (tmp_path / BACKEND_FILE).write_text(text)
    with pytest.raises(UsageError, match="python -m driver stack remote-state BUCKET"):
        remote_state(tmp_path)


def test_a_bucket_that_terraform_does_not_know_yet_is_an_error(tmp_path: Path) -> None:
    """Before `terraform init` there is not no stack, but an error with the command; afterwards the
    folder counts as applied.
    """
    (tmp_path / BACKEND_FILE).write_text(STATE.backend())
    with pytest.raises(FleetError, match=f"terraform -chdir={tmp_path} init"):
        read_stack(tmp_path)
    (tmp_path / ".terraform").mkdir()
    (tmp_path / ".terraform" / "terraform.tfstate").write_text("{}")
    assert not needs_init(tmp_path)


def test_the_region_of_a_bucket(aws: Aws, s3: Stubber) -> None:
    """The region comes from S3's answer, also from a refusal; no bucket has none."""
    s3.add_response("head_bucket", {"BucketRegion": "eu-west-1"}, {"Bucket": "states"})
    s3.add_response("head_bucket", {})
    s3.add_client_error("head_bucket", "404", http_status_code=404)
    headers = {"HTTPHeaders": {"x-amz-bucket-region": "us-west-2"}}
    s3.add_client_error("head_bucket", "301", response_meta=headers)
    s3.add_client_error("head_bucket", "403")
    s3.add_client_error("head_bucket", "500")
    found = [bucket_region(aws, "states") for _ in range(4)]
    assert ["eu-west-1", "eu-central-1", None, "us-west-2"] == found
    with pytest.raises(FleetError, match="another account's"):
        bucket_region(aws, "states")
    with pytest.raises(FleetError, match="HeadBucket failed"):
        bucket_region(aws, "states")


@pytest.mark.parametrize(
    ("region", "place"),
    [
        ("us-east-1", {}),
        ("eu-west-1", {"CreateBucketConfiguration": {"LocationConstraint": "eu-west-1"}}),
    ],
)
def test_a_bucket_is_private_and_keeps_versions(
    aws: Aws, s3: Stubber, region: str, place: dict[str, Any]
) -> None:
    """A bucket that is made is closed to the public, keeps versions, and refuses plain HTTP."""
    closed = ("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets")
    s3.add_response("create_bucket", {}, {"Bucket": "states", **place})
    s3.add_response(
        "put_public_access_block",
        {},
        {"Bucket": "states", "PublicAccessBlockConfiguration": dict.fromkeys(closed, True)},
    )
    s3.add_response(
        "put_bucket_versioning",
        {},
        {"Bucket": "states", "VersioningConfiguration": {"Status": "Enabled"}},
    )
    s3.add_response("put_bucket_policy", {}, {"Bucket": "states", "Policy": ANY})
    make_bucket(aws, "states", region)


def test_settings_lie_beside_the_state(aws: Aws, s3: Stubber) -> None:
    """The settings are an object beside the state; before the first deployment there is none."""
    s3.add_response("put_object", {}, {**SETTINGS, "Body": b'{"name": "books"}'})
    body = StreamingBody(io.BytesIO(b"{}"), 2)
    s3.add_response("get_object", {"Body": body}, SETTINGS)
    s3.add_client_error("get_object", "NoSuchKey")
    s3.add_client_error("get_object", "AccessDenied")
    share_settings(aws, STATE, '{"name": "books"}')
    assert "{}" == shared_settings(aws, STATE)
    assert shared_settings(aws, STATE) is None
    with pytest.raises(FleetError, match="may not do GetObject"):
        shared_settings(aws, STATE)
