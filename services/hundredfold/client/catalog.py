"""Collections, images, thumbnails and schemas."""

import uuid
from collections.abc import Iterable, Iterator, Sequence

import grpc
import numpy as np

from hundredfold.api.catalog.v1 import catalog_pb2, catalog_pb2_grpc
from hundredfold.chassis.tensors import pack, unpack
from hundredfold.client import wire
from hundredfold.client.runs import RunsClient
from hundredfold.client.types import Collection, Image, LabelClass, Rows, Run, Schema


class CatalogClient:
    """The catalog service."""

    def __init__(self, channel: grpc.Channel) -> None:
        self._stub = catalog_pb2_grpc.CatalogServiceStub(channel)
        self.runs = RunsClient("catalog", channel)

    def create(self, collection: str) -> Collection:
        """Make an empty collection; AlreadyExists."""
        request = catalog_pb2.CreateCollectionRequest(
            collection=collection, request_id=str(uuid.uuid4())
        )
        return wire.collection(self._stub.CreateCollection(request).collection)

    def get(self, collection: str) -> Collection:
        """Read a collection; NotFound."""
        request = catalog_pb2.GetCollectionRequest(collection=collection)
        return wire.collection(self._stub.GetCollection(request).collection)

    def collections(self) -> list[Collection]:
        """All collections by name."""
        found: list[Collection] = []
        token = ""
        while True:
            request = catalog_pb2.ListCollectionsRequest(page_size=1000, page_token=token)
            answer = self._stub.ListCollections(request)
            found += map(wire.collection, answer.collections)
            token = answer.next_page_token
            if not token:
                return found

    def ingest(
        self, collection: str, source: str, *, request_id: str = "", **columns: str | int
    ) -> Run:
        """Start to take in what is new in a source.

        Args:
            collection: made when it is not there.
            source: a folder, glob, table, tar or URI that the service may read.
            request_id: a UUID; made when empty.
            columns: `uri_column`, `image_column`, `label_column`, `tags_column`, `key_column`,
                `limit` of IngestRequest.
        """
        request = catalog_pb2.IngestRequest(
            collection=collection,
            source=source,
            request_id=request_id or str(uuid.uuid4()),
            **columns,  # type: ignore[arg-type]  # protobuf checks the names and types
        )
        return wire.run("catalog", self._stub.Ingest(request).run)

    def images(self, collection: str, *, failed_only: bool = False) -> Iterator[Image]:
        """All images by row, fetched as they are asked for."""
        status = catalog_pb2.IMAGE_STATUS_FAILED if failed_only else 0
        token = ""
        while True:
            request = catalog_pb2.ListImagesRequest(
                collection=collection,
                page_size=2000,
                page_token=token,
                status=status,  # type: ignore[arg-type]  # 0 is IMAGE_STATUS_UNSPECIFIED
            )
            answer = self._stub.ListImages(request)
            yield from map(wire.image, answer.images)
            token = answer.next_page_token
            if not token:
                return

    def images_at(self, collection: str, rows: Rows) -> list[Image]:
        """The images of some rows, in that order; at most 5000."""
        request = catalog_pb2.ListImagesRequest(collection=collection, rows=pack(rows))
        return list(map(wire.image, self._stub.ListImages(request).images))

    def thumbnails(self, collection: str, rows: Sequence[int] | Rows) -> dict[int, bytes]:
        """A JPEG for each row, at most 2000; empty bytes for a broken image."""
        request = catalog_pb2.GetThumbnailsRequest(
            collection=collection, rows=pack(np.asarray(rows, np.int64))
        )
        found: dict[int, bytes] = {}
        for answer in self._stub.GetThumbnails(request, timeout=30):
            ids = unpack(answer.rows, dtype=np.int64, ndim=1, field="rows")
            found.update(zip(ids.tolist(), answer.jpegs, strict=True))
        return found

    def image(self, collection: str, row: int, *, max_side: int = 0) -> bytes:
        """One image as JPEG, large enough to look at closely."""
        request = catalog_pb2.GetImageRequest(collection=collection, row=row, max_side=max_side)
        return self._stub.GetImage(request).jpeg

    def schema(self, collection: str) -> Schema:
        """The classes."""
        request = catalog_pb2.GetSchemaRequest(collection=collection)
        return wire.schema(self._stub.GetSchema(request).schema)

    def add_classes(self, collection: str, classes: Iterable[LabelClass | str]) -> Schema:
        """Add classes; a name that is in use is passed over."""
        wanted = [LabelClass(each) if isinstance(each, str) else each for each in classes]
        request = catalog_pb2.AddClassesRequest(
            collection=collection,
            classes=map(wire.label_class_message, wanted),
            request_id=str(uuid.uuid4()),
        )
        return wire.schema(self._stub.AddClasses(request).schema)

    def update_class(self, collection: str, label_class: LabelClass) -> Schema:
        """Rename a class or change its key, colour, parent, guideline or examples."""
        request = catalog_pb2.UpdateClassRequest(
            collection=collection,
            label_class=wire.label_class_message(label_class),
            request_id=str(uuid.uuid4()),
        )
        return wire.schema(self._stub.UpdateClass(request).schema)

    def merge_classes(self, collection: str, *, merge: int, into: int) -> Schema:
        """Merge a class into another."""
        request = catalog_pb2.MergeClassesRequest(
            collection=collection,
            from_class_id=merge,
            into_class_id=into,
            request_id=str(uuid.uuid4()),
        )
        return wire.schema(self._stub.MergeClasses(request).schema)

    def set_several(self, collection: str, several: bool = True) -> Schema:
        """Say whether an image may be of several classes; Conflict once the schema has a class."""
        request = catalog_pb2.SetSeveralRequest(
            collection=collection, several=several, request_id=str(uuid.uuid4())
        )
        return wire.schema(self._stub.SetSeveral(request).schema)
