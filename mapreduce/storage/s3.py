"""Objects in a bucket of S3, or of a server that speaks its protocol."""

from __future__ import annotations

import os
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from obstore.store import S3Store

from mapreduce.storage.objects import ObstoreStorage

if TYPE_CHECKING:
    from collections.abc import Callable


def open_s3(bucket: str, *, credentials: Callable[[], Any] | None = None, region: str | None = None) -> ObstoreStorage:
    """One bucket.

    Region, endpoint (`AWS_ENDPOINT_URL`) and, without `credentials`, the credentials come from the environment as
    AWS's own tools read them: variables, or the task role of a container. Failed requests are tried again by obstore,
    so nothing around this may.

    Args:
        bucket: its name.
        credentials: an obstore credential provider, fetched once a process.
        region: its region; without it, the environment's.
    """
    endpoint = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL")
    config: dict[str, Any] = {
        "region": region or os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION") or "us-east-1"
    }
    if endpoint:
        config |= {"endpoint": endpoint, "virtual_hosted_style_request": False}
    store = S3Store(
        bucket,
        **config,
        credential_provider=credentials,
        client_options={
            "allow_http": bool(endpoint and endpoint.startswith("http://")),
            "timeout": timedelta(minutes=5),
        },
        retry_config={
            "max_retries": 8,
            "retry_timeout": timedelta(minutes=3),
            "backoff": {
                "init_backoff": timedelta(milliseconds=100),
                "max_backoff": timedelta(seconds=10),
                "base": 2,
            },
        },
    )
    return ObstoreStorage(store, f"s3://{bucket}")
