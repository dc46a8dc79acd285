"""Any network of timm that pools its features; with weights that the user brings. Nothing is downloaded."""

from collections.abc import Mapping, Sequence
from functools import partial

import timm
from torch import Tensor

from hundredfold.chassis.backbones.recipe import Network, Recipe, in_bytes, square


def recipe(name: str) -> Recipe:
    """The recipe of `timm:<name>`, with the input that its weights were trained with.

    Raises:
        RuntimeError: timm has none of that name, or its input is no square of colours.
    """
    config = timm.get_pretrained_cfg(name)
    if config is None:
        alike = ", ".join(timm.list_models(f"*{name.split('.', maxsplit=1)[0][:12]}*")[:8])
        raise RuntimeError(f"timm has no model {name!r}" + (f"; it has {alike}" if alike else ""))
    return Recipe(
        name=f"timm-{name.lower()}",
        input_pixels=square(config.input_size),
        mean=in_bytes(config.mean),
        deviation=in_bytes(config.std),
        build=partial(_build, name),
        source=f"timm {name}",
        licence=config.license or "that of the weights",
    )


def _build(name: str, weights: Mapping[str, Tensor] | None) -> Network:
    network = timm.create_model(name, pretrained=False, num_classes=0)
    if weights is not None:
        config = timm.get_pretrained_cfg(name)
        network.load_state_dict(_without_classifier(weights, config.classifier if config else None))
    network.eval()
    return Network(network, None)


def _without_classifier(
    weights: Mapping[str, Tensor], named: str | Sequence[str] | None
) -> dict[str, Tensor]:
    """The state dict but for the last layer, whose classes are those of other images."""
    heads = (named,) if isinstance(named, str) else named or ()
    prefixes = tuple(f"{head}." for head in heads)
    return {name: tensor for name, tensor in weights.items() if not name.startswith(prefixes)}
