"""The router's settings: ROUTER_... in the environment, read once."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field

from examples.serving.router.decisions.policy import PolicyName
from examples.serving.router.discovery import source_of
from services.shell.settings import SettingsConfigDict, SignedSettings


def _is_source(text: str) -> str:
    source_of(text)
    return text


SourceText = Annotated[str, AfterValidator(_is_source)]


class RouterSettings(SignedSettings):
    """The router's settings; each field is the environment variable ROUTER_<FIELD>.

    Raises:
        pydantic.ValidationError: a field is missing or wrong.
    """

    model_config = SettingsConfigDict(env_prefix="ROUTER_", frozen=True, extra="ignore")

    models: SourceText = Field(
        description="the replicas: host:port,host:port, file:///path, or "
        "cloudmap://NAMESPACE/SERVICE?ports=FIRST-LAST"
    )
    canary: SourceText = Field(default="", description="the replicas of a new version; empty: none")
    canary_percent: float = Field(
        default=0, ge=0, le=100, description="the canary's share of the inferences"
    )
    shadow: SourceText = Field(
        default="", description="replicas that get copies, and whose answers are dropped"
    )
    shadow_percent: float = Field(
        default=100, ge=0, le=100, description="the share of the inferences that are copied"
    )
    shadow_most: int = Field(default=8, ge=1, description="the most copies on their way")
    policy: PolicyName = Field(
        default="least", description="which replica answers; two-choices for several routers"
    )
    model_tls: bool = Field(
        default=False, description="whether the replicas answer by TLS, with the key's certificate"
    )
    in_flight: int = Field(
        default=32, ge=1, description="the most requests in flight at one replica"
    )
    waiting: int = Field(default=64, ge=0, description="the most requests that wait for a place")
    wait_s: float = Field(default=0.03, ge=0, description="how long one waits, in seconds")
    timeout_s: float = Field(
        default=10, gt=0, description="seconds for an attempt; a request has two at most"
    )
    connect_s: float = Field(default=2, gt=0, description="seconds for a connection to a replica")
    probe_s: float = Field(
        default=1, gt=0, description="seconds between two probes of a replica, and for one"
    )
    discover_s: float = Field(
        default=2, gt=0, description="seconds between two look-ups of the addresses"
    )
    max_body_mb: int = Field(default=10, ge=1, description="largest request body in MiB")
    bodies_mb: int = Field(
        default=128, ge=1, description="all request bodies in memory together, in MiB"
    )
    drain_s: float = Field(
        default=30, ge=0, description="seconds that SIGTERM leaves requests in flight"
    )
