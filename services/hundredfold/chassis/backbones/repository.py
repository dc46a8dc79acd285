"""The backbones of a store, in Triton's layout."""

import shutil
from collections.abc import Mapping
from pathlib import Path

from hundredfold.chassis.backbones.cards import KIND, ModelCard, tuned_name
from hundredfold.chassis.backbones.triton import Serving, triton_config
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
            Conflict: ARTIFACT_DAMAGED, it is not what was published; ONLY_SERVED, an inference server has it.
        """
        if self.has(model) and not self._store.exists(f"{layout.model(model)}/{layout.MODEL_FILE}"):
            raise Conflict(
                f"{model} is served by an inference server alone: "
                "HUNDREDFOLD_EMBEDDING_BACKEND=triton runs it",
                reason="ONLY_SERVED",
                field="model",
            )
        return self._file(model, layout.MODEL_FILE)

    def weights(self, model: str) -> Path | None:
        """The weights of a backbone to go on training from; None where they were not kept.

        Raises:
            Conflict: ARTIFACT_DAMAGED, they are not what was published.
        """
        if not self._store.exists(f"{layout.model(model)}/{layout.MODEL_WEIGHTS}"):
            return None
        return self._file(model, layout.MODEL_WEIGHTS)

    def next_tuned(self, recipe: str, collection: str, pixels: int) -> str:
        """The `name@version` of what is fine-tuned next; all versions of a name share their shape."""
        name = tuned_name(recipe, collection)
        if any(self.card(model).input_pixels != pixels for model in self._versions(name)):
            name = tuned_name(recipe, collection, pixels)
        versions = [layout.name_and_version(model)[1] for model in self._versions(name)]
        return f"{name}@{max(versions, default=0) + 1}"

    def text_files(self, card: ModelCard) -> tuple[Path, Path]:
        """The ONNX file and the tokenizer of a backbone's text half, on this machine.

        Raises:
            Conflict: NO_TEXT, it has no such half; ARTIFACT_DAMAGED.
        """
        if card.text is None:
            able = ", ".join(each.model for each in self.cards() if each.text) or "none is there"
            raise Conflict(
                f"{card.model} embeds no texts; models that do: {able}",
                reason="NO_TEXT",
                field="model",
                metadata={"models": able},
            )
        graph, tokenizer = layout.MODEL_TEXT, layout.MODEL_TOKENIZER
        return self._file(card.model, graph), self._file(card.model, tokenizer)

    def publish(
        self,
        card: ModelCard,
        file: Path,
        weights: Path | None = None,
        text: tuple[Path, Path] | None = None,
    ) -> None:
        """Put a backbone into the repository; it is there once its card is, which comes last.

        A `config.pbtxt` that is there stays, since an operator may have tuned it.

        Args:
            card: what it is.
            file: the ONNX file.
            weights: the state dict of its features, as safetensors; None = nobody will train it on.
            text: the ONNX file and the tokenizer of its text half; None = it has none.

        Raises:
            Conflict: another version has another shape, which one `config.pbtxt` can't tell.
        """
        name, _ = layout.name_and_version(card.model)
        self._check_shape(name, card)
        if not self._store.exists(layout.model_config(name)):
            self._store.write_bytes(layout.model_config(name), triton_config(card).encode())
        files = {layout.MODEL_FILE: file}
        if weights is not None:
            files[layout.MODEL_WEIGHTS] = weights
        if text is not None:
            files |= {layout.MODEL_TEXT: text[0], layout.MODEL_TOKENIZER: text[1]}
        self._publish(card, files)

    def publish_served(self, card: ModelCard) -> None:
        """Put the card alone of a backbone into the repository that an inference server has elsewhere.

        Raises:
            Conflict: another version has another shape.
        """
        self._check_shape(layout.name_and_version(card.model)[0], card)
        self._publish(card, {})

    def _publish(self, card: ModelCard, files: Mapping[str, Path]) -> None:
        manifest = Manifest(self._store, layout.model(card.model))
        for name, file in files.items():
            self._add(manifest, name, file)
        manifest.save()
        self._store.write_json(_card_path(card.model), card.to_json())

    def configure(self, name: str, serving: Serving) -> None:
        """Write the `config.pbtxt` of a name anew, for other instances or another queue.

        Raises:
            NotFound: there is no backbone of that name.
        """
        versions = self._versions(layout.name_and_version(f"{name}@1")[0])
        if not versions:
            raise NotFound(f"there is no model {name}", field="model")
        config = triton_config(self.card(versions[0]), serving)
        self._store.write_bytes(layout.model_config(name), config.encode())

    def remove(self, model: str) -> None:
        """Take a version out of the repository; no error when it is not there."""
        # Without its card it is not there, whatever a kill leaves of it.
        self._store.delete(_card_path(model))
        self._store.delete(layout.model(model))
        name, _ = layout.name_and_version(model)
        folder = f"{layout.models()}/{name}"
        if not any(each.isdecimal() for each in self._store.list(folder)):
            # A server that finds a config without a version does not start.
            self._store.delete(folder)

    def _add(self, manifest: Manifest, name: str, file: Path) -> None:
        with file.open("rb") as source, self._store.writer(f"{manifest.folder}/{name}") as out:
            shutil.copyfileobj(source, out)
        manifest.add(name, out.artifact)

    def _file(self, model: str, name: str) -> Path:
        folder = layout.model(model)
        manifest = Manifest.load(self._store, folder)
        if name in manifest.entries:
            manifest.check(self._store, name, deep=True)
        return self._store.local(f"{folder}/{name}")

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
