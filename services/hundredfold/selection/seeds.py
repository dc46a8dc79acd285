"""The clusters that a loop begins with."""

from hundredfold.chassis.errors import Aborted, NotFound, Unavailable
from hundredfold.selection.domain import clusters as seeding
from hundredfold.selection.domain.clusters import Clusters
from hundredfold.selection.domain.rounds import Phase
from hundredfold.selection.peers import Indexer
from hundredfold.selection.place import Place
from hundredfold.selection.state import LoopState
from hundredfold.selection.store import SelectionStore

_POLL_SECONDS = 0.2


class Seeds:
    """Finds the clusters of a loop, or has them made.

    Args:
        place: of the loop.
        store: of artifacts.
        indexer: that clusters.
    """

    def __init__(self, place: Place, store: SelectionStore, indexer: Indexer) -> None:
        self._place = place
        self._store = store
        self._indexer = indexer
        self._known: Clusters | None = None

    def read(self, state: LoopState, images: int) -> Clusters:
        """The clusters of the seed, as people have edited them; waits until they are made."""
        edited = self.edited(state)
        if edited:
            state = self._place.change(state, clusters=edited)
        known = self._known
        if known is not None and known.run == state.clusters:
            return known
        try:
            if not state.clusters:
                state = self._find(state, images)
            self._known = self._store.clusters(state.collection, state.clusters)
        except NotFound as error:
            # Old clusterings are dropped by the index service.
            self._in_vain(state, clusters="")
            raise Aborted("the clusters are there no more; looking for others") from error
        return self._known

    def edited(self, state: LoopState) -> str:
        """What people have made of the clusters of a loop; empty when they are as they were."""
        return state.clusters and self._store.edited_clusters(state.collection, state.clusters)

    def _find(self, state: LoopState, images: int) -> LoopState:
        run, space, count = self._store.latest_clusters(state.collection)
        wanted = self._wanted(state, images)
        if run and space == state.space and wanted in (0, count):
            return self._place.change(state, clusters=run, clustering="")
        if not state.clustering:
            key = f"{state.attempts}-{self._store.vectors_version(state.collection, state.space)}"
            asked = self._indexer.cluster(state.collection, state.space, wanted, state.seed, key)
            state = self._place.change(state, clustering=asked, phase=Phase.PREPARING)
        return self._wait(state)

    def _wanted(self, state: LoopState, images: int) -> int:
        """How many clusters to seed with; 0 = whatever the index service takes for right."""
        expected = state.expected_classes
        if not expected:
            in_schema = self._store.schema_classes(state.collection)
            expected = in_schema if in_schema > 1 else 0
        return seeding.wanted(expected, images) if expected else 0

    def _wait(self, state: LoopState) -> LoopState:
        while True:
            try:
                run = self._indexer.runs.get(state.clustering)
            except NotFound:
                self._in_vain(state)
                raise
            if run.error:
                self._in_vain(state)
                raise Unavailable(f"clustering failed: {run.error}", metadata={"peer": "index"})
            if run.ended:
                clusters = str(run.result["clusters"])
                return self._place.change(state, clusters=clusters, clustering="")
            self._place.sleep(_POLL_SECONDS)
            self._place.check(state)

    def _in_vain(self, state: LoopState, **fields: str) -> None:
        self._place.change(state, clustering="", attempts=state.attempts + 1, **fields)
