"""The command `python -m hundredfold.embedding.export`."""

import argparse
import sys
from collections.abc import Sequence

from hundredfold.chassis.backbones.cards import DEFAULT_MODEL, ModelCard
from hundredfold.chassis.backbones.repository import ModelRepository
from hundredfold.chassis.config import from_env
from hundredfold.chassis.errors import ServiceError
from hundredfold.chassis.storage import layout
from hundredfold.chassis.storage.layout import name_and_version
from hundredfold.chassis.storage.store import ArtifactStore
from hundredfold.embedding.config import EmbeddingConfig
from hundredfold.embedding.export.spec import ONNX, TRITON, Spec

_EXTRAS = {"timm": "models", "open_clip": "models", "tokenizers": "text"}


def main(arguments: Sequence[str] | None = None) -> int:
    """Put one backbone into the model repository of a store; nothing is done if it is there."""
    try:
        options = _options(arguments)
        repository = ModelRepository(ArtifactStore(options.store))
        if options.list:
            return _list(repository)
        spec = Spec.parse(options.spec)
        model = spec.model(options.name, options.version)
        if not repository.has(model):
            add(repository, spec, model, options)
        elif spec.origin() not in repository.card(model).source:
            return _fail(f"{model} is there already, of another file: give another --version")
    except ModuleNotFoundError as error:
        extra = _EXTRAS.get(str(error.name), "export")
        return _fail(f"{error.name} is not installed: pip install 'hundredfold[{extra}]'")
    except ServiceError as error:
        return _fail(error.message)
    except (RuntimeError, OSError) as error:
        return _fail(str(error))
    sys.stdout.write(f"{_line(repository.card(model))}\n")
    sys.stdout.write(f"{model} is in {options.store}/{layout.model(model)}\n")
    return 0


def add(
    repository: ModelRepository, spec: Spec, model: str, options: argparse.Namespace
) -> ModelCard:
    """Make, check and publish what a spec names; errors as of the three ways to do it."""
    # Here, not above: each way imports what only its extra brings, and a missing one is told.
    if spec.kind == ONNX:
        from hundredfold.embedding.export.brought import bring  # noqa: PLC0415

        return bring(repository, spec, model, licence=options.licence)
    if spec.kind == TRITON:
        from hundredfold.embedding.export.served import register  # noqa: PLC0415

        return register(repository, model, options.url, licence=options.licence)
    from hundredfold.embedding.export.network import export  # noqa: PLC0415

    return export(repository, spec, model, licence=options.licence, random=options.random_weights)


def _list(repository: ModelRepository) -> int:
    for card in repository.cards():
        sys.stdout.write(f"{_line(card)}\n")
    return 0


def _line(card: ModelCard) -> str:
    texts = ", also of texts" if card.text else ""
    return f"{card.model}: {card.dimensions} dimensions{texts}; {card.source}; {card.licence}"


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m hundredfold.embedding.export",
        description="Put a model into the model repository. SPEC: the name of a recipe, or "
        "torchvision:NAME:WEIGHTS, timm:NAME:WEIGHTS, open_clip:NAME:WEIGHTS, onnx:FILE, triton:NAME@VERSION.",
    )
    config = from_env(EmbeddingConfig, "embedding")
    add_option = parser.add_argument
    add_option("spec", nargs="?", default=name_and_version(DEFAULT_MODEL)[0], metavar="SPEC")
    add_option("--store", default=config.store, help="a folder or a URI (default: %(default)s)")
    add_option("--name", default="", help="in the model repository; SPEC suggests one")
    add_option("--version", type=int, default=0, help="default: 1")
    add_option("--licence", default="", help="of the weights; kept in the card")
    add_option("--random-weights", action="store_true", help="to try a network without weights")
    add_option("--url", default=config.triton_url, help="of the Triton server, for triton:")
    add_option("--list", action="store_true", help="list the models of the store and end")
    return parser.parse_args(arguments)


def _fail(message: str) -> int:
    sys.stderr.write(f"{message}\n")
    return 1


if __name__ == "__main__":
    sys.exit(main())
