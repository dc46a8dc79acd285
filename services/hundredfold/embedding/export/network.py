"""From a network of a recipe or a library to a version in the model repository."""

import tempfile
from dataclasses import replace
from pathlib import Path

from hundredfold.chassis.backbones import recipes
from hundredfold.chassis.backbones.cards import ModelCard, Preprocessing
from hundredfold.chassis.backbones.graph import Graph
from hundredfold.chassis.backbones.graph import export as export_graph
from hundredfold.chassis.backbones.recipe import Recipe
from hundredfold.chassis.backbones.repository import ModelRepository
from hundredfold.chassis.backbones.weights import original, save_features
from hundredfold.chassis.storage import layout
from hundredfold.embedding.export.spec import RECIPE, Spec


def export(
    repository: ModelRepository, spec: Spec, model: str, *, licence: str = "", random: bool = False
) -> ModelCard:
    """Build, write, check and publish a network.

    Args:
        repository: where it is published.
        spec: of a recipe or of a library.
        model: `name@version` in the repository.
        licence: of the weights; "" = as the recipe says.
        random: take random weights where none are given.

    Raises:
        ModuleNotFoundError: PyTorch or the library is not installed.
        RuntimeError: there is no such network, or no weights, or the file fails its check.
    """
    recipe = _recipe(spec)
    network = original(recipe, spec.weights, random=random)
    graph = Graph(network, recipe).eval()
    with tempfile.TemporaryDirectory() as folder:
        file, kept = Path(folder) / layout.MODEL_FILE, Path(folder) / layout.MODEL_WEIGHTS
        dimensions, classes = export_graph(graph, recipe.input_pixels, file)
        save_features(network.features, kept)
        card = ModelCard(
            model=model,
            dimensions=dimensions,
            input_pixels=recipe.input_pixels,
            classes=classes,
            source=_source(recipe, spec, random=random),
            licence=licence or recipe.licence,
            recipe=recipe.name,
            preprocessing=Preprocessing(recipe.mean, recipe.deviation),
        )
        repository.publish(card, file, kept)
    return card


def _recipe(spec: Spec) -> Recipe:
    if spec.kind != RECIPE:
        return recipes.of_library(spec.kind, spec.name)
    if spec.name not in recipes.RECIPES:
        there = ", ".join([*recipes.RECIPES, *(f"{each}:NAME" for each in recipes.LIBRARIES)])
        raise RuntimeError(f"no recipe {spec.name!r}; there are {there}")
    recipe = recipes.RECIPES[spec.name]
    return replace(recipe, source=recipe.name) if spec.weights else recipe


def _source(recipe: Recipe, spec: Spec, *, random: bool) -> str:
    if spec.weights is not None:
        return f"{recipe.source}, weights {spec.origin()}"
    return f"{recipe.source}, random weights" if random and not recipe.weights else recipe.source
