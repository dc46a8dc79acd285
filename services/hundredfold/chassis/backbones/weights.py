"""The weights of a network's features as safetensors: tensors and names, nothing that could run."""

import pickle
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

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


def original(recipe: Recipe, weights: Path | None = None, *, random: bool = False) -> Network:
    """The recipe's network with the weights that it comes with, or others.

    Args:
        recipe: of the network.
        weights: a state dict to take instead of the one that the recipe finds (`read_weights`).
        random: take random weights where there are none, as a trial of the machinery.

    Raises:
        RuntimeError: there are none, or not of this network.
    """
    if weights is None and recipe.weights is not None:
        weights = recipe.weights()
    if weights is None and not random:
        raise RuntimeError(
            f"{recipe.name} comes without weights: give a file of them, NAME:FILE, or ask for --random-weights"
        )
    return recipe.build(None if weights is None else read_weights(weights))


def read_weights(path: Path) -> dict[str, Tensor]:
    """A state dict from safetensors (`.safetensors`), or from a file of `torch.save`, of which no code is run.

    Training programs wrap it as `state_dict` or `model`, and those for several processors put `module.`
    before each name; both are taken off.

    Raises:
        RuntimeError: the file holds no state dict.
        OSError: it can't be read.
    """
    if path.suffix == ".safetensors":
        return _loaded(path)
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, EOFError, ValueError) as error:
        raise RuntimeError(f"{path.name} holds no weights, or more than that: {error}") from error
    for wrapping in ("state_dict", "model"):
        if isinstance(state, dict) and isinstance(state.get(wrapping), dict):
            state = state[wrapping]
    if not isinstance(state, dict) or not all(map(torch.is_tensor, state.values())):
        raise RuntimeError(f"{path.name} holds no state dict")
    return {str(name).removeprefix("module."): tensor for name, tensor in state.items()}


def _loaded(path: Path) -> dict[str, Tensor]:
    try:
        return load_file(path)
    except SafetensorError as error:
        raise RuntimeError(f"{path.name} holds no weights: {error}") from error
