"""Networks of torchvision, with weights that the user brings: `--weights FILE`, a state dict."""

from collections.abc import Mapping
from functools import partial

from torch import Tensor, nn
from torchvision import models

from hundredfold.chassis.backbones.recipe import Network, Recipe

_HEADS = {
    "resnet18": "fc",
    "resnet50": "fc",
    "mobilenet_v3_small": "classifier",
    "mobilenet_v3_large": "classifier",
    "efficientnet_v2_s": "classifier",
}
"""The attribute that is the classifier; what goes into it are the pooled features."""

_IMAGENET = 1000


def _build(name: str, weights: Mapping[str, Tensor] | None) -> Network:
    head = _HEADS[name]
    classes = _IMAGENET if weights is None else _classes(weights)
    network = models.get_model(name, weights=None, num_classes=classes)
    if weights is not None:
        network.load_state_dict(weights)
    network.eval()
    classifier = getattr(network, head)
    setattr(network, head, nn.Identity())
    return Network(network, classifier)


def _classes(weights: Mapping[str, Tensor]) -> int:
    """The last bias of a classifier has one number a class."""
    return len(list(weights.values())[-1])


def _recipe(name: str) -> Recipe:
    return Recipe(
        name=f"torchvision-{name.replace('_', '-')}",
        input_pixels=224,
        mean=(123.675, 116.28, 103.53),
        deviation=(58.395, 57.12, 57.375),
        build=partial(_build, name),
        source=f"torchvision {name}, weights of the user",
        licence="that of the weights",
    )


RECIPES = tuple(_recipe(name) for name in _HEADS)
