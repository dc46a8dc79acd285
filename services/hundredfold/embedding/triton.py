"""The operator's command for Triton: `python -m hundredfold.embedding.triton`.

`check NAME@VERSION` has the server load a version and compares it with the golden vectors of its model
file, before anything uses it. `configure NAME` writes the `config.pbtxt` of a name anew.
"""

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from hundredfold.chassis.backbones.repository import ModelRepository
from hundredfold.chassis.backbones.triton import Kind, Serving
from hundredfold.chassis.config import from_env
from hundredfold.chassis.errors import ServiceError
from hundredfold.chassis.storage import layout
from hundredfold.chassis.storage.store import ArtifactStore
from hundredfold.embedding.backends.onnx import OnnxBackend
from hundredfold.embedding.backends.triton import TritonBackend
from hundredfold.embedding.config import EmbeddingConfig


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what the command says and print what came of it as JSON; 1 when it failed."""
    try:
        options = _parser(from_env(EmbeddingConfig, "embedding")).parse_args(arguments)
        repository = ModelRepository(ArtifactStore(options.store))
        done = options.act(repository, options)
    except ServiceError as error:
        sys.stderr.write(f"{error.message}\n")
        return 1
    sys.stdout.write(json.dumps(done) + "\n")
    return 0


def _check(repository: ModelRepository, options: argparse.Namespace) -> Mapping[str, Any]:
    card = repository.card(layout.check_model(options.model))
    backend = TritonBackend(
        options.url, options.deadline_seconds, reference=OnnxBackend(repository)
    )
    try:
        return {"model": card.model, "cosine": round(backend.check(card), 6)}
    finally:
        backend.close()


def _configure(repository: ModelRepository, options: argparse.Namespace) -> Mapping[str, Any]:
    serving = Serving(
        kind=Kind(options.kind),
        instances=options.instances,
        delay_microseconds=options.delay_microseconds,
        queue=options.queue,
    )
    if options.preferred:
        serving = replace(serving, preferred=tuple(options.preferred))
    repository.configure(options.name, serving)
    return {"name": options.name, "config": layout.model_config(options.name)}


def _parser(config: EmbeddingConfig) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m hundredfold.embedding.triton")
    parser.add_argument("--store", default=config.store, help="root of the store")
    commands = parser.add_subparsers(required=True)
    check = commands.add_parser("check", help="load a version and compare it with its model file")
    check.add_argument("model", metavar="NAME@VERSION")
    check.add_argument("--url", default=config.triton_url, help="host and port of Triton's gRPC")
    check.add_argument("--deadline-seconds", type=float, default=config.triton_deadline_seconds)
    check.set_defaults(act=_check)
    configure = commands.add_parser("configure", help="write the config.pbtxt of a name anew")
    configure.add_argument("name")
    configure.add_argument("--kind", choices=list(Kind), default=Serving.kind)
    configure.add_argument("--instances", type=int, default=Serving.instances)
    configure.add_argument("--preferred", type=int, nargs="+", metavar="IMAGES")
    configure.add_argument("--delay-microseconds", type=int, default=Serving.delay_microseconds)
    configure.add_argument("--queue", type=int, default=Serving.queue, metavar="REQUESTS")
    configure.set_defaults(act=_configure)
    return parser


if __name__ == "__main__":
    sys.exit(main())
