"""The album service's settings: the environment variables ALBUMS_..., read once."""

from __future__ import annotations

from pydantic import Field

from services.shell.settings import Place, ServiceSettings, SettingsConfigDict


class AlbumSettings(ServiceSettings):
    """The settings of every service, with limits for small answers, and the store."""

    model_config = SettingsConfigDict(env_prefix="ALBUMS_", frozen=True, extra="ignore")

    store: Place = Field(description="root URL of the store: s3://bucket or file:///folder")
    store_limit_s: float = Field(
        default=3, gt=0, description="seconds that the store may take for one request of a client"
    )
    max_body_mb: int = Field(default=1, ge=1, description="largest request body in MiB")
    patience_s: float = Field(
        default=5,
        gt=0,
        description="seconds for a request's head, and for its body plus one for each 16 KiB",
    )
    linger_s: float = Field(
        default=5,
        ge=0,
        description="seconds after SIGTERM in which new requests are answered too: clients know "
        "the address still",
    )
    drain_s: float = Field(
        default=20, ge=0, description="seconds that SIGTERM leaves running requests"
    )
