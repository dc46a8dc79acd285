"""The command `python -m hundredfold.embedding.export`."""

import argparse
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from hundredfold.chassis.backbones.cards import DEFAULT_MODEL, ModelCard
from hundredfold.chassis.backbones.repository import ModelRepository
from hundredfold.chassis.config import from_env
from hundredfold.chassis.errors import ServiceError
from hundredfold.chassis.storage import layout
from hundredfold.chassis.storage.layout import name_and_version
from hundredfold.chassis.storage.store import ArtifactStore
from hundredfold.embedding.config import EmbeddingConfig

if TYPE_CHECKING:
    from hundredfold.chassis.backbones.recipe import Recipe


def main(arguments: Sequence[str] | None = None) -> int:
    """Put one backbone into the model repository of a store; nothing is done if it is there."""
    try:
        options = _options(arguments)
        model = layout.check_model(f"{options.model}@{options.version}")
        repository = ModelRepository(ArtifactStore(options.store))
        if not repository.has(model):
            export(repository, model, options.weights)
    except ModuleNotFoundError as error:
        return _fail(f"{error.name} is not installed: pip install 'hundredfold[export]'")
    except (ServiceError, RuntimeError, OSError) as error:
        return _fail(str(error))
    sys.stdout.write(f"{model} is in {options.store}/{layout.model(model)}\n")
    return 0


def export(repository: ModelRepository, model: str, weights: Path | None) -> ModelCard:
    """Build, write, check and publish a backbone.

    Args:
        repository: where it is published.
        model: `name@version`, the name of a recipe.
        weights: a state dict to take instead of the one that the recipe finds.

    Raises:
        ModuleNotFoundError: the extra `export` is not installed.
        RuntimeError: there is no such recipe, or no weights, or the file fails its check.
    """
    # Here, not above: this is where PyTorch gets imported, and where a missing extra shows.
    from hundredfold.chassis.backbones.graph import Graph, check, write_onnx  # noqa: PLC0415
    from hundredfold.chassis.backbones.weights import original, save_features  # noqa: PLC0415

    recipe = _recipe(name_and_version(model)[0])
    network = original(recipe, weights)
    graph = Graph(network, recipe).eval()
    with tempfile.TemporaryDirectory() as folder:
        file, kept = Path(folder) / layout.MODEL_FILE, Path(folder) / layout.MODEL_WEIGHTS
        write_onnx(graph, recipe.input_pixels, file)
        dimensions, classes = check(graph, recipe.input_pixels, file)
        save_features(network.features, kept)
        card = ModelCard(
            model,
            dimensions,
            recipe.input_pixels,
            classes,
            recipe.source,
            recipe.licence,
            recipe=recipe.name,
        )
        repository.publish(card, file, kept)
    return card


def _recipe(name: str) -> "Recipe":
    from hundredfold.chassis.backbones.recipes import RECIPES  # noqa: PLC0415 (imports PyTorch)

    if name not in RECIPES:
        raise RuntimeError(f"no recipe {name!r}; there are {', '.join(RECIPES)}")
    return RECIPES[name]


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    name, version = name_and_version(DEFAULT_MODEL)
    parser = argparse.ArgumentParser(prog="python -m hundredfold.embedding.export")
    store = from_env(EmbeddingConfig, "embedding").store
    parser.add_argument("--store", default=store, help="a folder or a URI (default: %(default)s)")
    parser.add_argument("--model", default=name, help="name of a recipe (default: %(default)s)")
    parser.add_argument("--version", type=int, default=version, help="default: %(default)s")
    parser.add_argument("--weights", type=Path, help="a state dict; needed where none comes along")
    return parser.parse_args(arguments)


def _fail(message: str) -> int:
    sys.stderr.write(f"{message}\n")
    return 1


if __name__ == "__main__":
    sys.exit(main())
