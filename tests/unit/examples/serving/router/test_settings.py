"""The router's settings, and the shell that it starts in."""

from __future__ import annotations

import pytest
from pydantic import SecretStr, ValidationError

from examples.serving.router.__main__ import CALLERS, most_callers
from examples.serving.router.app import lookups_of, trust_of
from examples.serving.router.settings import RouterSettings

KEY = "k" * 32


def test_the_environment_names_each_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    """The variables that Terraform sets are read."""
    monkeypatch.setenv("ROUTER_MODELS", "cloudmap://serving.local/model?ports=9000-9001")
    monkeypatch.setenv("ROUTER_SIGNING_KEY", KEY)
    monkeypatch.setenv("ROUTER_CANARY", "a:1")
    monkeypatch.setenv("ROUTER_CANARY_PERCENT", "25")
    monkeypatch.setenv("ROUTER_POLICY", "two-choices")
    monkeypatch.setenv("ROUTER_MODEL_TLS", "true")
    settings = RouterSettings()
    assert settings.canary_percent == 25
    assert settings.policy == "two-choices"
    assert settings.model_tls


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("models", "nonsense"),
        ("canary", "cloudmap://x"),
        ("canary_percent", "101"),
        ("policy", "fastest"),
        ("in_flight", "0"),
        ("timeout_s", "0"),
        ("signing_key", "short"),
    ],
)
def test_wrong_settings_are_refused(name: str, text: str) -> None:
    """Each is refused under its own name."""
    given = {"models": "a:1", "signing_key": KEY} | {name: text}
    with pytest.raises(ValidationError, match=name):
        RouterSettings(**given)  # type: ignore[arg-type]


def test_each_group_that_is_named_is_looked_up() -> None:
    """Groups without a setting have no look-up."""
    settings = RouterSettings(models="a:1", shadow="b:2", signing_key=SecretStr(KEY))
    lookups = lookups_of(settings)
    assert {group: [str(each) for each in look()] for group, look in lookups.items()} == {
        "stable": ["a:1"],
        "shadow": ["b:2"],
    }


def test_replicas_prove_who_they_are_by_the_key() -> None:
    """With TLS the certificate's name is the role; without there is nothing to prove."""
    given = {"models": "a:1", "signing_key": KEY}
    trust = trust_of(RouterSettings(**given, model_tls=True))  # type: ignore[arg-type]
    assert trust is not None
    assert trust.name == "model.mapreduce.internal"
    assert trust.context.check_hostname
    assert trust_of(RouterSettings(**given)) is None  # type: ignore[arg-type]


@pytest.mark.parametrize(("files", "callers"), [(1024, 64), (20_000, 1250), (1 << 20, CALLERS)])
def test_callers_leave_files_for_the_replicas(files: int, callers: int) -> None:
    """A small limit on open files admits few callers, and a large one no more than is useful."""
    assert most_callers(files) == callers
