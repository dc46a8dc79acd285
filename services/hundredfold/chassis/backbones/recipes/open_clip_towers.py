"""The image half of a dual encoder of open_clip, with weights that the user brings. Nothing is downloaded."""

import contextlib
import logging
from collections.abc import Iterator, Mapping, Sequence
from functools import partial

import open_clip
from torch import Tensor

from hundredfold.chassis.backbones.recipe import Network, Recipe, in_bytes, square

_VISUAL = "visual."
_Normalisation = tuple[tuple[float, ...], tuple[float, ...]]


def recipe(name: str) -> Recipe:
    """The recipe of `open_clip:<name>` or `<name>.<tag>`; a tag of open_clip tells the normalisation.

    Names are taken in any case.

    Raises:
        RuntimeError: open_clip has none of that name, its input is no square, or its weights were trained
            with several normalisations, so that the tag must be given.
    """
    wanted, _, tag = name.lower().partition(".")
    known = {each.lower(): each for each in open_clip.list_models()}
    if wanted not in known:
        raise RuntimeError(f"open_clip has no model {name!r}; it has {', '.join(sorted(known))}")
    model = known[wanted]
    mean, deviation = _normalisation(model, tag)
    return Recipe(
        name=f"open-clip-{name.lower()}",
        input_pixels=_pixels(
            open_clip.get_model_config(model)["vision_cfg"].get("image_size", 224)
        ),
        mean=in_bytes(mean),
        deviation=in_bytes(deviation),
        build=partial(_build, model),
        source=f"open_clip {model}, the half for images",
        licence="that of the weights",
    )


def _pixels(size: int | Sequence[int]) -> int:
    sides = (size, size) if isinstance(size, int) else size
    return square((3, *sides))


def _normalisation(model: str, tag: str) -> _Normalisation:
    tags = open_clip.list_pretrained_tags_by_model(model)
    if tag and tag not in tags:
        raise RuntimeError(f"open_clip has no weights {tag!r} of {model}; it has {', '.join(tags)}")
    configs = [open_clip.get_pretrained_cfg(model, each) for each in ([tag] if tag else tags)]
    found = {(tuple(each["mean"]), tuple(each["std"])) for each in configs}
    if len(found) > 1:
        raise RuntimeError(
            f"weights of {model} differ in their normalisation: say {model}.TAG, one of {', '.join(tags)}"
        )
    return found.pop() if found else (open_clip.OPENAI_DATASET_MEAN, open_clip.OPENAI_DATASET_STD)


def _build(model: str, weights: Mapping[str, Tensor] | None) -> Network:
    with _quiet():
        network = open_clip.create_model(model, pretrained=None, pretrained_text=False)
    tower = network.visual
    if weights is not None:
        tower.load_state_dict(_of_tower(weights))
    return Network(tower.eval(), None)


def _of_tower(weights: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
    """The weights of the half for images, which a file may hold alone."""
    of_tower = {
        name.removeprefix(_VISUAL): tensor
        for name, tensor in weights.items()
        if name.startswith(_VISUAL)
    }
    return of_tower or weights


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """It warns that no pretrained weights are loaded, which is what was asked for."""
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(logging.NOTSET)
