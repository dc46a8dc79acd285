import pytest

from hundredfold.chassis.backbones.cards import ModelCard, triton_config

CARD = ModelCard("efficientnet-lite0@1", 1280, 224, 1000, "PyPI", "Apache-2.0")


def test_a_card_survives_its_file() -> None:
    assert ModelCard.from_json(CARD.to_json()) == CARD


def test_fields_of_later_versions_are_ignored() -> None:
    assert ModelCard.from_json(CARD.to_json() | {"trained_on": "birds"}) == CARD


def test_a_card_without_its_length_is_refused() -> None:
    value = CARD.to_json()
    del value["dimensions"]
    with pytest.raises(KeyError):
        ModelCard.from_json(value)


def test_triton_is_told_pixels_as_bytes_and_every_version() -> None:
    config = triton_config(CARD)
    assert 'name: "efficientnet-lite0"' in config
    assert 'name: "image" data_type: TYPE_UINT8 dims: [ 224, 224, 3 ]' in config
    assert 'name: "embedding" data_type: TYPE_FP32 dims: [ 1280 ]' in config
    assert 'name: "logits" data_type: TYPE_FP32 dims: [ 1000 ]' in config
    assert "version_policy { all { } }" in config
    assert "dynamic_batching" in config
