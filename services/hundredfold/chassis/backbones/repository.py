"""The backbones of a store, in Triton's layout."""

import shutil
from pathlib import Path

from hundredfold.chassis.backbones.cards import KIND, ModelCard, triton_config
from hundredfold.chassis.errors import Conflict, InvalidArgument, NotFound
from hundredfold.chassis.storage import layout
from hundredfold.chassis.storage.manifest import Manifest
from hundredfold.chassis.storage.store import ArtifactStore, damaged


class ModelRepository:
    """The backbones of a store, in Triton's layout; a version never changes once it is there."""

    def __init__(self, store: ArtifactStore) -> None:
        self._store = store

    def has(self, model: str) -> bool:
        """Whether there is this `name@version`."""
        return self._store.exists(_card_path(model))

    def card(self, model: str) -> ModelCard:
        """What is known of a backbone.

        Raises:
            NotFound: there is none of that name and version.
        """
        try:
            value = self._store.read_json(_card_path(model))
        except NotFound:
            raise NotFound(f"there is no model {model}", field="model") from None
        if value.get("kind") != KIND:
            raise NotFound(f"{model} is no backbone but a {value.get('kind')}", field="model")
        return _parsed(model, value)

    def cards(self) -> list[ModelCard]:
        """All backbones, by name, newest version first."""
        found = [
            model for name in self._store.list(layout.models()) for model in self._versions(name)
        ]
        values = [(model, self._store.read_json(_card_path(model))) for model in found]
        return [_parsed(model, value) for model, value in values if value.get("kind") == KIND]

    def file(self, model: str) -> Path:
        """The ONNX file of a backbone, on this machine.

        Raises:
            NotFound: there is none of that name and version.
            Conflict: ARTIFACT_DAMAGED, it is not what was published.
        """
        folder = layout.model(model)
        manifest = Manifest.load(self._store, folder)
        if layout.MODEL_FILE in manifest.entries:
            manifest.check(self._store, layout.MODEL_FILE, deep=True)
        return self._store.local(f"{folder}/{layout.MODEL_FILE}")

    def publish(self, card: ModelCard, file: Path) -> None:
        """Put a backbone into the repository; it is there once its card is, which comes last.

        A `config.pbtxt` that is there stays, since an operator may have tuned it.

        Raises:
            Conflict: another version has another shape, which one `config.pbtxt` can't tell.
        """
        name, _ = layout.name_and_version(card.model)
        self._check_shape(name, card)
        if not self._store.exists(layout.model_config(name)):
            self._store.write_bytes(layout.model_config(name), triton_config(card).encode())
        folder = layout.model(card.model)
        with file.open("rb") as source, self._store.writer(f"{folder}/{layout.MODEL_FILE}") as out:
            shutil.copyfileobj(source, out)
        manifest = Manifest(self._store, folder)
        manifest.add(layout.MODEL_FILE, out.artifact)
        manifest.save()
        self._store.write_json(_card_path(card.model), card.to_json())

    def _versions(self, name: str) -> list[str]:
        if not _is_model(f"{name}@1"):  # something of the operator's
            return []
        numbers = [v for v in self._store.list(f"{layout.models()}/{name}") if v.isdecimal()]
        models = [f"{name}@{number}" for number in sorted(numbers, key=int, reverse=True)]
        return [model for model in models if _is_model(model) and self.has(model)]

    def _check_shape(self, name: str, card: ModelCard) -> None:
        for model in self._versions(name):
            other = self.card(model)
            if triton_config(other) != triton_config(card):
                raise Conflict(
                    f"{model} has another shape; publish {card.model} under another name"
                )


def _is_model(model: str) -> bool:
    try:
        return bool(layout.check_model(model))
    except InvalidArgument:
        return False


def _card_path(model: str) -> str:
    return f"{layout.model(model)}/{layout.MODEL_CARD}"


def _parsed(model: str, value: object) -> ModelCard:
    try:
        return ModelCard.from_json(value)  # type: ignore[arg-type]  # whatever the file holds
    except (KeyError, TypeError, ValueError) as error:
        raise damaged(_card_path(model), f"no card of a backbone: {error}") from error
