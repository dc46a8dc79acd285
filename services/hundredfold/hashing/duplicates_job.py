"""The run behind FindDuplicates: groups copies around representatives."""

from collections.abc import Mapping
from typing import Any

from hundredfold.chassis.runs import RunContext
from hundredfold.chassis.storage.store import ArtifactStore
from hundredfold.hashing.domain.groups import Groups, group
from hundredfold.hashing.domain.hashes import LEAST_DETAIL
from hundredfold.hashing.domain.listing import GroupList
from hundredfold.hashing.store import Duplicates, hashed_pair, read_images, version

KIND = "duplicates"


class FindDuplicates:
    """The job; see `RunContext` for how it is run, and the proto for its result."""

    def __init__(self, store: ArtifactStore) -> None:
        self._store = store

    def __call__(self, context: RunContext) -> Mapping[str, Any]:
        """Group, unless the newest groups are of the same hashes and radius.

        Raises:
            Conflict: the collection is not hashed, or has grown meanwhile.
        """
        collection, radius = context.run.collection, int(context.run.parameters["radius"])
        duplicates = Duplicates(self._store, collection)
        pair = hashed_pair(self._store, collection)
        made_of = {
            "radius": radius,
            "least_detail": LEAST_DETAIL,
            "input": version(self._store, collection, pair),
        }
        newest = duplicates.latest()
        if newest and duplicates.is_of(newest, made_of):
            return {"duplicates": newest, **duplicates.facts(newest)["counts"]}
        images = read_images(self._store, collection, pair)
        context.progress(0, len(images.ok), message="grouping copies")
        groups = group(images, radius)
        context.check()
        counts = _counts(groups)
        duplicates.write(
            context.run.run_id, groups, {**made_of, "algorithms": list(pair), "counts": counts}
        )
        context.progress(len(images.ok))
        return {"duplicates": context.run.run_id, **counts}


def _counts(groups: Groups) -> dict[str, int]:
    listed = GroupList(groups)
    return {
        "groups": listed.group_count,
        "copies": listed.copy_count,
        "representatives": groups.representatives,
    }
