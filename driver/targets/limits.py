"""Limits of a run on any fleet of services: retries, time-outs, fault injection."""

from __future__ import annotations

from dataclasses import replace

from driver.plan.config import RunConfig
from driver.plan.events import Observer
from driver.scheduling.policy import RetryPolicy
from driver.transport.base import Transport
from driver.transport.fault_injection import HEARTBEAT_TIMEOUT_S, ChaosTransport


def policy_of(config: RunConfig) -> RetryPolicy:
    """Return the user's limits; with fault injection, the time-out of silence is shorter."""
    policy = RetryPolicy(
        skip_bad_records=config.skip_bad_records or 0, stage_timeout_s=config.stage_timeout_s
    )
    if config.chaos is None:
        return policy
    return replace(policy, heartbeat_timeout_s=HEARTBEAT_TIMEOUT_S, least_failures=1000)


def with_faults(transport: Transport, config: RunConfig, emit: Observer) -> Transport:
    """Return the transport with the fault injection that the run asks for."""
    return ChaosTransport(transport, config.chaos, emit) if config.chaos else transport
