"""The index service on gRPC: translate, call, translate."""

from collections.abc import Iterator
from typing import Any

import grpc
import numpy as np

from hundredfold.api.index.v1 import index_pb2, index_pb2_grpc
from hundredfold.chassis.errors import InvalidArgument, NotFound
from hundredfold.chassis.newest import Newest
from hundredfold.chassis.paging import decode_token, encode_token, page_size
from hundredfold.chassis.requests import check_between
from hundredfold.chassis.runs import JSON, Run, Runs
from hundredfold.chassis.runs_servicer import run_message
from hundredfold.chassis.server import Mount
from hundredfold.chassis.tensors import pack, unpack
from hundredfold.index import jobs
from hundredfold.index.searching import Searcher
from hundredfold.index.spaces import Spaces
from hundredfold.index.store import IndexStore, StoredClusters

MOST_QUERIES = 256
MOST_FOUND = 1000
FOUND_DEFAULT = 48
MOST_CLUSTERS = 1_000_000
MOST_MEMBERS = 10_000
MAP_PIECE = 50_000
CLUSTERINGS_OPEN = 8


class IndexServicer(index_pb2_grpc.IndexServiceServicer):
    """Each method as its RPC's comment says.

    Args:
        spaces: the vectors.
        store: indexes, clusterings and maps.
        searcher: for Search and Neighbours.
        runs: does `jobs.Jobs`.
    """

    def __init__(self, spaces: Spaces, store: IndexStore, searcher: Searcher, runs: Runs) -> None:
        self._spaces = spaces
        self._store = store
        self._searcher = searcher
        self._runs = runs
        self._clusterings: Newest[StoredClusters] = Newest(CLUSTERINGS_OPEN)

    def BuildIndex(
        self, request: index_pb2.BuildIndexRequest, context: grpc.ServicerContext
    ) -> index_pb2.BuildIndexResponse:
        """Start to build the index of a space."""
        return index_pb2.BuildIndexResponse(run=run_message(self._start(jobs.BUILD, request)))

    def Search(
        self, request: index_pb2.SearchRequest, context: grpc.ServicerContext
    ) -> index_pb2.SearchResponse:
        """Find the images nearest to vectors."""
        vectors = unpack(request.vectors, dtype=np.float32, ndim=2, field="vectors")
        _check_queries(vectors, "vectors")
        rows, similarities = self._searcher.search(
            request.collection, request.space, vectors, _limit(request.limit)
        )
        return index_pb2.SearchResponse(rows=pack(rows), similarities=pack(similarities))

    def Neighbours(
        self, request: index_pb2.NeighboursRequest, context: grpc.ServicerContext
    ) -> index_pb2.NeighboursResponse:
        """Find the images nearest to images."""
        asked = unpack(request.rows, dtype=np.int64, ndim=1, field="rows")
        _check_queries(asked, "rows")
        rows, similarities = self._searcher.neighbours(
            request.collection, request.space, asked, _limit(request.limit)
        )
        return index_pb2.NeighboursResponse(rows=pack(rows), similarities=pack(similarities))

    def Cluster(
        self, request: index_pb2.ClusterRequest, context: grpc.ServicerContext
    ) -> index_pb2.ClusterResponse:
        """Start to cluster a space."""
        clusters = check_between(request.clusters, 0, MOST_CLUSTERS, "clusters")
        run = self._start(jobs.CLUSTER, request, clusters=clusters, seed=request.seed)
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
            clusters=[_summary(found, number) for number in range(first, last)],
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
            summary=_summary(found, request.number), rows=pack(rows), distances=pack(distances)
        )

    def Project(
        self, request: index_pb2.ProjectRequest, context: grpc.ServicerContext
    ) -> index_pb2.ProjectResponse:
        """Start to make the map."""
        run = self._start(jobs.PROJECT, request, seed=request.seed)
        return index_pb2.ProjectResponse(run=run_message(run))

    def GetMap(
        self, request: index_pb2.GetMapRequest, context: grpc.ServicerContext
    ) -> Iterator[index_pb2.GetMapResponse]:
        """Send the map in pieces."""
        rows, points = self._store.read_map(request.collection, request.map)
        for start in range(0, len(rows), MAP_PIECE):
            piece = slice(start, start + MAP_PIECE)
            yield index_pb2.GetMapResponse(rows=pack(rows[piece]), points=pack(points[piece]))

    def _start(self, kind: str, request: Any, **parameters: JSON) -> Run:
        self._spaces.require(request.collection, request.space)
        return self._runs.start(
            kind,
            request.collection,
            {"space": request.space, **parameters},
            request_id=request.request_id,
        )

    def _clusters(self, collection: str, run: str) -> StoredClusters:
        found = self._store.clusters_run(collection, run)
        return self._clusterings.get(
            (collection, found), "", lambda: self._store.read_clusters(collection, found)
        )


def index_mount(servicer: IndexServicer) -> Mount:
    """What to mount so that a server has an IndexService."""
    return Mount(
        index_pb2.DESCRIPTOR.services_by_name["IndexService"],
        index_pb2_grpc.add_IndexServiceServicer_to_server,
        servicer,
    )


def _check_queries(queries: np.ndarray[Any, Any], field: str) -> None:
    check_between(len(queries), 1, MOST_QUERIES, field)
    if not queries.size:
        raise InvalidArgument(f"{field} must not be empty", field=field)


def _limit(requested: int) -> int:
    return check_between(requested, 0, MOST_FOUND, "limit") or FOUND_DEFAULT


def _summary(found: StoredClusters, number: int) -> index_pb2.ClusterSummary:
    return index_pb2.ClusterSummary(
        number=number,
        size=int(found.sizes[number]),
        medoid=int(found.medoids[number]),
        spread=float(found.spreads[number]),
    )
