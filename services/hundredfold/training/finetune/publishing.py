"""From a trained network to a version in the model repository."""

from pathlib import Path

import torch

from hundredfold.chassis.backbones.cards import ModelCard, Tuned
from hundredfold.chassis.backbones.graph import Graph, export
from hundredfold.chassis.backbones.recipe import Network, Recipe
from hundredfold.chassis.backbones.repository import ModelRepository
from hundredfold.chassis.backbones.weights import save_features
from hundredfold.chassis.errors import Conflict
from hundredfold.chassis.storage import layout
from hundredfold.training.finetune.model import Tunable
from hundredfold.training.finetune.task import Task

_NAME = "model.txt"


def publish(
    repository: ModelRepository,
    task: Task,
    folder: Path,
    *,
    recipe: Recipe,
    parent: ModelCard,
    model: Tunable,
    labels: int,
    seconds: float,
    pixels: int,
) -> ModelCard:
    """Export, check and publish. After a kill in the middle it makes the same version, not a second one.

    Raises:
        Conflict: EXPORT_FAILED, the ONNX file and PyTorch disagree.
    """
    name = _name(repository, recipe, task, folder, pixels)
    if repository.has(name):
        return repository.card(name)
    model = model.cpu().to(memory_format=torch.contiguous_format)
    graph = Graph(Network(model.features, model.linear), recipe).eval()
    file, weights = folder / layout.MODEL_FILE, folder / layout.MODEL_WEIGHTS
    try:
        dimensions, classes = export(graph, pixels, file)
    except RuntimeError as error:
        raise Conflict(f"nothing is published: {error}", reason="EXPORT_FAILED") from error
    save_features(model.features, weights)
    card = ModelCard(
        model=name,
        dimensions=dimensions,
        input_pixels=pixels,
        classes=classes,
        source=f"{parent.model} fine-tuned on {labels} labels of {task.collection}",
        licence=parent.licence,
        recipe=recipe.name,
        tuned=Tuned(parent.model, task.collection, task.labels_seq, labels, round(seconds, 1)),
    )
    repository.publish(card, file, weights)
    return card


def _name(
    repository: ModelRepository, recipe: Recipe, task: Task, folder: Path, pixels: int
) -> str:
    """The version to publish, kept in the folder before anything is written to the repository."""
    kept = folder / _NAME
    if not kept.exists():
        temporary = kept.with_suffix(".tmp")
        temporary.write_text(repository.next_tuned(recipe.name, task.collection, pixels), "utf-8")
        temporary.replace(kept)
    return kept.read_text("utf-8")
