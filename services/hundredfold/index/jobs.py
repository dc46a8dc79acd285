"""The runs of the index service: read a space, work on it, keep what came out.

A run that was killed begins anew; one that would make what is there already ends at once.
"""

from collections.abc import Mapping

from hundredfold.chassis.runs import JSON, Job, RunContext
from hundredfold.index.domain import clustering, device
from hundredfold.index.domain.progress import Progress
from hundredfold.index.engine import Wish
from hundredfold.index.mapping import Mapper
from hundredfold.index.reclustering import Reclustering
from hundredfold.index.spaces import Space, Spaces
from hundredfold.index.store import IndexStore

BUILD = "build-index"
CLUSTER = "cluster"
PROJECT = "project"


class Jobs:
    """What the runs do.

    Args:
        spaces: where vectors come from.
        store: where results go.
        threads: for faiss and BLAS, 0 = one a core.
        exact_below: from so many vectors on an index has inverted lists.
        memory: bytes that an index may take when a request does not say; 0 = any.
    """

    def __init__(
        self, spaces: Spaces, store: IndexStore, *, threads: int, exact_below: int, memory: int = 0
    ) -> None:
        self._spaces = spaces
        self._store = store
        self._threads = threads
        self._exact_below = exact_below
        self._memory = memory
        self._reclustering = Reclustering(store)
        self._mapper = Mapper(store.maps)

    def by_kind(self) -> Mapping[str, Job]:
        """The jobs, for `Runs`."""
        return {BUILD: self.build, CLUSTER: self.cluster, PROJECT: self.project}

    def build(self, context: RunContext) -> Mapping[str, JSON]:
        """Build the index of the space in `parameters`, unless the one there is of these vectors."""
        collection, name = context.run.collection, str(context.run.parameters["space"])
        device.limit_thread(self._threads)
        source = self._spaces.whole(collection, name, deep=True)
        context.progress(0, len(source.rows), message=_beginning(source))
        memory = int(context.run.parameters.get("memory", 0)) or self._memory
        facts = self._store.indexes.build(
            collection, name, source, Wish(self._exact_below, memory), _progress(context)
        )
        return {"vectors": len(source.rows), "kind": facts["kind"]}

    def cluster(self, context: RunContext) -> Mapping[str, JSON]:
        """Cluster the space as in `parameters`, unless the latest clusters are the same."""
        run, asked = context.run, context.run.parameters
        source = self._begin(context, "clustering")
        same, count = self._store.same_clusters(run.collection, source.version, asked)
        if not same and asked.get("only_new"):
            same, count = self._reclustering.grow(
                run.collection, run.run_id, source, asked, _progress(context)
            )
        if not same:
            count = clustering.count_for(len(source.rows), asked["clusters"])
            found = clustering.cluster(
                source.vectors,
                count,
                seed=_seed(asked),
                balanced=bool(asked.get("balanced")),
                progress=_progress(context),
            )
            self._reclustering.save(run.collection, run.run_id, found, source, asked)
        return {"clusters": same or run.run_id, "count": count, "vectors": len(source.rows)}

    def project(self, context: RunContext) -> Mapping[str, JSON]:
        """Make the map as in `parameters`, unless the latest map is that: then no vector is read."""
        run, asked = context.run, context.run.parameters
        version = self._spaces.version(run.collection, str(asked["space"]))
        same, count = self._store.maps.same(run.collection, version, asked)
        if same:
            context.progress(count, count)
            return {"map": same, "points": count}
        source = self._begin(context, "mapping")
        made = self._mapper.made(run.collection, source, asked, _seed(asked), _progress(context))
        self._store.maps.save(run.collection, run.run_id, made, source, asked)
        return {"map": run.run_id, "points": len(source.rows)}

    def _begin(self, context: RunContext, message: str) -> Space:
        device.limit_thread(self._threads)
        space = str(context.run.parameters["space"])
        source = self._spaces.read(context.run.collection, space, deep=True)
        context.progress(0, len(source.rows), message=message)
        return source


def _progress(context: RunContext) -> Progress:
    def tell(done: int, total: int) -> None:
        context.check()
        context.progress(done, total)

    return tell


def _beginning(source: Space) -> str:
    lost = ", ".join(source.damaged)
    return f"indexing without the damaged {lost}" if lost else "indexing"


def _seed(asked: Mapping[str, JSON]) -> int:
    """The seed of a request, which may be negative, as one that numpy takes."""
    return int(asked["seed"]) % 2**63
