"""What the embedding service keeps: spaces, and which rows a run embeds first."""

import hashlib
from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray

from hundredfold.chassis.backbones.cards import ModelCard
from hundredfold.chassis.backbones.preprocessing import PREPROCESSING
from hundredfold.chassis.errors import Aborted, AlreadyExists, Conflict, NotFound
from hundredfold.chassis.storage import layout
from hundredfold.chassis.storage.manifest import Manifest
from hundredfold.chassis.storage.store import Artifact, ArtifactStore
from hundredfold.embedding.domain.agreement import Agreement
from hundredfold.embedding.domain.vectors import PartVectors


@dataclass(frozen=True)
class PartState:
    """How far a part of a space is.

    Attributes:
        rows: leading rows of the images part that are dealt with.
        failed: how many rows that were tried have no vector though their image counted as readable.
        duplicates: the FindDuplicates run whose representatives these are; "" = every image.
        vectors: how many vectors there are.
    """

    rows: int = 0
    failed: int = 0
    duplicates: str = ""
    vectors: int = 0


class Space:
    """The vectors that one backbone gives a collection; one writer at a time.

    Args:
        store: the artifact store.
        collection: whose.
        card: the backbone.
        imported: the digest of the file that the vectors are taken from; "" = the backbone makes them.

    Raises:
        AlreadyExists: there are vectors already, from elsewhere or of another dimension: those are never mixed.
        Conflict: PREPROCESSING_DIFFERS, the vectors there are of images that were resized in another way.
    """

    def __init__(
        self, store: ArtifactStore, collection: str, card: ModelCard, imported: str = ""
    ) -> None:
        self._store = store
        self._dimensions = card.dimensions
        self._folder = layout.vectors(collection, card.model)
        self._manifest = Manifest.load(store, self._folder)
        if self._manifest.entries and self._manifest.meta.get("imported", "") != imported:
            raise AlreadyExists(
                f"{collection} has other vectors in {card.model}: give these another version",
                field="space",
            )
        self._manifest.set_meta(model=card.model, dimensions=card.dimensions)
        if imported:
            self._manifest.set_meta(imported=imported)
        else:
            self._check_preprocessing()
            self._manifest.set_meta(preprocessing=PREPROCESSING)

    def __str__(self) -> str:
        return self._folder

    @property
    def precision(self) -> str:
        """In which precision the vectors were calculated; "" when none was chosen yet."""
        return str(self._manifest.meta.get("precision", ""))

    def _check_preprocessing(self) -> None:
        noted = self._manifest.meta.get("preprocessing", 1)
        if self._manifest.entries and noted != PREPROCESSING:
            raise Conflict(
                f"{self} was made with preprocessing {noted} and this service has {PREPROCESSING}: the two "
                "give different vectors and are not mixed. Remove the space to embed it anew",
                reason="PREPROCESSING_DIFFERS",
            )

    def begin(self, precision: str, measured: Agreement | None) -> None:
        """Note the precision, and how bf16 agreed with float32 if it was measured; saved with the first vectors."""
        self._manifest.set_meta(
            precision=precision, agreement=None if measured is None else asdict(measured)
        )

    def state(self, part: int) -> PartState:
        """How far a part is; all zero when it was not begun."""
        entry = self._manifest.entries.get(layout.vectors_part(part))
        return PartState(**entry.meta) if entry else PartState()

    def read(self, part: int) -> PartVectors:
        """The vectors of a part, none when there are none that are whole."""
        try:
            rows = self._manifest.read_array(self._store, layout.vectors_rows(part), deep=True)
            vectors = self._manifest.read_array(self._store, layout.vectors_part(part), deep=True)
        except (NotFound, Aborted, Conflict):
            # Not begun; or cut off between the two files and the manifest, or damaged: made anew.
            return PartVectors.empty(self._dimensions)
        return PartVectors(rows, vectors)

    def write(self, part: int, content: PartVectors, state: PartState) -> None:
        """Replace the vectors of a part."""
        name, rows_name = layout.vectors_part(part), layout.vectors_rows(part)
        vectors = self._store.write_array(f"{self._folder}/{name}", content.vectors)
        rows = self._store.write_array(f"{self._folder}/{rows_name}", content.rows)
        self._manifest.add(name, vectors, **vars(state))
        self._manifest.add(rows_name, rows)
        self._manifest.save()

    def mark(self, part: int, state: PartState) -> None:
        """Note how far a part is whose vectors stay as they are."""
        name = layout.vectors_part(part)
        entry = self._manifest.entries[name]
        self._manifest.add(name, Artifact(entry.bytes, entry.sha256), **vars(state))
        self._manifest.save()


def dimensions_of(store: ArtifactStore, collection: str, space: str) -> int | None:
    """The length of the vectors that a space has; None when there is no such space."""
    dimensions = Manifest.load(store, layout.vectors(collection, space)).meta.get("dimensions")
    return None if dimensions is None else int(dimensions)


class FirstRows:
    """Rows that a run embeds first: too many for its parameters, which name them by their digest."""

    def __init__(self, store: ArtifactStore, collection: str) -> None:
        self._store = store
        self._folder = layout.first_rows(collection)

    def put(self, rows: NDArray[np.int64]) -> str:
        """Keep rows int64 [n] for a run; their digest, "" of none. Of rows that repeat the first counts."""
        if not len(rows):
            return ""
        rows = rows[np.sort(np.unique(rows, return_index=True)[1])]
        digest = hashlib.sha256(rows.tobytes()).hexdigest()
        self._store.write_array(f"{self._folder}/{layout.first_rows_file(digest)}", rows)
        return digest

    def take(self, digest: str) -> NDArray[np.int64]:
        """The rows, and drop those of earlier runs; none when they are gone, as an equal run has ended."""
        wanted = layout.first_rows_file(digest) if digest else ""
        for name in self._store.list(self._folder):
            if name != wanted:
                self._store.delete(f"{self._folder}/{name}")
        try:
            rows = self._store.read_array(f"{self._folder}/{wanted}") if digest else ()
        except NotFound:
            rows = ()
        return np.asarray(rows, np.int64)

    def drop(self) -> None:
        """Let the rows go: the run has ended."""
        self._store.delete(self._folder)
