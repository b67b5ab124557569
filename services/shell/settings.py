"""The settings that every service has: read once from the environment, then passed as a value."""

from __future__ import annotations

import sys
from ipaddress import ip_address
from typing import Annotated, Any, NoReturn, TypeVar

from pydantic import (
    AfterValidator,
    Field,
    SecretStr,
    ValidationError,
    ValidationInfo,
    field_validator,
)
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, SettingsConfigDict

from mapreduce.errors import RefusedURL, UsageError
from mapreduce.storage import split_url
from mapreduce.wire.tokens import KEY_BYTES, check_key

__all__ = [
    "NO_KEY",
    "Place",
    "ServiceSettings",
    "SettingsConfigDict",
    "SignedSettings",
    "prefix_of",
    "refuse",
    "refuse_settings",
    "settings_or_exit",
]

NO_KEY = SecretStr("0" * KEY_BYTES)
"""A placeholder for the signing key in processes that must not have it."""


def _checked_place(url: str) -> str:
    try:
        root, key = split_url(url)
    except RefusedURL as exc:
        raise ValueError(str(exc)) from None
    if root == "file://" and not key.strip("/"):
        raise ValueError(f"{url} is the whole file system; name a folder")
    return url


Place = Annotated[str, AfterValidator(_checked_place)]
"""A URL of a store or of a folder in it: s3://bucket/..., or file:///folder."""


class ServiceSettings(BaseSettings):
    """The settings of any service; a subclass sets `env_prefix`, and each field is the environment
    variable <PREFIX><FIELD>.

    Raises:
        pydantic.ValidationError: a field is missing or wrong.
    """

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
    max_body_mb: int = Field(default=64, ge=1, description="largest request body in MiB")
    patience_s: float = Field(
        default=20,
        gt=0,
        description="seconds for a request's head, and for its body plus one for each 16 KiB",
    )
    drain_s: float = Field(
        default=110, ge=0, description="seconds that SIGTERM leaves running tasks"
    )
    log_level: str = Field(default="INFO", pattern="^(DEBUG|INFO|WARNING|ERROR)$")

    @field_validator("tls")
    @classmethod
    def _encrypts_beyond_this_machine(cls, tls: bool, info: ValidationInfo) -> bool:
        host = info.data.get("host", "127.0.0.1")
        if not tls and not info.data.get("allow_plain_http") and not _is_loopback(host):
            prefix = prefix_of(cls)
            raise ValueError(
                f"{prefix}HOST={host} is an address for other machines, and requests would not "
                f"be encrypted; set {prefix}TLS=true, or {prefix}HOST=127.0.0.1"
            )
        return tls


class SignedSettings(ServiceSettings):
    """The settings of a service that answers signed requests only."""

    signing_key: SecretStr = Field(
        description="the key that requests are signed with, at least 32 bytes"
    )

    @field_validator("signing_key")
    @classmethod
    def _long_enough(cls, key: SecretStr) -> SecretStr:
        try:
            check_key(key.get_secret_value())
        except UsageError as exc:
            raise ValueError(str(exc)) from None
        return key


S = TypeVar("S", bound=ServiceSettings)


def settings_or_exit(kind: type[S], **given: Any) -> S:
    """Return a service's settings from the environment; print each wrong one and exit 2.

    Args:
        kind: of the settings.
        given: fields that the environment does not decide.
    """
    try:
        return kind(**given)
    except ValidationError as exc:
        refuse_settings(exc, kind)


def refuse_settings(exc: ValidationError, kind: type[ServiceSettings]) -> NoReturn:
    """Print one line for each wrong setting, with its variable, and exit 2."""
    errors = exc.errors(include_url=False, include_input=False)
    for error in errors[:-1]:
        _say(*_in_words(error, kind))
    refuse(*_in_words(errors[-1], kind))


def refuse(variable: str, message: str) -> NoReturn:
    """Print why a variable is refused, and exit 2."""
    _say(variable, message)
    sys.exit(2)


def prefix_of(kind: type[ServiceSettings]) -> str:
    """Return the prefix of the variables of a kind of settings."""
    return kind.model_config.get("env_prefix", "")


def _in_words(error: ErrorDetails, kind: type[ServiceSettings]) -> tuple[str, str]:
    name = str(error["loc"][0])
    # a field with an alias is a variable without the prefix
    return f"{prefix_of(kind)}{name}".upper() if name in kind.model_fields else name, error["msg"]


def _say(variable: str, message: str) -> None:
    print(f"{variable}: {message}", file=sys.stderr)  # noqa: T201 - before there are logs


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:  # a name
        return host == "localhost"
