"""The numbers of fine-tuning."""

from hundredfold.training.finetune.recipe import FineTuneRecipe


def test_small_images_are_enlarged_four_times_at_most() -> None:
    recipe = FineTuneRecipe(pixels=224)
    assert [recipe.pixels_for(side) for side in (1, 32, 48, 56, 4_000)] == [32, 128, 192, 224, 224]
