"""What is known of the images of a collection that has the two hashes of a pair, read part by part."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hundredfold.chassis.errors import Conflict
from hundredfold.chassis.storage import layout
from hundredfold.chassis.storage.collections import PartInfo, parts, read_images_part
from hundredfold.chassis.storage.store import ArtifactStore
from hundredfold.hashing.domain.arrays import Hashes, Indices
from hundredfold.hashing.domain.hashes import tells
from hundredfold.hashing.domain.lookup import LookUpIndex
from hundredfold.hashing.domain.ranking import Ranked, Ranking, quality
from hundredfold.hashing.store import HashFolder

_NO_DIGEST = bytes(32)


@dataclass(frozen=True)
class HashedPart:
    """The hashes of a part.

    Attributes:
        begin: its first row.
        phash: uint64 [n].
        dhash: uint64 [n].
        hashed: bool [n], whether there are hashes that tell the image from others; never where an image
            is not ok.
    """

    begin: int
    phash: Hashes
    dhash: Hashes
    hashed: NDArray[np.bool_]


class HashedImages:
    """The images of a collection.

    Args:
        store: the artifact store.
        collection: its name; it has the hashes of the pair.
        pair: pHash and dHash.
        tick: called with the rows of each part that was read; may raise.

    Each method raises Conflict: ARTIFACT_DAMAGED, or NOT_HASHED when the collection has grown meanwhile.
    """

    def __init__(
        self,
        store: ArtifactStore,
        collection: str,
        pair: tuple[str, str],
        tick: Callable[[int], None] = lambda _: None,
    ) -> None:
        self._store = store
        self._collection = collection
        self._folders = [HashFolder(store, collection, algorithm) for algorithm in pair]
        self._tick = tick
        self.parts = parts(store, collection)
        self.rows = sum(info.rows for info in self.parts)

    def hashes(self, info: PartInfo) -> HashedPart:
        """The hashes of a part."""
        phash, dhash = (folder.read(info.part) for folder in self._folders)
        if not len(phash.hashes) == len(dhash.hashes) == info.rows:
            raise Conflict(
                f"collection {self._collection} has grown meanwhile", reason="NOT_HASHED"
            )
        hashed = tells(dhash.hashes)  # no hash is 0, which tells nothing
        hashed[phash.failed] = hashed[dhash.failed] = False
        return HashedPart(info.part * layout.PART_ROWS, phash.hashes, dhash.hashes, hashed)

    def phash_digests(self) -> dict[str, str]:
        """By part the begin of the sha256 of its file of pHashes."""
        return {str(info.part): self._folders[0].sha256(info.part)[:16] for info in self.parts}

    def phash_values(self, some: Collection[str] | None = None) -> Hashes:
        """The pHash of each image that has one, of all parts or some: uint64 [h]."""
        values = np.empty(self.rows, np.uint64)
        n = 0
        for info in self.parts:
            if some is None or str(info.part) in some:
                part = self.hashes(info)
                found = part.phash[part.hashed]
                values[n : n + len(found)] = found
                n += len(found)
            self._tick(info.rows)
        return values[:n]

    def ranked(self) -> Ranked:
        """All that are ok, the best first."""
        ranking = Ranking(self.rows)
        failed = 0
        for info in self.parts:
            ok, good = self._quality(info)
            hashed = self.hashes(info).hashed
            failed += self._folders[0].failed(info.part)
            ranking.see(info.part * layout.PART_ROWS, good, ok, hashed)
            self._tick(info.rows)
        ranking.rank()
        for info in self.parts:
            part = self.hashes(info)
            ranking.fill(part.begin, part.phash, part.dhash)
            self._tick(info.rows)
        digest = self.digests(ranking.bare)
        # Equal bytes have equal hashes, so that only one that could not be hashed has hashed twins.
        twins, words = self.of_bytes(digest) if failed else self.of_bytes(digest[:0])
        return ranking.ranked(digest, twins, words)

    def digests(self, rows: NDArray[Any]) -> Hashes:
        """The sha256 of some rows, in any order: uint64 [n, 4]."""
        found = np.zeros((len(rows), 4), np.uint64)
        part_of = rows // layout.PART_ROWS
        for part in np.unique(part_of).tolist():
            here = np.flatnonzero(part_of == part)
            found[here] = self._digests(part)[rows[here] - part * layout.PART_ROWS]
        return found

    def of_bytes(self, digests: Hashes) -> tuple[Indices, Hashes]:
        """Rows that have one of some digests, ascending, and theirs; zeros are no digest."""
        wanted = np.unique(digests[:, 0]) if len(digests) else digests.reshape(-1)
        rows, found = [np.empty(0, np.int64)], [np.empty((0, 4), np.uint64)]
        for info in self.parts if len(wanted) else []:
            words = self._digests(info.part)
            here = np.flatnonzero(np.isin(words[:, 0], wanted) & words.any(axis=1))
            rows.append(here + info.part * layout.PART_ROWS)
            found.append(words[here])
        return np.concatenate(rows), np.concatenate(found)

    def lookup_index(self) -> LookUpIndex:
        """All that are ok, to be looked up."""
        phash, dhash = np.empty(self.rows, np.uint64), np.empty(self.rows, np.uint64)
        rows, n = np.empty(self.rows, np.uint32), 0
        bare = [np.empty(0, np.int64)]
        for info in self.parts:
            part = self.hashes(info)
            here = np.flatnonzero(part.hashed)
            some = slice(n, n + len(here))
            phash[some], dhash[some] = part.phash[here], part.dhash[here]
            rows[some] = here + part.begin
            n += len(here)
            if len(here) < info.ok:
                bare.append(np.flatnonzero(self.ok(info) & ~part.hashed) + part.begin)
        others = np.concatenate(bare)
        return LookUpIndex(phash[:n], dhash[:n], rows[:n], others, self.digests(others))

    def ok(self, info: PartInfo) -> NDArray[np.bool_]:
        """Which images of a part could be decoded: bool [n]."""
        status = self._table(info.part, ["status"])["status"].to_numpy()
        return np.asarray(status == "ok", np.bool_)

    def side(self, info: PartInfo, tags: Sequence[str]) -> NDArray[np.int64]:
        """The first of some tags that each image of a part has, by its place; 255 = none: int64 [n]."""
        import pyarrow as pa  # noqa: PLC0415 - slow to load
        import pyarrow.compute as pc  # noqa: PLC0415

        column = self._table(info.part, ["tags"])["tags"].combine_chunks()
        places = pc.index_in(column.flatten(), value_set=pa.array(tags, pa.string()))
        lengths = pc.fill_null(pc.list_value_length(column), 0).to_numpy()
        side = np.full(info.rows, 255)
        row = np.repeat(np.arange(info.rows), lengths)
        np.minimum.at(side, row, pc.fill_null(places, 255).to_numpy())
        return side

    def _quality(self, info: PartInfo) -> tuple[NDArray[np.bool_], NDArray[np.uint64]]:
        table = self._table(info.part, ["width", "height", "status"])
        pixels = _integers(table, "width") * _integers(table, "height")
        return table["status"].to_numpy() == "ok", quality(pixels, np.zeros_like(pixels))

    def _digests(self, part: int) -> Hashes:
        digests = self._table(part, ["sha256"])["sha256"].to_pylist()
        joined = b"".join(digest or _NO_DIGEST for digest in digests)
        return np.frombuffer(joined, np.uint64).reshape(-1, 4)

    def _table(self, part: int, columns: list[str]) -> Any:
        return read_images_part(self._store, self._collection, part, columns)


def _integers(table: Any, column: str) -> NDArray[np.int64]:
    return np.asarray(table[column].fill_null(0).to_numpy(), np.int64)
