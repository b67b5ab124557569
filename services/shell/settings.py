"""A service's settings: read once from the environment (MAPREDUCE_...), then passed as a value."""

from __future__ import annotations

import math
import os
import tempfile
from ipaddress import ip_address
from pathlib import Path

from pydantic import Field, SecretStr, ValidationInfo, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from mapreduce.errors import RefusedURL, UsageError
from mapreduce.storage import Grants, split_url
from mapreduce.wire.tokens import KEY_BYTES, check_key

NO_KEY = SecretStr("0" * KEY_BYTES)
"""A placeholder for the signing key in processes that must not have it."""


class Settings(BaseSettings):
    """One service's settings; each field is the environment variable MAPREDUCE_<FIELD>.

    Raises:
        pydantic.ValidationError: a field is missing or wrong.
    """

    model_config = SettingsConfigDict(env_prefix="MAPREDUCE_", frozen=True, extra="ignore")

    store: str = Field(description="root URL of the store: s3://bucket or file:///folder")
    signing_key: SecretStr = Field(
        description="the key that requests are signed with, at least 32 bytes"
    )
    extra_inputs: tuple[str, ...] = Field(
        default=(), description="URLs that may be read besides the store, as JSON"
    )
    host: str = Field(default="127.0.0.1", description="address to listen on")
    port: int = Field(
        default=8080, ge=0, le=65535, description="port to listen on; 0 takes a free one"
    )
    allow_plain_http: bool = Field(
        default=False, description="whether other machines may be answered without encryption"
    )
    tls: bool = Field(
        default=False,
        validate_default=True,
        description="whether to answer by TLS; required on an address other than loopback",
    )
    image_tag: str = Field(
        default="", max_length=300, description="the tag of the image, for `/health`"
    )
    slots: int = Field(
        default=0, ge=0, description="tasks at the same time; 0: one for each processor"
    )
    scratch: Path = Field(
        default=Path(tempfile.gettempdir()) / f"mapreduce-scratch-{os.getuid()}",
        description="folder for intermediate files and jobs' code; only this user may write there",
    )
    memory_mb: int = Field(
        default=0, ge=0, description="memory of the whole service in MiB; 0: half of the machine's"
    )
    task_memory_mb: int = Field(
        default=0, ge=0, description="memory of one task in MiB; 0: an even share of memory_mb"
    )
    max_body_mb: int = Field(default=64, ge=1, description="largest request body in MiB")
    patience_s: float = Field(
        default=20,
        gt=0,
        description="seconds for a request's head, and for its body plus one for each 16 KiB",
    )
    drain_s: float = Field(
        default=110, ge=0, description="seconds that SIGTERM leaves running tasks"
    )
    chaos: bool = Field(
        default=False, description="whether a driver may inject faults into this service's workers"
    )
    log_level: str = Field(default="INFO", pattern="^(DEBUG|INFO|WARNING|ERROR)$")

    @field_validator("signing_key")
    @classmethod
    def _long_enough(cls, key: SecretStr) -> SecretStr:
        try:
            check_key(key.get_secret_value())
        except UsageError as exc:
            raise ValueError(str(exc)) from None
        return key

    @field_validator("tls")
    @classmethod
    def _encrypts_beyond_this_machine(cls, tls: bool, info: ValidationInfo) -> bool:
        host = info.data.get("host", "127.0.0.1")
        if not tls and not info.data.get("allow_plain_http") and not _is_loopback(host):
            raise ValueError(
                f"MAPREDUCE_HOST={host} is an address for other machines, and requests would not "
                "be encrypted; set MAPREDUCE_TLS=true, or MAPREDUCE_HOST=127.0.0.1"
            )
        return tls

    @field_validator("store", "extra_inputs")
    @classmethod
    def _are_places(cls, given: str | tuple[str, ...]) -> str | tuple[str, ...]:
        for url in (given,) if isinstance(given, str) else given:
            try:
                root, key = split_url(url)
            except RefusedURL as exc:
                raise ValueError(str(exc)) from None
            if root == "file://" and not key.strip("/"):
                raise ValueError(f"{url} is the whole file system; name a folder")
        return given

    @property
    def slot_count(self) -> int:
        """The number of tasks at the same time."""
        return self.slots or os.cpu_count() or 1

    @property
    def task_memory_bytes(self) -> int:
        """Memory of one task: an even share, after a fifth for the service itself."""
        if self.task_memory_mb:
            return self.task_memory_mb << 20
        total = (self.memory_mb << 20) if self.memory_mb else _machine_memory() // 2
        return math.floor(total * 0.8 / self.slot_count)

    @property
    def grants(self) -> Grants:
        """The places that this service may use."""
        return Grants(writable=(self.store,), readable=self.extra_inputs)


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:  # a name
        return host == "localhost"


def _machine_memory() -> int:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
