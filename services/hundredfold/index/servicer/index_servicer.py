"""The index service on gRPC: translate, call, translate."""

from collections.abc import Iterator
from typing import Any

import grpc
import numpy as np

from hundredfold.api.index.v1 import index_pb2, index_pb2_grpc
from hundredfold.chassis.errors import InvalidArgument, NotFound
from hundredfold.chassis.paging import decode_token, encode_token, page_size
from hundredfold.chassis.requests import check_between
from hundredfold.chassis.runs import JSON, Run, Runs
from hundredfold.chassis.runs_servicer import run_message
from hundredfold.chassis.server import Mount
from hundredfold.chassis.tensors import pack, unpack
from hundredfold.index import jobs
from hundredfold.index.editing import Editor
from hundredfold.index.searching import Searcher
from hundredfold.index.servicer.messages import (
    FOUND_DEFAULT,
    check_queries,
    found_limit,
    labelled_rows,
    least_cosine,
    most_within,
    near_what,
    picked_rows,
    pieces,
    summary,
    wanted_filter,
)
from hundredfold.index.spaces import Spaces
from hundredfold.index.store import IndexStore, StoredClusters
from hundredfold.index.views import Views

MOST_CLUSTERS = 1_000_000
MOST_MEMBERS = 10_000
MOST_REMOVED = 100_000


class IndexServicer(index_pb2_grpc.IndexServiceServicer):
    """Each method as its RPC's comment says.

    Args:
        spaces: the vectors.
        store: indexes, clusterings and maps.
        searcher: for Search and Neighbours.
        editor: for SplitCluster and MergeClusters.
        runs: does `jobs.Jobs`.
    """

    def __init__(
        self, spaces: Spaces, store: IndexStore, searcher: Searcher, editor: Editor, runs: Runs
    ) -> None:
        self._spaces = spaces
        self._store = store
        self._searcher = searcher
        self._editor = editor
        self._runs = runs
        self._views = Views(spaces)

    def BuildIndex(
        self, request: index_pb2.BuildIndexRequest, context: grpc.ServicerContext
    ) -> index_pb2.BuildIndexResponse:
        """Start to build the index of a space."""
        memory = check_between(request.memory_bytes, 0, 2**62, "memory_bytes")
        run = self._start(jobs.BUILD, request, **({"memory": memory} if memory else {}))
        return index_pb2.BuildIndexResponse(run=run_message(run))

    def Search(
        self, request: index_pb2.SearchRequest, context: grpc.ServicerContext
    ) -> index_pb2.SearchResponse:
        """Find the images nearest to vectors."""
        vectors = unpack(request.vectors, dtype=np.float32, ndim=2, field="vectors")
        check_queries(vectors, "vectors")
        found = self._searcher.search(
            request.collection,
            request.space,
            vectors,
            found_limit(request.limit),
            wanted=wanted_filter(request.filter),
            model=request.model,
        )
        return index_pb2.SearchResponse(
            rows=pack(found.rows), similarities=pack(found.cosines), damaged=found.damaged
        )

    def Neighbours(
        self, request: index_pb2.NeighboursRequest, context: grpc.ServicerContext
    ) -> index_pb2.NeighboursResponse:
        """Find the images nearest to images."""
        asked = unpack(request.rows, dtype=np.int64, ndim=1, field="rows")
        check_queries(asked, "rows")
        found = self._searcher.neighbours(
            request.collection,
            request.space,
            asked,
            found_limit(request.limit),
            wanted=wanted_filter(request.filter),
        )
        return index_pb2.NeighboursResponse(
            rows=pack(found.rows), similarities=pack(found.cosines), damaged=found.damaged
        )

    def SearchWithin(
        self, request: index_pb2.SearchWithinRequest, context: grpc.ServicerContext
    ) -> index_pb2.SearchWithinResponse:
        """Find all images that are near enough."""
        near = near_what(request)
        found = self._searcher.within(
            request.collection,
            request.space,
            near,
            least_cosine(request.least),
            most_within(request.limit, len(near)),
            wanted=wanted_filter(request.filter),
            model=request.model,
        )
        return index_pb2.SearchWithinResponse(
            starts=pack(found.starts),
            rows=pack(found.rows),
            similarities=pack(found.cosines),
            damaged=found.damaged,
        )

    def GetIndex(
        self, request: index_pb2.GetIndexRequest, context: grpc.ServicerContext
    ) -> index_pb2.GetIndexResponse:
        """Tell what the index of a space is."""
        self._spaces.require_space(request.collection, request.space)
        told = self._store.indexes.told(request.collection, request.space)
        return index_pb2.GetIndexResponse(
            kind=told.facts["kind"],
            codes=told.facts.get("codes", ""),
            factory=told.facts.get("factory", ""),
            vectors=told.facts["count"],
            dimensions=told.facts["dimensions"],
            lists=told.facts["lists"],
            probes=told.facts["probes"],
            depth=told.facts.get("depth", 0),
            recall=told.facts["recall"],
            held_out=told.facts.get("held_out", 0),
            memory_bytes=told.facts.get("memory", 0),
            file_bytes=told.bytes,
            current=told.current,
            removed=len(self._store.removed.rows(request.collection, request.space)),
            signed=told.signed,
            damaged=told.facts.get("damaged", ()),
            engine=told.engine,
        )

    def RemoveRows(
        self, request: index_pb2.RemoveRowsRequest, context: grpc.ServicerContext
    ) -> index_pb2.RemoveRowsResponse:
        """Take images out of what is found."""
        rows = self._removed(request)
        left = self._store.removed.remove(request.collection, request.space, rows)
        return index_pb2.RemoveRowsResponse(removed=left)

    def RestoreRows(
        self, request: index_pb2.RestoreRowsRequest, context: grpc.ServicerContext
    ) -> index_pb2.RestoreRowsResponse:
        """Put images back that were removed."""
        rows = self._removed(request)
        left = self._store.removed.restore(request.collection, request.space, rows)
        return index_pb2.RestoreRowsResponse(removed=left)

    def Cluster(
        self, request: index_pb2.ClusterRequest, context: grpc.ServicerContext
    ) -> index_pb2.ClusterResponse:
        """Start to cluster a space."""
        clusters = check_between(request.clusters, 0, MOST_CLUSTERS, "clusters")
        # Only what is asked: a clustering made before there were these counts as made without.
        special = {name: True for name in ("balanced", "only_new") if getattr(request, name)}
        run = self._start(jobs.CLUSTER, request, clusters=clusters, seed=request.seed, **special)
        return index_pb2.ClusterResponse(run=run_message(run))

    def ListClusters(
        self, request: index_pb2.ListClustersRequest, context: grpc.ServicerContext
    ) -> index_pb2.ListClustersResponse:
        """List the clusters of a run."""
        size = page_size(request.page_size, most=MOST_MEMBERS)
        # The token names the run, so that a list goes on in the clusters it began with.
        run, first = decode_token(request.page_token, str, int) or (request.clusters, 0)
        if first < 0 or request.clusters not in ("", run):
            raise InvalidArgument("page_token is of other clusters", field="page_token")
        found = self._clusters(request.collection, run)
        last = min(first + size, len(found.sizes))
        return index_pb2.ListClustersResponse(
            clusters=[summary(found, number) for number in range(first, last)],
            next_page_token=encode_token(found.run, last) if last < len(found.sizes) else "",
            run_id=found.run,
        )

    def GetCluster(
        self, request: index_pb2.GetClusterRequest, context: grpc.ServicerContext
    ) -> index_pb2.GetClusterResponse:
        """Read the images of a cluster."""
        if request.limit < 0:
            raise InvalidArgument("limit must not be negative", field="limit")
        found = self._clusters(request.collection, request.clusters)
        if not 0 <= request.number < len(found.sizes):
            raise NotFound(f"run {found.run} has no cluster {request.number}", field="number")
        limit = min(request.limit or FOUND_DEFAULT, MOST_MEMBERS)
        rows, distances = found.nearest(request.number, limit)
        return index_pb2.GetClusterResponse(
            summary=summary(found, request.number), rows=pack(rows), distances=pack(distances)
        )

    def GetAssignment(
        self, request: index_pb2.GetAssignmentRequest, context: grpc.ServicerContext
    ) -> Iterator[index_pb2.GetAssignmentResponse]:
        """Tell in which cluster each image is, in pieces."""
        found = self._clusters(request.collection, request.clusters)
        for piece in pieces(len(found.rows)):
            yield index_pb2.GetAssignmentResponse(
                rows=pack(found.rows[piece]),
                numbers=pack(found.assignment[piece]),
                run_id=found.run,
            )

    def SplitCluster(
        self, request: index_pb2.SplitClusterRequest, context: grpc.ServicerContext
    ) -> index_pb2.SplitClusterResponse:
        """Split a cluster."""
        run, numbers = self._editor.split(
            request.collection, request.cluster, request.into, request.request_id
        )
        found = self._clusters(request.collection, run)
        return index_pb2.SplitClusterResponse(
            run_id=run, parts=[summary(found, each) for each in numbers]
        )

    def MergeClusters(
        self, request: index_pb2.MergeClustersRequest, context: grpc.ServicerContext
    ) -> index_pb2.MergeClustersResponse:
        """Merge clusters."""
        run, (number,) = self._editor.merge(
            request.collection, request.clusters, request.request_id
        )
        found = self._clusters(request.collection, run)
        return index_pb2.MergeClustersResponse(run_id=run, merged=summary(found, number))

    def SeparateGroups(
        self, request: index_pb2.SeparateGroupsRequest, context: grpc.ServicerContext
    ) -> Iterator[index_pb2.SeparateGroupsResponse]:
        """Lay all images out so that two groups of them are far apart."""
        self._spaces.require(request.collection, request.space)
        groups = picked_rows(request.rows_a, "rows_a"), picked_rows(request.rows_b, "rows_b")
        if np.intersect1d(*groups).size:
            raise InvalidArgument("an image is in both groups", field="rows_b")
        laid = self._views.separated(request.collection, request.space, *groups)
        for piece in pieces(len(laid.rows)):
            yield index_pb2.SeparateGroupsResponse(
                rows=pack(laid.rows[piece]), points=pack(laid.points[piece]), damaged=laid.damaged
            )

    def ShowUnlabelled(
        self, request: index_pb2.ShowUnlabelledRequest, context: grpc.ServicerContext
    ) -> Iterator[index_pb2.ShowUnlabelledResponse]:
        """Lay all images out by what the labels do not tell."""
        self._spaces.require(request.collection, request.space)
        laid = self._views.unlabelled(request.collection, request.space, labelled_rows(request))
        for piece in pieces(len(laid.rows)):
            yield index_pb2.ShowUnlabelledResponse(
                rows=pack(laid.rows[piece]),
                points=pack(laid.points[piece]),
                shares=laid.shares,
                damaged=laid.damaged,
            )

    def Project(
        self, request: index_pb2.ProjectRequest, context: grpc.ServicerContext
    ) -> index_pb2.ProjectResponse:
        """Start to make the map."""
        special = {"only_new": True} if request.only_new else {}
        run = self._start(jobs.PROJECT, request, seed=request.seed, **special)
        return index_pb2.ProjectResponse(run=run_message(run))

    def GetMap(
        self, request: index_pb2.GetMapRequest, context: grpc.ServicerContext
    ) -> Iterator[index_pb2.GetMapResponse]:
        """Send the map in pieces."""
        found = self._store.maps.read(request.collection, request.map)
        for piece in pieces(len(found.rows)):
            yield index_pb2.GetMapResponse(
                rows=pack(found.rows[piece]), points=pack(found.points[piece])
            )

    def _removed(
        self, request: index_pb2.RemoveRowsRequest | index_pb2.RestoreRowsRequest
    ) -> np.ndarray[Any, Any]:
        self._spaces.require_space(request.collection, request.space)
        rows = unpack(request.rows, dtype=np.int64, ndim=1, field="rows")
        check_between(len(rows), 1, MOST_REMOVED, "rows")
        if rows.min() < 0:
            raise InvalidArgument("rows must not be negative", field="rows")
        return rows

    def _start(self, kind: str, request: Any, **parameters: JSON) -> Run:
        self._spaces.require(request.collection, request.space)
        return self._runs.start(
            kind,
            request.collection,
            {"space": request.space, **parameters},
            request_id=request.request_id,
        )

    def _clusters(self, collection: str, run: str) -> StoredClusters:
        return self._store.read_clusters(collection, self._store.clusters_run(collection, run))


def index_mount(servicer: IndexServicer) -> Mount:
    """What to mount so that a server has an IndexService."""
    return Mount(
        index_pb2.DESCRIPTOR.services_by_name["IndexService"],
        index_pb2_grpc.add_IndexServiceServicer_to_server,
        servicer,
    )
