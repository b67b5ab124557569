"""The limits that a run's configuration sets."""

from __future__ import annotations

from typing import Any, cast

from driver.plan.config import RunConfig
from driver.plan.fault_rates import Chaos
from driver.scheduling.policy import RetryPolicy
from driver.targets.limits import policy_of, with_faults
from driver.transport.fault_injection import HEARTBEAT_TIMEOUT_S, ChaosTransport

CHAOS = Chaos((("kill", 0.5),), seed=1)


def test_settings_of_the_user_are_in_the_policy() -> None:
    """The policy has the user's settings, and defaults for the others."""
    config = RunConfig(inputs=("a",), skip_bad_records=3, stage_timeout_s=9.0)
    assert RetryPolicy(skip_bad_records=3, stage_timeout_s=9.0) == policy_of(config)


def test_fault_injection_shortens_the_limit_on_silence() -> None:
    """Fault injection shortens the limit on silence and allows more failures."""
    policy = policy_of(RunConfig(inputs=("a",), chaos=CHAOS))
    assert HEARTBEAT_TIMEOUT_S == policy.heartbeat_timeout_s
    assert HEARTBEAT_TIMEOUT_S < RetryPolicy().heartbeat_timeout_s
    assert policy.least_failures > RetryPolicy().least_failures
    transport = cast(Any, object())
    assert transport is with_faults(transport, RunConfig(inputs=("a",)), lambda _: None)
    broken = with_faults(transport, RunConfig(inputs=("a",), chaos=CHAOS), lambda _: None)
    assert isinstance(broken, ChaosTransport)
