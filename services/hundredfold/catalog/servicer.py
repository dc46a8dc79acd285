"""CatalogService: translates between the messages and what the catalog does."""

import time
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import grpc
import numpy as np

from hundredfold.api.catalog.v1 import catalog_pb2, catalog_pb2_grpc
from hundredfold.api.common.v1 import tensor_pb2
from hundredfold.catalog.domain import schema as schemas
from hundredfold.catalog.domain.images import ImageRow
from hundredfold.catalog.ingest import KIND, listing_of
from hundredfold.catalog.pictures import Pictures
from hundredfold.catalog.store import CatalogStore, Collection
from hundredfold.chassis.context import caller
from hundredfold.chassis.errors import InvalidArgument
from hundredfold.chassis.paging import decode_token, encode_token, page_size
from hundredfold.chassis.requests import check_request_id
from hundredfold.chassis.runs import Runs
from hundredfold.chassis.runs_servicer import run_message
from hundredfold.chassis.server import Mount
from hundredfold.chassis.sources import Sources
from hundredfold.chassis.tensors import pack, unpack

MOST_IMAGES = 5000
MOST_THUMBNAILS = 2000
MESSAGE_BYTES = 1 << 20
MOST_SOURCE_CHARACTERS = 4096

_WANTED_STATUS = {
    catalog_pb2.IMAGE_STATUS_UNSPECIFIED: None,
    catalog_pb2.IMAGE_STATUS_OK: True,
    catalog_pb2.IMAGE_STATUS_FAILED: False,
}


class CatalogServicer(catalog_pb2_grpc.CatalogServiceServicer):
    """See catalog.proto for what each method means."""

    def __init__(self, store: CatalogStore, sources: Sources, runs: Runs) -> None:
        self._store = store
        self._sources = sources
        self._runs = runs
        self._pictures = Pictures(store, sources)

    def CreateCollection(
        self, request: catalog_pb2.CreateCollectionRequest, context: grpc.ServicerContext
    ) -> catalog_pb2.CreateCollectionResponse:
        """See catalog.proto."""
        check_request_id(request.request_id)
        made = self._store.create(request.collection, request.request_id, time.time())
        return catalog_pb2.CreateCollectionResponse(collection=_collection(made))

    def GetCollection(
        self, request: catalog_pb2.GetCollectionRequest, context: grpc.ServicerContext
    ) -> catalog_pb2.GetCollectionResponse:
        """See catalog.proto."""
        found = self._store.collection(request.collection)
        return catalog_pb2.GetCollectionResponse(collection=_collection(found))

    def ListCollections(
        self, request: catalog_pb2.ListCollectionsRequest, context: grpc.ServicerContext
    ) -> catalog_pb2.ListCollectionsResponse:
        """See catalog.proto."""
        size = page_size(request.page_size)
        (after,) = decode_token(request.page_token, str) or ("",)
        found = self._store.collections(after, size + 1)
        token = encode_token(found[size - 1].collection) if len(found) > size else ""
        return catalog_pb2.ListCollectionsResponse(
            collections=map(_collection, found[:size]), next_page_token=token
        )

    def Ingest(
        self, request: catalog_pb2.IngestRequest, context: grpc.ServicerContext
    ) -> catalog_pb2.IngestResponse:
        """See catalog.proto."""
        check_request_id(request.request_id)
        asked = _ingest_parameters(request)
        listing_of(self._sources, asked)  # raises what the caller should know at once
        self._store.create(request.collection, request.request_id, time.time(), or_get=True)
        run = self._runs.start(KIND, request.collection, asked, request_id=request.request_id)
        return catalog_pb2.IngestResponse(run=run_message(run))

    def ListImages(
        self, request: catalog_pb2.ListImagesRequest, context: grpc.ServicerContext
    ) -> catalog_pb2.ListImagesResponse:
        """See catalog.proto."""
        if request.HasField("rows"):
            rows = _rows(request.rows, MOST_IMAGES)
            images = self._store.images_at(request.collection, rows)
            return catalog_pb2.ListImagesResponse(images=map(_image, images))
        size = page_size(request.page_size, most=MOST_IMAGES)
        (begin,) = decode_token(request.page_token, int) or (0,)
        if request.status not in _WANTED_STATUS:
            raise InvalidArgument("there is no such status", field="status")
        found = self._store.images(
            request.collection, begin, size + 1, ok=_WANTED_STATUS[request.status]
        )
        token = encode_token(found[size].row) if len(found) > size else ""
        return catalog_pb2.ListImagesResponse(
            images=map(_image, found[:size]), next_page_token=token
        )

    def GetThumbnails(
        self, request: catalog_pb2.GetThumbnailsRequest, context: grpc.ServicerContext
    ) -> Iterator[catalog_pb2.GetThumbnailsResponse]:
        """See catalog.proto."""
        rows = _rows(request.rows, MOST_THUMBNAILS)
        jpegs = self._store.thumbnails(request.collection, rows)
        for batch in _batches(zip(rows, jpegs, strict=True)):
            numbers, images = zip(*batch, strict=True)
            yield catalog_pb2.GetThumbnailsResponse(
                rows=pack(np.array(numbers, np.int64)), jpegs=images
            )

    def GetImage(
        self, request: catalog_pb2.GetImageRequest, context: grpc.ServicerContext
    ) -> catalog_pb2.GetImageResponse:
        """See catalog.proto."""
        jpeg = self._pictures.jpeg(request.collection, request.row, request.max_side)
        return catalog_pb2.GetImageResponse(jpeg=jpeg)

    def GetSchema(
        self, request: catalog_pb2.GetSchemaRequest, context: grpc.ServicerContext
    ) -> catalog_pb2.GetSchemaResponse:
        """See catalog.proto."""
        return catalog_pb2.GetSchemaResponse(schema=_schema(self._store.schema(request.collection)))

    def AddClasses(
        self, request: catalog_pb2.AddClassesRequest, context: grpc.ServicerContext
    ) -> catalog_pb2.AddClassesResponse:
        """See catalog.proto."""
        call = _call(request.request_id)
        # Their ids and merges are not looked at, so that they don't tell one request from another.
        wanted = [_label_class(each, class_id=0) for each in request.classes]
        self._check_examples(request.collection, wanted)
        after = self._store.edit(
            request.collection, lambda before: schemas.add(before, call, wanted)
        )
        return catalog_pb2.AddClassesResponse(schema=_schema(after))

    def UpdateClass(
        self, request: catalog_pb2.UpdateClassRequest, context: grpc.ServicerContext
    ) -> catalog_pb2.UpdateClassResponse:
        """See catalog.proto."""
        call = _call(request.request_id)
        wanted = _label_class(request.label_class, class_id=request.label_class.class_id)
        self._check_examples(request.collection, [wanted])
        after = self._store.edit(
            request.collection, lambda before: schemas.update(before, call, wanted)
        )
        return catalog_pb2.UpdateClassResponse(schema=_schema(after))

    def MergeClasses(
        self, request: catalog_pb2.MergeClassesRequest, context: grpc.ServicerContext
    ) -> catalog_pb2.MergeClassesResponse:
        """See catalog.proto."""
        call = _call(request.request_id)
        source, into = request.from_class_id, request.into_class_id
        after = self._store.edit(
            request.collection, lambda before: schemas.merge(before, call, source, into)
        )
        return catalog_pb2.MergeClassesResponse(schema=_schema(after))

    def SetSeveral(
        self, request: catalog_pb2.SetSeveralRequest, context: grpc.ServicerContext
    ) -> catalog_pb2.SetSeveralResponse:
        """See catalog.proto."""
        call = _call(request.request_id)
        after = self._store.edit(
            request.collection,
            lambda before: schemas.set_several(before, call, several=request.several),
        )
        return catalog_pb2.SetSeveralResponse(schema=_schema(after))

    def _check_examples(self, collection: str, classes: Iterable[schemas.LabelClass]) -> None:
        rows = [row for each in classes for row in each.examples]
        if rows:
            self._store.check_rows(collection, rows)


def catalog_mount(servicer: CatalogServicer) -> Mount:
    """What to mount so that a server has a CatalogService."""
    return Mount(
        catalog_pb2.DESCRIPTOR.services_by_name["CatalogService"],
        catalog_pb2_grpc.add_CatalogServiceServicer_to_server,
        servicer,
    )


# --- requests -----------------------------------------------------------------------------------


def _call(request_id: str) -> schemas.Call:
    return schemas.Call(check_request_id(request_id), time.time(), caller().subject)


def _ingest_parameters(request: catalog_pb2.IngestRequest) -> Mapping[str, Any]:
    if request.limit < 0:
        raise InvalidArgument("limit must not be negative", field="limit")
    if not 0 < len(request.source) <= MOST_SOURCE_CHARACTERS:
        raise InvalidArgument(
            f"source needs 1 to {MOST_SOURCE_CHARACTERS} characters", field="source"
        )
    return {
        "source": request.source,
        "uri_column": request.uri_column,
        "image_column": request.image_column,
        "label_column": request.label_column,
        "tags_column": request.tags_column,
        "key_column": request.key_column,
        "limit": request.limit,
    }


def _rows(tensor: tensor_pb2.Tensor, most: int) -> list[int]:
    rows: list[int] = unpack(tensor, dtype=np.int64, ndim=1, field="rows", limit=most).tolist()
    return rows


def _label_class(message: catalog_pb2.LabelClass, *, class_id: int) -> schemas.LabelClass:
    return schemas.LabelClass(
        class_id=class_id,
        name=message.name,
        key=message.key,
        color=message.color,
        parent_id=message.parent_id,
        guideline=message.guideline,
        examples=message.examples,
    )


# --- responses ----------------------------------------------------------------------------------


def _collection(collection: Collection) -> catalog_pb2.Collection:
    return catalog_pb2.Collection(
        collection=collection.collection,
        images=collection.images,
        failed=collection.failed,
        created_at=collection.created_at,
    )


def _image(image: ImageRow) -> catalog_pb2.Image:
    return catalog_pb2.Image(
        row=image.row,
        uri=image.uri,
        key=image.key,
        sha256=(image.sha256 or b"").hex(),
        width=image.width,
        height=image.height,
        format=image.format,
        status=catalog_pb2.IMAGE_STATUS_OK if image.ok else catalog_pb2.IMAGE_STATUS_FAILED,
        error="" if image.ok else f"{image.status}: {image.error}",
        source_label=image.label or "",
        tags=image.tags,
    )


def _schema(schema: schemas.Schema) -> catalog_pb2.Schema:
    return catalog_pb2.Schema(
        version=schema.version,
        classes=map(_class_message, schema.classes),
        several=schema.several,
    )


def _class_message(label_class: schemas.LabelClass) -> catalog_pb2.LabelClass:
    return catalog_pb2.LabelClass(
        class_id=label_class.class_id,
        name=label_class.name,
        key=label_class.key,
        color=label_class.color,
        parent_id=label_class.parent_id,
        merged_into=label_class.merged_into,
        guideline=label_class.guideline,
        examples=label_class.examples,
    )


def _batches(thumbnails: Iterable[tuple[int, bytes]]) -> Iterator[list[tuple[int, bytes]]]:
    """As many as fill a message of about MESSAGE_BYTES."""
    batch: list[tuple[int, bytes]] = []
    size = 0
    for row, jpeg in thumbnails:
        batch.append((row, jpeg))
        size += len(jpeg)
        if size >= MESSAGE_BYTES:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch
