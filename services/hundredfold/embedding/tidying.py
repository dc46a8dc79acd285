"""Fine-tuned spaces and backbones that nobody needs any more are removed."""

import logging

from hundredfold.chassis.backbones.cards import ModelCard
from hundredfold.chassis.backbones.repository import ModelRepository
from hundredfold.chassis.storage import layout
from hundredfold.chassis.storage.in_use import spaces_in_use
from hundredfold.chassis.storage.layout import name_and_version
from hundredfold.chassis.storage.store import ArtifactStore

KEEP_TUNED = 2
_log = logging.getLogger("hundredfold.embedding.tidying")


class Tidying:
    """Removes spaces and backbones. Used by the run that embeds, of which there is one a collection.

    Of the backbones that were fine-tuned on a collection these stay: what its loop or a head refers to
    (`spaces_in_use`), the newest `keep`, and the newest version of each name, so that no version is given
    twice. Of the others the space of that collection goes, and the backbone too unless another collection
    has a space of it. What nobody fine-tuned on this collection is never touched.

    Args:
        store: the artifact store.
        repository: of backbones.
        keep: how many of the newest stay, whether they are in use or not; at least 1 does.
    """

    def __init__(self, store: ArtifactStore, repository: ModelRepository, keep: int) -> None:
        self._store = store
        self._repository = repository
        self._keep = max(1, keep)

    def tidy(self, collection: str, besides: str = "") -> list[str]:
        """Remove what may go but one, `name@version`; returns what went."""
        tuned = [
            card
            for card in self._repository.cards()
            if card.tuned and card.tuned.collection == collection
        ]
        kept = {besides, *spaces_in_use(self._store, collection), *_newest(tuned, self._keep)}
        gone = [card.model for card in tuned if card.model not in kept]
        for model in gone:
            self._store.delete(layout.vectors(collection, model))
            if not self._has_space(model):
                self._repository.remove(model)
            _log.info("%s: %s is not needed any more and was removed", collection, model)
        return gone

    def _has_space(self, model: str) -> bool:
        """Whether any collection has vectors of a backbone."""
        names = self._store.list(layout.collections())
        return any(self._store.exists(layout.vectors(each, model)) for each in names)


def _newest(tuned: list[ModelCard], keep: int) -> set[str]:
    """The newest so many, and of each name the newest version."""
    by_age = sorted(tuned, key=_age, reverse=True)
    newest = {card.model for card in by_age[:keep]}
    versions: dict[str, int] = {}
    for card in tuned:
        name, version = name_and_version(card.model)
        versions[name] = max(version, versions.get(name, 0))
    return newest | {f"{name}@{version}" for name, version in versions.items()}


def _age(card: ModelCard) -> tuple[int, int]:
    labels_seq = card.tuned.labels_seq if card.tuned else 0
    return labels_seq, name_and_version(card.model)[1]
