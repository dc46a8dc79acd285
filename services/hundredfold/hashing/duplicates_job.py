"""The run behind FindDuplicates: groups copies around representatives."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hundredfold.chassis.runs import RunContext
from hundredfold.chassis.storage.store import ArtifactStore
from hundredfold.hashing.domain.hashes import LEAST_DETAIL
from hundredfold.hashing.judgements import judgements_version
from hundredfold.hashing.looks import verified_by
from hundredfold.hashing.scratch import scratch_folder
from hundredfold.hashing.store import Duplicates, hashed_pair, version

KIND = "duplicates"


class FindDuplicates:
    """The job; see `RunContext` for how it is run, and the proto for its result.

    Args:
        store: the artifact store.
        scratch: folder for files of runs at work; empty = see `scratch_folder`.
    """

    def __init__(self, store: ArtifactStore, scratch: str = "") -> None:
        self._store = store
        self._scratch = scratch_folder(scratch, store.root)

    def __call__(self, context: RunContext) -> Mapping[str, Any]:
        """Group, unless the newest groups are of the same hashes, radius and judgements.

        Raises:
            Conflict: the collection is not hashed, or has grown meanwhile; TOO_MANY_PAIRS.
            ResourceExhausted: SCRATCH_FULL, STORE_FULL or OUT_OF_MEMORY.
        """
        # What is compiled is loaded when it is needed: the service is up at once.
        from hundredfold.hashing.duplicates_run import Grouping  # noqa: PLC0415

        collection, radius = context.run.collection, int(context.run.parameters["radius"])
        duplicates = Duplicates(self._store, collection)
        pair = hashed_pair(self._store, collection)
        made_of = {
            "radius": radius,
            "least_detail": LEAST_DETAIL,
            "input": version(self._store, collection, pair),
            "judgements": judgements_version(self._store, collection),
            "verified": verified_by(self._store, collection),
        }
        newest = duplicates.latest()
        if newest and duplicates.is_of(newest, made_of):
            return {"duplicates": newest, **duplicates.facts(newest)["counts"]}
        grouping = Grouping(self._store, self._folder(collection), context, pair)
        counts = grouping.do(duplicates, made_of)
        return {"duplicates": context.run.run_id, **counts}

    def _folder(self, collection: str) -> Path:
        # Of a collection there is one run of the kind at a time, and the next one can go on from there.
        return self._scratch / KIND / collection
