"""The settings of a model server: read once from the environment (MODEL_...), then passed on."""

from __future__ import annotations

from pydantic import Field, field_validator

from examples.serving.wire import NAME
from services.shell.settings import Place, SettingsConfigDict, SignedSettings


class Settings(SignedSettings):
    """One model server's settings; each field is the environment variable MODEL_<FIELD>.

    Raises:
        pydantic.ValidationError: a field is missing or wrong.
    """

    model_config = SettingsConfigDict(env_prefix="MODEL_", frozen=True, extra="ignore")

    store: Place = Field(description="root URL of the store: s3://bucket or file:///folder")
    name: str = Field(default="digits", description="the model's name in the store and in paths")
    version: str = Field(description="the model's version in the store and in paths")
    batching: bool = Field(default=True, description="whether requests that wait share a run")
    latency_ms: float = Field(default=20, gt=0, description="the longest that a batch should take")
    queue: int = Field(default=256, ge=1, description="requests that may wait")
    queue_mb: int = Field(default=64, ge=1, description="tensors that may wait, in MiB")
    max_body_mb: int = Field(default=8, ge=1, description="largest request body in MiB")
    load_s: float = Field(
        default=60, gt=0, description="seconds after which a server without its model ends"
    )
    drain_s: float = Field(default=20, ge=0, description="seconds that SIGTERM leaves requests")
    served_by: str = Field(
        default="", max_length=200, description="who answers, for a header; default: ECS says it"
    )
    delay_ms: float = Field(
        default=0, ge=0, description="time added to each batch, to try out a slow container"
    )
    metrics_s: float = Field(
        default=0, ge=0, description="seconds between metrics in the log, for CloudWatch; 0: none"
    )

    stack: str = Field(default="laptop", description="the stack's name, for those metrics")

    @field_validator("name", "version")
    @classmethod
    def _fits_a_path(cls, text: str) -> str:
        if NAME.fullmatch(text) is None:
            raise ValueError(f"{text!r} is no name; write letters, digits and . _ - between them")
        return text
