"""Where the replicas are."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber
from hypothesis import given
from hypothesis import strategies as st

from examples.serving.router.cloud_map import CONFIG, hosts_of
from examples.serving.router.connections import Address
from examples.serving.router.discovery import (
    CloudMap,
    Fixed,
    Listed,
    LookupFailed,
    addresses_in,
    everywhere,
    lookup_of,
    source_of,
)


@pytest.mark.parametrize(
    ("text", "source"),
    [
        ("", Fixed(())),
        ("a:1", Fixed((Address("a", 1),))),
        ("a:1, b:2,a:1", Fixed((Address("a", 1), Address("b", 2)))),
        ("[::1]:80", Fixed((Address("::1", 80),))),
        ("file:///run/replicas", Listed("/run/replicas")),
        ("cloudmap://x.local/model?ports=8080", CloudMap("x.local", "model", (8080,))),
        ("cloudmap://x/m?ports=8080-8082", CloudMap("x", "m", (8080, 8081, 8082))),
    ],
)
def test_the_three_forms(text: str, source: object) -> None:
    """A setting is a list, a file, or a service of Cloud Map."""
    assert source_of(text) == source


@pytest.mark.parametrize(
    "text",
    [
        "nonsense",
        "a:0",
        "a:65536",
        ":80",
        "a:x",
        "http://a:80",
        "cloudmap://x/m",
        "cloudmap://x?ports=1",
        "cloudmap:///m?ports=1",
        "cloudmap://x/m/n?ports=1",
        "cloudmap://x/m?ports=3-2",
        "cloudmap://x/m?ports=0",
        "cloudmap://x/m?ports=65530-65536",
    ],
)
def test_anything_else_is_refused_with_the_forms(text: str) -> None:
    """A wrong setting names what may be written."""
    with pytest.raises(ValueError, match="cloudmap://NAMESPACE/SERVICE"):
        source_of(text)


@given(st.text(max_size=60))
def test_no_text_breaks_the_parser(text: str) -> None:
    """Any text is a source, or refused with a `ValueError`."""
    try:
        source_of(text)
    except ValueError:
        return


def test_every_port_of_every_host() -> None:
    """The containers of a task share its address."""
    assert everywhere(["b", "a", "b"], [1, 2]) == (
        Address("a", 1),
        Address("a", 2),
        Address("b", 1),
        Address("b", 2),
    )


def test_a_file_is_read_each_time(tmp_path: Path) -> None:
    """A list that has changed is found at the next look-up."""
    file = tmp_path / "replicas"
    look = lookup_of(Listed(str(file)))
    file.write_text("# none\n\n")
    assert look() == ()
    file.write_text("a:1\n b:2 \n")
    assert look() == addresses_in(["a:1", "b:2"])
    file.unlink()
    with pytest.raises(OSError, match="No such file"):
        look()


@pytest.fixture
def cloud_map() -> Any:
    """Return a client of Cloud Map that reaches nothing."""
    return boto3.Session(
        aws_access_key_id="test", aws_secret_access_key="test", region_name="eu-west-1"
    ).client("servicediscovery", config=CONFIG)


def test_cloud_map_names_every_task(cloud_map: Any) -> None:
    """All registered instances count, healthy or not: the router asks each one itself."""
    instances = [
        {"InstanceId": "1", "Attributes": {"AWS_INSTANCE_IPV4": "10.0.0.1"}},
        {"InstanceId": "2", "Attributes": {}, "HealthStatus": "UNHEALTHY"},
        {"InstanceId": "3", "Attributes": {"AWS_INSTANCE_IPV4": "10.0.0.3"}},
    ]
    with Stubber(cloud_map) as stub:
        stub.add_response(
            "discover_instances",
            {"Instances": instances},
            {
                "NamespaceName": "x.local",
                "ServiceName": "model",
                "MaxResults": 1000,
                "HealthStatus": "ALL",
            },
        )
        assert hosts_of("x.local", "model", cloud_map)() == ["10.0.0.1", "10.0.0.3"]


def test_a_throttled_look_up_is_ours(cloud_map: Any) -> None:
    """AWS's error becomes the router's, with the service's name."""
    with Stubber(cloud_map) as stub:
        stub.add_client_error("discover_instances", "RequestLimitExceeded")
        with pytest.raises(LookupFailed, match=r"model\.x\.local"):
            hosts_of("x.local", "model", cloud_map)()
