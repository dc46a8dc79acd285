"""The backbones that can be made here. A new one is one file beside this one and one line below."""

from collections.abc import Mapping

from hundredfold.chassis.backbones.recipe import Recipe
from hundredfold.chassis.backbones.recipes import efficientnet_lite, torchvision_classifiers

RECIPES: Mapping[str, Recipe] = {
    recipe.name: recipe
    for recipe in (
        *efficientnet_lite.RECIPES,
        *torchvision_classifiers.RECIPES,
    )
}
"""By name."""
