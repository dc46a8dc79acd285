"""The backbones that can be made here: those of `RECIPES`, and any network of the libraries in `LIBRARIES`.

A new one is one file beside this one and one line below.
"""

import importlib
from collections.abc import Mapping

from hundredfold.chassis.backbones.recipe import Recipe
from hundredfold.chassis.backbones.recipes import efficientnet_lite

RECIPES: Mapping[str, Recipe] = {recipe.name: recipe for recipe in efficientnet_lite.RECIPES}
"""Those that come with weights, by name."""

LIBRARIES: Mapping[str, str] = {
    "torchvision": "torchvision_classifiers",
    "timm": "timm_models",
    "open_clip": "open_clip_towers",
}
"""Libraries of networks that are built by name, and the module beside this one whose `recipe` does it."""


def of_library(library: str, name: str) -> Recipe:
    """The recipe of a network of one of `LIBRARIES`.

    Raises:
        ModuleNotFoundError: the library is not installed.
        RuntimeError: it has no such network.
    """
    recipe: Recipe = importlib.import_module(f"{__name__}.{LIBRARIES[library]}").recipe(name)
    return recipe


def find(name: str) -> Recipe | None:
    """The recipe that has this name in a card; None when there is none, or its library is not installed."""
    if name in RECIPES:
        return RECIPES[name]
    for library in LIBRARIES:
        prefix = f"{library.replace('_', '-')}-"
        if name.startswith(prefix):
            try:
                return of_library(library, name.removeprefix(prefix))
            except (ModuleNotFoundError, RuntimeError):
                return None
    return None
