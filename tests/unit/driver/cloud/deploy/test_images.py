"""The images in ECR, from stubbed answers of AWS that botocore checks."""

from __future__ import annotations

import base64
from collections.abc import Iterator

import pytest
from botocore.stub import Stubber

from driver.cloud.aws import Aws
from driver.cloud.deploy.images import Image, digests_of, images_of, registry_password
from mapreduce.errors import FleetError

ROLES = ("splitter", "mapper", "reducer", "guard")
DIGEST = f"sha256:{'a' * 64}"


@pytest.fixture
def ecr(aws: Aws) -> Iterator[Stubber]:
    """A stubbed ECR."""
    with Stubber(aws.ecr) as stubber:
        yield stubber
        stubber.assert_no_pending_responses()


def _script(ecr: Stubber, role: str) -> dict[str, object]:
    """Stub a role's repository; return the expected request for its image."""
    name = f"books/{role}"
    ecr.add_response(
        "describe_repositories",
        {"repositories": [{"repositoryUri": f"1.dkr/{name}"}]},
        {"repositoryNames": [name]},
    )
    return {"repositoryName": name, "imageIds": [{"imageTag": "abc"}]}


def test_each_image_is_there_or_missing(aws: Aws, ecr: Stubber) -> None:
    """An image is there with its digest; one whose tag the registry does not have is missing, which
    is no error.
    """
    asked = _script(ecr, "splitter")
    details = [{"imageTags": ["abc"], "imageDigest": DIGEST}]
    ecr.add_response("describe_images", {"imageDetails": details}, asked)
    asked = _script(ecr, "mapper")
    ecr.add_client_error("describe_images", "ImageNotFoundException", expected_params=asked)
    asked = _script(ecr, "reducer")
    ecr.add_response("describe_images", {"imageDetails": []}, asked)
    asked = _script(ecr, "guard")
    ecr.add_response("describe_images", {"imageDetails": []}, asked)
    assert [
        Image("splitter", "1.dkr/books/splitter:abc", DIGEST),
        Image("mapper", "1.dkr/books/mapper:abc", None),
        Image("reducer", "1.dkr/books/reducer:abc", None),
        Image("guard", "1.dkr/books/guard:abc", None),
    ] == images_of(aws, ROLES, "books", "abc")


def test_digests_are_of_all_images_or_none() -> None:
    """The digests are by role; an image that is missing is an error that names it."""
    there = Image("splitter", "1.dkr/books/splitter:abc", DIGEST)
    assert {"splitter": DIGEST} == digests_of([there], "./deploy.sh")
    with pytest.raises(FleetError, match="mapper:abc is not in the registry; run ./deploy.sh"):
        digests_of([there, Image("mapper", "1.dkr/books/mapper:abc", None)], "./deploy.sh")


def test_another_error_of_the_registry_is_explained(aws: Aws, ecr: Stubber) -> None:
    """Another error of the registry is a `FleetError`, not a missing image."""
    _script(ecr, "splitter")
    ecr.add_client_error("describe_images", "AccessDeniedException")
    with pytest.raises(FleetError, match="may not do DescribeImages"):
        images_of(aws, ROLES, "books", "abc")


def test_the_password_follows_the_user(aws: Aws, ecr: Stubber) -> None:
    """The password is the text after the user and the first colon."""
    token = base64.b64encode(b"AWS:se:cret").decode()
    ecr.add_response(
        "get_authorization_token", {"authorizationData": [{"authorizationToken": token}]}
    )
    assert "se:cret" == registry_password(aws)
