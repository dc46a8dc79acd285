"""The network while it is trained: features, of which the upper pieces learn, and a linear layer on top."""

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from hundredfold.chassis.backbones import recipes
from hundredfold.chassis.backbones.cards import ModelCard
from hundredfold.chassis.backbones.recipe import Network, Recipe
from hundredfold.chassis.backbones.repository import ModelRepository
from hundredfold.chassis.backbones.weights import load_features, original
from hundredfold.chassis.errors import Conflict


def network_of(repository: ModelRepository, card: ModelCard) -> tuple[Recipe, Network]:
    """The recipe of a backbone, and its network with the weights of this version.

    Raises:
        Conflict: NO_WEIGHTS, the repository has them no more, and no package has them.
    """
    recipe = recipes.find(card.recipe)
    weights = repository.weights(card.model)
    if recipe is None or (weights is None and recipe.weights is None):
        raise Conflict(
            f"{card.model} can't be trained on: only its ONNX file was kept; publish it again",
            reason="NO_WEIGHTS",
        )
    return recipe, original(recipe) if weights is None else load_features(recipe, weights)


def pieces(module: nn.Module) -> Iterator[nn.Module]:
    """A network taken apart, input first: sequences into their members, blocks as a whole.

    Of EfficientNet-Lite these are the stem, its normalisation, each block, the last convolution and its
    normalisation. Pieces without parameters are left out.
    """
    for child in module.children():
        if isinstance(child, nn.Sequential | nn.ModuleList) or child is _inner(module):
            yield from pieces(child)
        elif any(True for _ in child.parameters()):
            yield child


def _inner(module: nn.Module) -> nn.Module | None:
    """The one child of a wrapper."""
    children = list(module.children())
    return (
        children[0] if len(children) == 1 and not list(module.parameters(recurse=False)) else None
    )


class Tunable(nn.Module):
    """A backbone with a linear layer of its own on the pooled features.

    Everything stays in evaluation mode: the statistics of batch normalisation are those of the many
    images that the backbone began with, not those of the few that have a label.

    Args:
        network: whose features are trained.
        recipe: how its input is normalised.
        classes: outputs of the linear layer.
        frozen: share of the pieces, from the input, that stay as they are.
        pixels: a side of the input.
    """

    mean: Tensor
    deviation: Tensor

    def __init__(
        self, network: Network, recipe: Recipe, classes: int, frozen: float, pixels: int
    ) -> None:
        super().__init__()
        self.features = network.features
        order = list(pieces(self.features))
        for piece in order[: round(frozen * len(order))]:
            piece.requires_grad_(False)
        self.linear = nn.Linear(_dimensions(self.features, pixels), classes)
        self.register_buffer("mean", torch.tensor(recipe.mean).view(1, 3, 1, 1))
        self.register_buffer("deviation", torch.tensor(recipe.deviation).view(1, 3, 1, 1))
        self.eval()

    def normalised(self, images: Tensor) -> Tensor:
        """uint8 [n, p, p, 3] to what the features take, float32 [n, 3, p, p]."""
        return (images.permute(0, 3, 1, 2).to(torch.float32) - self.mean) / self.deviation

    def forward(self, normalised: Tensor) -> Tensor:
        """Normalised images to logits [n, classes]."""
        logits: Tensor = self.linear(self.features(normalised))
        return logits


def _dimensions(features: nn.Module, pixels: int) -> int:
    with torch.inference_mode():
        return int(features(torch.zeros(1, 3, pixels, pixels)).shape[1])
