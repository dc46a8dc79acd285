import json

import pytest

from hundredfold.chassis.backbones.cards import ModelCard, Tuned, tuned_name
from hundredfold.chassis.storage.layout import check_model

LITE0 = "efficientnet-lite0"
CARD = ModelCard(f"{LITE0}@1", 1280, 224, 1000, "PyPI", "Apache-2.0", recipe=LITE0)
TUNED = ModelCard(
    f"{LITE0}-birds@2",
    1280,
    160,
    12,
    "fine-tuned",
    "Apache-2.0",
    recipe=LITE0,
    tuned=Tuned(CARD.model, "birds", 77, 640, 88.5),
)


@pytest.mark.parametrize("card", [CARD, TUNED])
def test_a_card_survives_its_file(card: ModelCard) -> None:
    assert ModelCard.from_json(json.loads(json.dumps(card.to_json()))) == card


def test_an_older_card_names_its_recipe_by_its_name() -> None:
    value = CARD.to_json()
    del value["recipe"], value["tuned"]
    assert ModelCard.from_json(value) == CARD


def test_names_of_fine_tuned_backbones_fit_the_repository_and_differ() -> None:
    assert tuned_name(LITE0, "birds") == "efficientnet-lite0-birds"
    assert tuned_name(LITE0, "birds", 160) == "efficientnet-lite0-birds-160px"
    recipe = "torchvision-" + "x" * 60
    names = {tuned_name(recipe, "c" * 62 + end, pixels) for end in "ab" for pixels in (0, 160)}
    assert len(names) == 4
    for name in names:
        assert check_model(f"{name}@999999999")


def test_fields_of_later_versions_are_ignored() -> None:
    assert ModelCard.from_json(CARD.to_json() | {"trained_on": "birds"}) == CARD


def test_a_card_without_its_length_is_refused() -> None:
    value = CARD.to_json()
    del value["dimensions"]
    with pytest.raises(KeyError):
        ModelCard.from_json(value)
