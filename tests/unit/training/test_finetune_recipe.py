"""The numbers of fine-tuning."""

from hundredfold.training.finetune.recipe import FineTuneRecipe


def test_small_images_are_enlarged_four_times_at_most() -> None:
    recipe = FineTuneRecipe(pixels=224)
    assert [recipe.pixels_for(side) for side in (1, 32, 48, 56, 4_000)] == [32, 128, 192, 224, 224]


def test_images_and_batch_can_be_limited_to_save_memory() -> None:
    recipe = FineTuneRecipe().within(9_000, 16)
    assert (recipe.most_labelled, recipe.most_unlabelled, recipe.batch) == (6_000, 3_000, 16)
    least = FineTuneRecipe().within(0, 0)
    assert (least.most_labelled, least.most_unlabelled, least.batch) == (2, 1, 2)
    assert FineTuneRecipe().within(60_000, 64) == FineTuneRecipe()
