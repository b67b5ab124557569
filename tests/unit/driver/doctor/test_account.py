"""The account before a deployment."""

from __future__ import annotations

from typing import Any

import pytest

from driver.doctor import account
from mapreduce.errors import FleetError
from tests.unit.driver.doctor.conftest import IDENTITY, Answers, aws_with


def _quota(value: float) -> Any:
    return Answers({"Quota": {"Value": value}})


@pytest.mark.parametrize(
    ("quotas", "needed", "well"),
    [
        (_quota(6.0), 6.0, True),
        (_quota(6.0), 6.5, False),
        (Answers(FleetError("denied")), 6.5, True),
        (Answers({"Quota": {}}), 6.5, True),
    ],
)
def test_the_quota_must_hold_all_tasks(quotas: Any, needed: float, well: bool) -> None:
    """The quota must hold all tasks; an unreadable quota is well."""
    assert well == account.fargate_quota(aws_with(quotas=quotas), needed).ok


def test_the_account_of_the_credentials() -> None:
    """The credentials show the account, or why there is none."""
    found = account.credentials(aws_with(sts=IDENTITY))
    assert (True, "account 1, arn:aws:iam::1:user/me") == (found.ok, found.seen)
    assert not account.credentials(aws_with(sts=Answers(FleetError("expired")))).ok
