"""The settings of servers and workers, from the environment."""

from __future__ import annotations

from pydantic import Field, ValidationInfo, field_validator

from services.shell.settings import Place, SettingsConfigDict, SignedSettings


def addresses(text: str) -> tuple[str, ...]:
    """Return the addresses in a list with commas.

    Raises:
        ValueError: one is not host:port.
    """
    found = tuple(each.strip() for each in text.split(","))
    for each in found:
        host, colon, port = each.rpartition(":")
        if not (colon and host and port.isdecimal() and 0 < int(port) < 1 << 16):
            raise ValueError(
                f"{each!r} is no address; write host:port, and a comma between two, server 0 first"
            )
    return found


class Settings(SignedSettings):
    """What servers and workers need to know; PS_SIGNING_KEY and the like are the shell's."""

    model_config = SettingsConfigDict(env_prefix="PS_", frozen=True, extra="ignore")

    parameter_server_address: str = Field(
        default="127.0.0.1:8000",
        validation_alias="PARAMETER_SERVER_ADDRESS",
        description="host:port of each server, with commas between them, server 0 first",
    )

    @field_validator("parameter_server_address")
    @classmethod
    def _are_addresses(cls, text: str) -> str:
        addresses(text)
        return text

    @property
    def servers(self) -> tuple[str, ...]:
        """The address of each server."""
        return addresses(self.parameter_server_address)

    @property
    def key(self) -> str:
        """The signing key."""
        return self.signing_key.get_secret_value()


class ServerSettings(Settings):
    """A server's settings."""

    store: Place = Field(description="root URL of the store: s3://bucket or file:///folder")
    shard: int = Field(default=0, ge=0, description="which of the servers this is")
    stack: str = Field(default="", description="name of the stack, a dimension of its metrics")
    server_host: str = Field(
        default="127.0.0.1", validation_alias="SERVER_HOST", description="address for gRPC"
    )
    server_port: int = Field(
        default=8000, ge=1, le=65535, validation_alias="SERVER_PORT", description="port for gRPC"
    )
    total_workers_expected: int = Field(
        default=0,
        ge=0,
        validation_alias="TOTAL_WORKERS_EXPECTED",
        description="workers that a run waits for before its first clock",
    )

    @field_validator("shard")
    @classmethod
    def _has_an_address(cls, shard: int, info: ValidationInfo) -> int:
        named = addresses(info.data.get("parameter_server_address", ""))
        if shard >= len(named):
            raise ValueError(
                f"PARAMETER_SERVER_ADDRESS names {len(named)} servers, and this is server {shard}; "
                "name all of them, server 0 first"
            )
        return shard
