"""The steps of a FindDuplicates run."""

import os
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hundredfold.chassis.errors import Conflict
from hundredfold.chassis.runs import RunContext
from hundredfold.chassis.storage.store import ArtifactStore, HashingWriter
from hundredfold.hashing.domain.grouping import group
from hundredfold.hashing.domain.groups import Groups, Similar
from hundredfold.hashing.domain.listing import GroupList
from hundredfold.hashing.domain.near import distinct, estimated_pairs, near_pairs
from hundredfold.hashing.domain.stars.table import known
from hundredfold.hashing.images import HashedImages
from hundredfold.hashing.judgements import read_judgements
from hundredfold.hashing.looks import Looks
from hundredfold.hashing.scratch import KeptPairs, named, told_when_full
from hundredfold.hashing.store import Duplicates
from hundredfold.hashing.verifying import MOST_BY_WINDOWS, MOST_VERIFIED, Verifying

MOST_PAIRS_A_VALUE = 8
"""More pairs than that are an explosion: the radius is too large for these images."""

NO_EXPLOSION = 20_000_000
"""So few pairs never are."""

_MOST_KEPT = 1 << 26
"""Pairs of values, 16 bytes each, that a run keeps for the next one; after more, that one starts anew."""

_BLOCK = 1 << 18
_PASSES = 3  # over the parts: to join, to rank, to fill


class Grouping:
    """Groups the copies of one collection.

    Args:
        store: the artifact store.
        folder: for files; what an earlier run of the same input finished there is taken over.
        context: of the run.
        pair: the pHash and dHash it has.
    """

    def __init__(
        self, store: ArtifactStore, folder: Path, context: RunContext, pair: tuple[str, str]
    ) -> None:
        self._store = store
        self._folder = folder
        self._context = context
        self._pair = pair
        self._images = HashedImages(store, context.run.collection, pair, self._tick)
        self._radius = int(context.run.parameters["radius"])
        self._read = 0

    def do(self, duplicates: Duplicates, made_of: Mapping[str, Any]) -> dict[str, Any]:
        """Group and write; returns the counts.

        Raises:
            Conflict: TOO_MANY_PAIRS; the collection has grown meanwhile.
            ResourceExhausted: SCRATCH_FULL, STORE_FULL or OUT_OF_MEMORY.
        """
        near_of = {
            "algorithm": self._pair[0],
            "radius": self._radius,
            "parts": self._images.phash_digests(),
        }
        self._context.progress(0, self._images.rows, message="reading hashes")
        with told_when_full():
            kept = KeptPairs(self._folder, named({**near_of, "least": made_of["least_detail"]}))
            if not kept.complete:
                self._join(kept, _Before(duplicates, near_of, made_of))
            groups, similar = self._group(kept, verified=bool(made_of["verified"]))
            counts = {**_counts(groups), "pairs": kept.count, "similar": len(similar.pairs)}
            facts = {**made_of, "algorithms": list(self._pair), "counts": counts, "near": near_of}
            near = _writing(kept) if kept.count <= _MOST_KEPT else None
            duplicates.write(self._context.run.run_id, groups, facts, near, similar)
            kept.remove()
        self._context.progress(self._images.rows)
        return counts

    def _join(self, kept: KeptPairs, before: "_Before") -> None:
        values, only = self._values(before)
        self._estimate(values)

        def tell(pairs: int) -> None:
            self._context.check()
            self._context.progress(
                self._done, message=f"{pairs:,} near pairs among {len(values):,} hashes"
            )

        kept.fill(
            _both(before.pairs(self._radius), near_pairs(values, self._radius, only=only)), tell
        )

    def _values(self, before: "_Before") -> tuple[NDArray[np.uint64], NDArray[np.bool_] | None]:
        """The values to join, and which of them the run before did not know; None = all."""
        values = distinct(self._images.phash_values()).values
        unchanged = before.unchanged()
        if not unchanged:
            return values, None
        others = {str(info.part) for info in self._images.parts} - unchanged
        return values, known(self._images.phash_values(others), values)

    def _estimate(self, values: NDArray[np.uint64]) -> None:
        """Refuse what would explode, unless that is asked for.

        Raises:
            Conflict: TOO_MANY_PAIRS, with a radius that would not.
        """
        most = max(MOST_PAIRS_A_VALUE * len(values), NO_EXPLOSION)
        estimate = estimated_pairs(values, self._radius)
        if estimate.pairs <= most:
            return
        smaller = next(
            radius
            for radius in reversed(range(self._radius))
            if not radius or estimated_pairs(values, radius).pairs <= most
        )
        warning = (
            f"about {estimate.pairs:,} pairs of images within {self._radius} bits "
            f"({estimate.low:,} to {estimate.high:,}): most of them will be no copies. "
            f"Take a radius of {smaller}"
        )
        self._context.progress(self._done, message=warning)
        if not self._context.run.parameters.get("despite", False):
            raise Conflict(
                f"{warning}, or ask again with `despite`",
                reason="TOO_MANY_PAIRS",
                metadata={"pairs": str(estimate.pairs), "radius": str(smaller)},
            )

    def _group(self, kept: KeptPairs, *, verified: bool) -> tuple[Groups, Similar]:
        ranked = self._images.ranked()
        judgements = read_judgements(self._store, self._context.run.collection, self._images)
        grouped = partial(
            group,
            ranked,
            kept.blocks(),
            self._radius,
            kept.spill,
            join=near_pairs,
            judgements=judgements,
            check=self._context.check,
        )
        if not verified or kept.count > MOST_VERIFIED:
            self._context.progress(self._done, message="grouping copies by their hashes alone")
            return grouped(), Similar.nothing()
        self._context.progress(self._done, message="grouping copies, comparing their pictures")
        with ThreadPoolExecutor(threads := os.cpu_count() or 1) as pool:
            looks = Looks(self._store, self._context.run.collection, pool)
            verifying = Verifying(
                looks, self._images, ranked, pool, threads=threads, check=self._context.check
            )
            few = len(ranked.hashed) <= MOST_BY_WINDOWS
            groups = grouped(
                confirm=verifying.confirm,
                further=verifying.windows() if few else (),
                unlike=verifying.unlike(),
            )
        return groups, verifying.similar(groups.representative, judgements.apart)

    @property
    def _done(self) -> int:
        return min(self._read // (_PASSES + 1), self._images.rows)

    def _tick(self, rows: int) -> None:
        self._context.check()
        self._read += rows
        self._context.progress(self._done)


class _Before:
    """The near pairs that the newest run kept, if they are of use to this one."""

    def __init__(
        self, duplicates: Duplicates, near_of: Mapping[str, Any], made_of: Mapping[str, Any]
    ) -> None:
        self._parts = near_of["parts"]
        self._known: Mapping[str, Any] = {}
        self._pairs: NDArray[np.uint64] | None = None
        newest = duplicates.latest()
        facts = duplicates.facts(newest) if newest else {}
        known_of = facts.get("near", {})
        same = known_of.get("algorithm") == near_of["algorithm"]
        same = same and facts["least_detail"] == made_of["least_detail"]
        if same and known_of["radius"] >= near_of["radius"]:
            self._pairs = duplicates.near_values(newest)
            self._known = known_of["parts"]

    def unchanged(self) -> set[str]:
        """Parts whose values were joined to one another."""
        if self._pairs is None:
            return set()
        return {part for part, digest in self._parts.items() if self._known.get(part) == digest}

    def pairs(self, radius: int) -> Iterator[NDArray[np.uint64]]:
        """Blocks of its pairs; some may be of values that are no more."""
        if not self.unchanged() or self._pairs is None:
            return
        for begin in range(0, len(self._pairs), _BLOCK):
            block = np.asarray(self._pairs[begin : begin + _BLOCK])
            yield block[np.bitwise_count(block[:, 0] ^ block[:, 1]) <= radius]


def _both(
    one: Iterator[NDArray[np.uint64]], other: Iterator[NDArray[np.uint64]]
) -> Iterator[NDArray[np.uint64]]:
    yield from one
    yield from other


def _writing(kept: KeptPairs) -> Any:
    def write(out: HashingWriter) -> None:
        header = {"descr": "<u8", "fortran_order": False, "shape": (kept.count, 2)}
        np.lib.format.write_array_header_1_0(out, header)
        for block in kept.blocks():
            out.write(block.data)

    return write


def _counts(groups: Groups) -> dict[str, int]:
    listed = GroupList(groups)
    return {
        "groups": listed.group_count,
        "copies": listed.copy_count,
        "representatives": groups.representatives,
    }
