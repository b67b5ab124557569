"""The limits that a run's configuration asks for."""

from __future__ import annotations

from typing import Any, cast

from driver.plan.config import RunConfig
from driver.plan.fault_rates import Chaos
from driver.scheduling.policy import RetryPolicy
from driver.targets.limits import policy_of, with_faults
from driver.transport.fault_injection import HEARTBEAT_TIMEOUT_S, ChaosTransport

CHAOS = Chaos((("kill", 0.5),), seed=1)


def test_what_the_user_sets_is_the_policys() -> None:
    """All else is its defaults."""
    config = RunConfig(inputs=("a",), skip_bad_records=3, stage_timeout_s=9.0)
    assert RetryPolicy(skip_bad_records=3, stage_timeout_s=9.0) == policy_of(config)


def test_under_fault_injection_silence_is_death_sooner() -> None:
    """And a stage may see many failures; the transport injects the faults."""
    policy = policy_of(RunConfig(inputs=("a",), chaos=CHAOS))
    assert HEARTBEAT_TIMEOUT_S == policy.heartbeat_timeout_s
    assert HEARTBEAT_TIMEOUT_S < RetryPolicy().heartbeat_timeout_s
    assert policy.least_failures > RetryPolicy().least_failures
    transport = cast(Any, object())
    assert transport is with_faults(transport, RunConfig(inputs=("a",)), lambda _: None)
    broken = with_faults(transport, RunConfig(inputs=("a",), chaos=CHAOS), lambda _: None)
    assert isinstance(broken, ChaosTransport)
