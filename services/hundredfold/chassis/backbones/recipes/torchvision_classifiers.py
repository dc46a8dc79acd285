"""Classifiers of torchvision, with weights that the user brings: a state dict. Nothing is downloaded."""

from collections.abc import Mapping
from functools import partial

from torch import Tensor, nn
from torchvision import models

from hundredfold.chassis.backbones.recipe import Network, Recipe, in_bytes

_HEADS = ("fc", "classifier", "heads", "head")
"""The attribute that is the classifier; what goes into it are the pooled features."""

_IMAGENET = 1000


def recipe(name: str) -> Recipe:
    """The recipe of `torchvision:<name>`, with the input that its weights were trained with.

    Args:
        name: such as `resnet50`; `-` counts as `_`.

    Raises:
        RuntimeError: torchvision has no classifier of that name.
    """
    name = name.replace("-", "_")
    known = models.list_models(module=models)
    if name not in known:
        raise RuntimeError(f"torchvision has no classifier {name!r}; it has {', '.join(known)}")
    trained_with = next(iter(models.get_model_weights(name))).transforms()
    return Recipe(
        name=f"torchvision-{name.replace('_', '-')}",
        input_pixels=trained_with.crop_size[0],
        mean=in_bytes(trained_with.mean),
        deviation=in_bytes(trained_with.std),
        build=partial(_build, name),
        source=f"torchvision {name}",
        licence="that of the weights",
    )


def _build(name: str, weights: Mapping[str, Tensor] | None) -> Network:
    classes = _IMAGENET if weights is None else _classes(weights)
    network = models.get_model(name, weights=None, num_classes=classes)
    if weights is not None:
        network.load_state_dict(weights)
    network.eval()
    head = next((each for each in _HEADS if hasattr(network, each)), None)
    if head is None:
        raise RuntimeError(f"{name} of torchvision has no layer that is known as its classifier")
    classifier = getattr(network, head)
    setattr(network, head, nn.Identity())
    return Network(network, classifier)


def _classes(weights: Mapping[str, Tensor]) -> int:
    """The last bias of a classifier has one number a class."""
    return len(list(weights.values())[-1])
