"""The names that router and model servers share."""

from __future__ import annotations

import pytest

from examples.serving.wire import NAME, file_url, infer_path, manifest_url, model_path


def test_paths_are_those_of_the_protocol() -> None:
    """Paths with and without a version are spelled as the Open Inference Protocol has them."""
    assert model_path("digits") == "/v2/models/digits"
    assert model_path("digits", "2") == "/v2/models/digits/versions/2"
    assert infer_path("digits") == "/v2/models/digits/infer"
    assert infer_path("digits", "2") == "/v2/models/digits/versions/2/infer"


def test_a_store_with_a_slash_at_its_end_is_the_same_store() -> None:
    """The keys do not depend on a slash at the end of the store's URL."""
    assert manifest_url("s3://b/", "m", "1") == "s3://b/models/m/1/model.json"
    assert file_url("s3://b", "m", "1", "ab") == "s3://b/models/m/1/ab.onnx"


@pytest.mark.parametrize("name", ["a", "digits", "v1.2-rc_3", "A" * 64])
def test_a_name_fits_a_path_and_a_key(name: str) -> None:
    """Letters and digits, with dots, dashes and underscores between them, are a name."""
    assert NAME.fullmatch(name)


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "a%2Fb", "-a", "a-", "A" * 65, "ä", "a\n"])
def test_other_text_is_no_name(name: str) -> None:
    """What a path or a key would have to escape is no name."""
    assert NAME.fullmatch(name) is None
