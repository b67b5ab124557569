"""Who answers: as ECS says, as the settings say, or host and port."""

from __future__ import annotations

import io
import json

import pytest

from examples.serving.model.identity import METADATA, named, served_by

HERE = "http://169.254.170.2/v4/x"
ECS = {
    "Labels": {
        "com.amazonaws.ecs.task-arn": "arn:aws:ecs:eu-central-1:1:task/serving/0123abcd",
        "com.amazonaws.ecs.container-name": "model-2",
    }
}


def test_ecs_names_task_and_container() -> None:
    """The task is the last part of its ARN."""
    assert "0123abcd/model-2" == named(ECS)


@pytest.mark.parametrize("metadata", [None, [], {}, {"Labels": None}, {"Labels": {"a": 1}}])
def test_metadata_without_names(metadata: object) -> None:
    """What is not ECS's answer gives no name."""
    assert named(metadata) is None


def test_the_settings_come_first(monkeypatch: pytest.MonkeyPatch) -> None:
    """A name in the settings wins over ECS's, and host and port are left if there is none."""

    def opened(address: str, timeout: float) -> io.BytesIO:
        if address != HERE:
            raise ConnectionRefusedError
        return io.BytesIO(json.dumps(ECS).encode())

    monkeypatch.setattr("urllib.request.urlopen", opened)
    monkeypatch.setenv(METADATA, HERE)
    assert "a/b" == served_by("a/b", 9000)
    assert "0123abcd/model-2" == served_by("", 9000)
    monkeypatch.setenv(METADATA, "http://169.254.170.2/v4/other")
    assert served_by("", 9000).endswith("/9000")
    monkeypatch.setenv(METADATA, "file:///etc/passwd")
    assert served_by("", 9000).endswith("/9000")
