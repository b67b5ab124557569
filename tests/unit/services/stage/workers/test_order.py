"""The order that a worker gets for a task, and passes on to the task's process."""

from typing import Any

import pytest

from mapreduce.wire.messages import AttemptId
from services.stage.workers.order import Order, OrderHead, received_order

ATTEMPT = AttemptId(run="run-1", stage="map", index=3, attempt="0", nonce="ab" * 16)
CREDENTIALS = {"access_key_id": "é", "expires_at": "2026-01-01T00:00:00+00:00"}


@pytest.mark.parametrize("credentials", [None, {}, CREDENTIALS])
@pytest.mark.parametrize("body", [b"", b'{"stage":"map"}', bytes(range(256))])
def test_a_tasks_process_gets_message_and_credentials(
    credentials: dict[str, Any] | None, body: bytes
) -> None:
    """A task's process gets message and credentials unchanged, with any bytes."""
    order = Order(OrderHead(attempt=ATTEMPT, credentials=credentials), body)
    assert received_order(order.for_process()) == (credentials, body)
    assert Order.decoded(order.encoded()) == order
