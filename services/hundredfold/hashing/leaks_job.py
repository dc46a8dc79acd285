"""The run behind FindLeaks: looks for copies across collections, or across the splits of one."""

from collections.abc import Mapping
from typing import Any

from hundredfold.chassis.runs import RunContext
from hundredfold.chassis.storage.store import ArtifactStore
from hundredfold.hashing.domain.hashes import LEAST_DETAIL
from hundredfold.hashing.scratch import told_when_full
from hundredfold.hashing.store import LeakStore, common_pair, version

KIND = "leaks"


class FindLeaks:
    """The job; see `RunContext` for how it is run, and the proto for its result."""

    def __init__(self, store: ArtifactStore) -> None:
        self._store = store

    def __call__(self, context: RunContext) -> Mapping[str, Any]:
        """Look for copies, unless the newest run is of the same hashes and parameters.

        Raises:
            Conflict: a collection is not hashed, has grown meanwhile, or they are hashed in other ways.
            ResourceExhausted: STORE_FULL or OUT_OF_MEMORY.
        """
        # What is compiled is loaded when it is needed: the service is up at once.
        from hundredfold.hashing.leaking import Leaking  # noqa: PLC0415

        asked = context.run.parameters
        names = [context.run.collection, *([asked["against"]] if asked["against"] else [])]
        pair = common_pair(self._store, names)
        made_of = {
            "asked": dict(asked),
            "least_detail": LEAST_DETAIL,
            "input": [version(self._store, name, pair) for name in names],
        }
        kept = LeakStore(self._store, context.run.collection)
        newest = kept.latest()
        if newest and kept.is_of(newest, made_of):
            return {"leaks": newest, **kept.facts(newest)["counted"]}
        with told_when_full():
            found = Leaking(self._store, context, names, pair).find()
        counted = {"images": len(found.rows), "sides": found.sides, "counts": found.counts}
        kept.write(context.run.run_id, found, {**made_of, "counted": counted})
        return {"leaks": context.run.run_id, **counted}
