"""The weights of a network's features as safetensors: tensors and names, nothing that could run."""

from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import nn

from hundredfold.chassis.backbones.recipe import Network, Recipe


def save_features(features: nn.Module, path: Path) -> None:
    """Write the state dict of the features."""
    state = {
        name: tensor.detach().cpu().contiguous() for name, tensor in features.state_dict().items()
    }
    save_file(state, path)


def load_features(recipe: Recipe, path: Path) -> Network:
    """The recipe's network with features that were saved; its classifier is to be made anew.

    Raises:
        RuntimeError: these are not the weights of the recipe's network.
    """
    network = recipe.build(None)
    network.features.load_state_dict(load_file(path))
    return network


def original(recipe: Recipe, weights: Path | None = None) -> Network:
    """The recipe's network with the weights that it comes with, or others.

    Args:
        recipe: of the network.
        weights: a state dict of PyTorch to take instead of the one that the recipe finds.

    Raises:
        RuntimeError: there are none, or not of this network.
    """
    if weights is None:
        if recipe.weights is None:
            raise RuntimeError(f"{recipe.name} comes without weights: give --weights FILE")
        weights = recipe.weights()
    return recipe.build(torch.load(weights, map_location="cpu", weights_only=True))
