"""Search, clusters and the map."""

import itertools
import uuid
from collections.abc import Iterable, Sequence
from dataclasses import fields

import grpc
import numpy as np
from numpy.typing import NDArray

from hundredfold.api.index.v1 import index_pb2, index_pb2_grpc
from hundredfold.chassis.tensors import pack, unpack
from hundredfold.client import wire
from hundredfold.client.runs import RunsClient
from hundredfold.client.types import (
    Assignment,
    Cluster,
    Filter,
    Found,
    Index,
    Map,
    Rows,
    Run,
    Unlabelled,
)

MOST_EXAMPLES = 100_000
"""Labelled images that one call names with their classes."""

_Piece = (
    index_pb2.GetMapResponse | index_pb2.SeparateGroupsResponse | index_pb2.ShowUnlabelledResponse
)


class IndexClient:
    """The index service."""

    def __init__(self, channel: grpc.Channel) -> None:
        self._stub = index_pb2_grpc.IndexServiceStub(channel)
        self.runs = RunsClient("index", channel)

    def build(
        self, collection: str, space: str, *, memory_bytes: int = 0, request_id: str = ""
    ) -> Run:
        """Start to build the index of a space; 0 bytes of memory = as the service is configured."""
        request = index_pb2.BuildIndexRequest(
            collection=collection,
            space=space,
            memory_bytes=memory_bytes,
            request_id=request_id or str(uuid.uuid4()),
        )
        return wire.run("index", self._stub.BuildIndex(request).run)

    def index(self, collection: str, space: str) -> Index:
        """What the index of a space is; Conflict when there is none."""
        told = self._stub.GetIndex(index_pb2.GetIndexRequest(collection=collection, space=space))
        facts = {each.name: getattr(told, each.name) for each in fields(Index)}
        return Index(**{**facts, "damaged": tuple(told.damaged)})

    def search(
        self,
        collection: str,
        space: str,
        vectors: NDArray[np.float32],
        *,
        limit: int = 48,
        only: Filter | None = None,
        model: str = "",
    ) -> Found:
        """The images nearest to vectors float32 [q, d], which `model` made if that is known."""
        request = index_pb2.SearchRequest(
            collection=collection,
            space=space,
            vectors=pack(vectors),
            limit=limit,
            filter=_filter(only),
            model=model,
        )
        return _found(self._stub.Search(request, timeout=30))

    def neighbours(
        self,
        collection: str,
        space: str,
        rows: Rows,
        *,
        limit: int = 48,
        only: Filter | None = None,
    ) -> Found:
        """The images nearest to images, themselves left out."""
        request = index_pb2.NeighboursRequest(
            collection=collection,
            space=space,
            rows=pack(np.asarray(rows, np.int64)),
            limit=limit,
            filter=_filter(only),
        )
        return _found(self._stub.Neighbours(request, timeout=30))

    def near_enough(
        self,
        collection: str,
        space: str,
        rows: Rows,
        least: float,
        *,
        limit: int = 1000,
        only: Filter | None = None,
    ) -> list[Found]:
        """For each row all images of at least a cosine similarity, rows and similarities [k], nearest first."""
        request = index_pb2.SearchWithinRequest(
            collection=collection,
            space=space,
            rows=pack(np.asarray(rows, np.int64)),
            least=least,
            limit=limit,
            filter=_filter(only),
        )
        message = self._stub.SearchWithin(request, timeout=60)
        starts = unpack(message.starts, dtype=np.int64, ndim=1, field="starts")
        found = unpack(message.rows, dtype=np.int64, ndim=1, field="rows")
        near = unpack(message.similarities, dtype=np.float32, ndim=1, field="similarities")
        damaged = tuple(message.damaged)
        return [Found(found[i:j], near[i:j], damaged) for i, j in itertools.pairwise(starts)]

    def remove(self, collection: str, space: str, rows: Rows) -> int:
        """Take images out of what is found; how many are out then."""
        request = index_pb2.RemoveRowsRequest(
            collection=collection, space=space, rows=pack(np.asarray(rows, np.int64))
        )
        return self._stub.RemoveRows(request).removed

    def restore(self, collection: str, space: str, rows: Rows) -> int:
        """Put images back that were removed; how many are still out."""
        request = index_pb2.RestoreRowsRequest(
            collection=collection, space=space, rows=pack(np.asarray(rows, np.int64))
        )
        return self._stub.RestoreRows(request).removed

    def cluster(
        self,
        collection: str,
        space: str,
        *,
        clusters: int = 0,
        seed: int = 0,
        balanced: bool = False,
        only_new: bool = False,
        request_id: str = "",
    ) -> Run:
        """Start to cluster a space.

        Args:
            collection: whose images.
            space: of which backbone.
            clusters: how many; 0 = chosen from the number of vectors.
            seed: of the start.
            balanced: clusters of about the same size.
            only_new: the clusters stay; images that came since join the nearest.
            request_id: the same again returns the same run.
        """
        request = index_pb2.ClusterRequest(
            collection=collection,
            space=space,
            clusters=clusters,
            seed=seed,
            balanced=balanced,
            only_new=only_new,
            request_id=request_id or str(uuid.uuid4()),
        )
        return wire.run("index", self._stub.Cluster(request).run)

    def clusters(self, collection: str, run: str = "") -> list[Cluster]:
        """The clusters of a Cluster run, the latest when none is named, at most 10,000, by number."""
        request = index_pb2.ListClustersRequest(
            collection=collection, clusters=run, page_size=10_000
        )
        return list(map(_cluster, self._stub.ListClusters(request).clusters))

    def cluster_of(self, collection: str, run: str, number: int) -> Cluster:
        """One cluster of a Cluster run; NotFound."""
        request = index_pb2.GetClusterRequest(
            collection=collection, clusters=run, number=number, limit=1
        )
        return _cluster(self._stub.GetCluster(request).summary)

    def cluster_rows(self, collection: str, number: int, *, run: str = "", limit: int = 48) -> Rows:
        """The images of a cluster, of the latest Cluster run unless told, nearest to its centre first."""
        request = index_pb2.GetClusterRequest(
            collection=collection, clusters=run, number=number, limit=limit
        )
        answer = self._stub.GetCluster(request)
        return unpack(answer.rows, dtype=np.int64, ndim=1, field="rows")

    def assignment(self, collection: str, run: str = "") -> Assignment:
        """In which cluster each image is; of the latest Cluster run when none is named; NotFound."""
        request = index_pb2.GetAssignmentRequest(collection=collection, clusters=run)
        pieces = list(self._stub.GetAssignment(request, timeout=60))
        return Assignment(
            pieces[0].run_id,
            np.concatenate([_rows(each) for each in pieces]),
            np.concatenate(
                [unpack(each.numbers, dtype=np.int32, ndim=1, field="numbers") for each in pieces]
            ),
        )

    def split_cluster(
        self, collection: str, cluster: str, into: int = 2, *, request_id: str = ""
    ) -> str:
        """Split a cluster `run/number`; the clustering it is in from then on.

        Raises:
            Conflict: somebody has changed it since, or it is too small, too large or of one kind only.
        """
        request = index_pb2.SplitClusterRequest(
            collection=collection,
            cluster=cluster,
            into=into,
            request_id=request_id or str(uuid.uuid4()),
        )
        return self._stub.SplitCluster(request, timeout=60).run_id

    def merge_clusters(
        self, collection: str, clusters: Sequence[str], *, request_id: str = ""
    ) -> str:
        """Merge clusters `run/number` into the one with the smallest number; the clustering it is in from then on.

        Raises:
            Conflict: somebody has changed one of them since.
        """
        request = index_pb2.MergeClustersRequest(
            collection=collection, clusters=clusters, request_id=request_id or str(uuid.uuid4())
        )
        return self._stub.MergeClusters(request, timeout=60).run_id

    def separate(self, collection: str, space: str, rows_a: Rows, rows_b: Rows) -> Map:
        """All images as two groups of them lie farthest apart, the second on the right."""
        request = index_pb2.SeparateGroupsRequest(
            collection=collection,
            space=space,
            rows_a=pack(np.asarray(rows_a, np.int64)),
            rows_b=pack(np.asarray(rows_b, np.int64)),
        )
        return _map(self._stub.SeparateGroups(request, timeout=60))

    def unlabelled(
        self, collection: str, space: str, rows: Rows, class_ids: NDArray[np.int32]
    ) -> Unlabelled:
        """All images along what those that have no label differ by most, and their classes do not.

        Args:
            collection: whose images.
            space: of which backbone.
            rows: those that have a label.
            class_ids: of each; of very many labels every so manieth is an example of its class.
        """
        rows, class_ids = np.asarray(rows, np.int64), np.asarray(class_ids, np.int32)
        every = -(-len(rows) // MOST_EXAMPLES) or 1
        mask = np.zeros(int(rows.max(initial=-1)) + 1, np.uint8)
        mask[rows] = 1
        request = index_pb2.ShowUnlabelledRequest(
            collection=collection,
            space=space,
            rows=pack(rows[::every]),
            class_ids=pack(class_ids[::every]),
            labelled=pack(np.packbits(mask, bitorder="little")),
        )
        pieces = list(self._stub.ShowUnlabelled(request, timeout=60))
        return Unlabelled(_map(pieces), tuple(pieces[0].shares))

    def project(
        self,
        collection: str,
        space: str,
        *,
        seed: int = 0,
        only_new: bool = False,
        request_id: str = "",
    ) -> Run:
        """Start to make the map; with `only_new` it stays, and images that came since are placed in it."""
        request = index_pb2.ProjectRequest(
            collection=collection,
            space=space,
            seed=seed,
            only_new=only_new,
            request_id=request_id or str(uuid.uuid4()),
        )
        return wire.run("index", self._stub.Project(request).run)

    def map(self, collection: str) -> Map:
        """The latest map; NotFound."""
        return _map(self._stub.GetMap(index_pb2.GetMapRequest(collection=collection), timeout=60))


def _map(answers: Iterable[_Piece]) -> Map:
    pieces = [
        (_rows(each), unpack(each.points, dtype=np.float32, ndim=2, field="points"))
        for each in answers
    ]
    rows, points = (np.concatenate(each) for each in zip(*pieces, strict=True))
    return Map(rows, points)


def _rows(message: _Piece | index_pb2.GetAssignmentResponse) -> Rows:
    return unpack(message.rows, dtype=np.int64, ndim=1, field="rows")


def _cluster(message: index_pb2.ClusterSummary) -> Cluster:
    return Cluster(
        message.number,
        message.size,
        message.medoid,
        message.spread,
        message.density,
        message.id,
    )


def _filter(only: Filter | None) -> index_pb2.Filter | None:
    if only is None:
        return None
    message = index_pb2.Filter(
        hide_copies=only.hide_copies,
        cluster=only.cluster,
        tags=only.tags,
        source_labels=only.source_labels,
    )
    if only.rows is not None:
        message.rows.CopyFrom(pack(np.asarray(only.rows, np.int64)))
    if only.without is not None:
        message.without.CopyFrom(pack(np.asarray(only.without, np.int64)))
    if only.mask is not None:
        message.mask.CopyFrom(pack(np.packbits(only.mask, bitorder="little")))
    return message


def _found(message: index_pb2.SearchResponse | index_pb2.NeighboursResponse) -> Found:
    return Found(
        rows=unpack(message.rows, dtype=np.int64, ndim=2, field="rows"),
        similarities=unpack(message.similarities, dtype=np.float32, ndim=2, field="similarities"),
        damaged=tuple(message.damaged),
    )
