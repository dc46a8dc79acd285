"""Which spaces of a collection something refers to, as the services write it down."""

from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any

from hundredfold.chassis.errors import NotFound
from hundredfold.chassis.storage import layout
from hundredfold.chassis.storage.store import ArtifactStore


def spaces_in_use(store: ArtifactStore, collection: str) -> set[str]:
    """The spaces that must stay, `name@version`.

    That of its loop, the one the loop began in, those it is comparing, and those of the heads that are
    kept. Certificates name heads; what they were drawn from is kept beside them.
    """
    documents = [*_documents(store, collection)]
    named = {name for document in documents for name in _spaces(document)}
    return {name for name in named if isinstance(name, str) and name}


def _documents(store: ArtifactStore, collection: str) -> Iterator[Mapping[str, Any]]:
    """The place of the loop, and the cards of the heads."""
    folder = layout.heads(collection)
    cards = [
        f"{folder}/{name}"
        for name in store.list(folder)
        if name.endswith(".json") and f"{folder}/{name}" != layout.heads_promoted(collection)
    ]
    for path in (layout.loop(collection), *cards):
        # What is dropped meanwhile refers to nothing.
        with suppress(NotFound):
            document = store.read_json(path)
            if isinstance(document, dict):
                yield document


def _spaces(document: Mapping[str, Any]) -> Iterator[Any]:
    yield document.get("space")
    tuning = document.get("tuning") or {}
    yield from (tuning.get("before"), tuning.get("after"))
    promoted = [each for each in document.get("backbone_rounds") or () if each.get("promoted")]
    yield from (each.get("before") for each in promoted[:1])
