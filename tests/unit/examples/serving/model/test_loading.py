"""Loading of the model: again while it is missing, and given up after a time."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from examples.serving.model.loading import keep_loading, pause_s
from examples.serving.model.session import Model
from examples.serving.model.settings import Settings
from examples.serving.model_store import ModelRefused
from mapreduce.errors import StorageError

SETTINGS = Settings(store="file:///nowhere", version="1", signing_key="k" * 32, load_s=4)


class Told:
    """What the loading reports, and a store that answers as the test wants."""

    def __init__(self, *outcomes: Any) -> None:
        self.outcomes = list(outcomes)
        self.models: list[object] = []
        self.reasons: list[str] = []
        self.pauses: list[float] = []
        self.given_up = 0

    def loaded(self, model: Model) -> None:
        """Note the model."""
        self.models.append(model)

    def not_loaded(self, why: str) -> None:
        """Note the reason."""
        self.reasons.append(why)

    def give_up(self) -> None:
        """Note the end."""
        self.given_up += 1

    def load(self, settings: Settings) -> Any:
        """Answer with the next outcome, the last for ever."""
        assert settings is SETTINGS
        outcome = self.outcomes.pop(0) if len(self.outcomes) > 1 else self.outcomes[0]
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    async def sleep(self, seconds: float) -> None:
        """Note the pause, and take no time."""
        self.pauses.append(seconds)

    def run(self) -> None:
        """Load until it is over."""
        asyncio.run(keep_loading(SETTINGS, self, self.give_up, load=self.load, sleep=self.sleep))


def test_a_model_that_is_there() -> None:
    """It is loaded at once."""
    told = Told("model")
    told.run()
    assert (["model"], [], [], 0) == (told.models, told.reasons, told.pauses, told.given_up)


def test_a_model_that_comes_later() -> None:
    """A missing model and a failing store are asked again, and the reason is known meanwhile."""
    told = Told(ModelRefused("missing"), StorageError("slow"), "model")
    told.run()
    assert ["missing", "slow"] == told.reasons
    assert (["model"], [0.5, 1.0], 0) == (told.models, told.pauses, told.given_up)


def test_a_model_that_never_comes() -> None:
    """After the time of the setting the server ends, so that a rollout can go back."""
    told = Told(ModelRefused("of another digest"))
    told.run()
    assert 1 == told.given_up
    assert SETTINGS.load_s <= sum(told.pauses) <= 2 * SETTINGS.load_s
    assert {"of another digest"} == set(told.reasons)


def test_an_error_of_ours_is_not_hidden() -> None:
    """Only errors that the store or the file explain are tried again."""
    with pytest.raises(ZeroDivisionError):
        Told(ZeroDivisionError()).run()


def test_pauses_double_up_to_ten_seconds() -> None:
    """The pause doubles with each failure, and has a limit."""
    assert [0.5, 1, 2, 4, 8, 10, 10] == [pause_s(n) for n in range(1, 8)]
    assert 10 == pause_s(10_000)
