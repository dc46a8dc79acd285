"""CatalogService through a real server: every RPC, and every error its comment names."""

import io
import json
import random
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hundredfold.api.catalog.v1 import catalog_pb2 as pb
from hundredfold.api.catalog.v1 import catalog_pb2_grpc
from hundredfold.api.common.v1 import tensor_pb2
from hundredfold.api.runs.v1 import runs_pb2, runs_pb2_grpc
from hundredfold.catalog.ingest import Ingest
from hundredfold.catalog.servicer import CatalogServicer, catalog_mount
from hundredfold.catalog.store import CatalogStore
from hundredfold.chassis.errors import (
    Aborted,
    AlreadyExists,
    Conflict,
    InvalidArgument,
    NotFound,
    PermissionDenied,
)
from hundredfold.chassis.runs import Runs
from hundredfold.chassis.runs_servicer import runs_mount
from hundredfold.chassis.sources import Sources
from hundredfold.chassis.storage.store import ArtifactStore
from hundredfold.chassis.tensors import pack, unpack
from hundredfold.chassis.testing import serving
from tests.contract.documented import result_keys

IMAGES = 9
BROKEN = 3


@dataclass
class Service:
    catalog: catalog_pb2_grpc.CatalogServiceStub
    runs: runs_pb2_grpc.RunsServiceStub
    folder: Path

    def ended(self, run: runs_pb2.Run) -> runs_pb2.Run:
        request = runs_pb2.WatchRunRequest(run_id=run.run_id)
        *_, last = self.runs.WatchRun(request, timeout=60)
        return last.run

    def ingest(self, collection: str, source: Path | None = None) -> runs_pb2.Run:
        request = pb.IngestRequest(
            collection=collection, source=str(source or self.folder), request_id=new_id()
        )
        return self.ended(self.catalog.Ingest(request).run)


def new_id() -> str:
    return str(uuid.uuid4())


def rows_of(*rows: int) -> tensor_pb2.Tensor:
    return pack(np.array(rows, np.int64))


def write_image(path: Path, seed: int, size: tuple[int, int] = (320, 200)) -> None:
    noise = random.Random(seed).randbytes(16 * 16 * 3)  # noqa: S311 - only pixels
    Image.frombytes("RGB", (16, 16), noise).resize(size).save(path)


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    folder = tmp_path_factory.mktemp("images")
    for number in range(IMAGES):
        write_image(folder / f"{number}.png", number)
    (folder / f"{BROKEN}.png").write_text("no image")
    store = ArtifactStore(str(tmp_path_factory.mktemp("store")))
    sources = Sources((str(folder),))
    runs = Runs(store, "catalog", {"ingest": Ingest(store, sources, 1, 20_000)})
    servicer = CatalogServicer(CatalogStore(store), sources, runs)
    with serving(catalog_mount(servicer), runs_mount(runs)) as channel:
        made = Service(
            catalog_pb2_grpc.CatalogServiceStub(channel),
            runs_pb2_grpc.RunsServiceStub(channel),
            folder,
        )
        assert made.ingest("filled").state == runs_pb2.STATE_SUCCEEDED
        yield made
    runs.close()


@pytest.fixture
def catalog(service: Service) -> catalog_pb2_grpc.CatalogServiceStub:
    return service.catalog


@pytest.fixture
def collection(catalog: catalog_pb2_grpc.CatalogServiceStub) -> str:
    """A new, empty one."""
    name = f"test-{uuid.uuid4().hex}"
    catalog.CreateCollection(pb.CreateCollectionRequest(collection=name, request_id=new_id()))
    return name


Stub = catalog_pb2_grpc.CatalogServiceStub

# --- collections --------------------------------------------------------------------------------


def test_a_collection_is_made_once(catalog: Stub) -> None:
    request = pb.CreateCollectionRequest(collection="birds", request_id=new_id())
    made = catalog.CreateCollection(request).collection
    assert (made.collection, made.images, made.failed) == ("birds", 0, 0)
    assert made.created_at > 0
    assert catalog.CreateCollection(request).collection == made
    with pytest.raises(AlreadyExists):
        catalog.CreateCollection(
            pb.CreateCollectionRequest(collection="birds", request_id=new_id())
        )


@pytest.mark.parametrize("name", ["", "Birds", "a/b", "..", "-a", "x" * 64, "a\n"])
def test_a_wrong_name_is_refused(catalog: Stub, name: str) -> None:
    with pytest.raises(InvalidArgument) as refused:
        catalog.CreateCollection(pb.CreateCollectionRequest(collection=name, request_id="r"))
    assert refused.value.field == "collection"


@pytest.mark.parametrize("request_id", ["", "x" * 201])
def test_a_write_needs_a_request_id(catalog: Stub, request_id: str) -> None:
    for call in (
        lambda: catalog.CreateCollection(
            pb.CreateCollectionRequest(collection="a", request_id=request_id)
        ),
        lambda: catalog.Ingest(
            pb.IngestRequest(collection="a", source="/x", request_id=request_id)
        ),
        lambda: catalog.AddClasses(
            pb.AddClassesRequest(collection="filled", request_id=request_id)
        ),
    ):
        with pytest.raises(InvalidArgument) as refused:
            call()
        assert refused.value.field == "request_id"


def test_a_collection_tells_its_size(catalog: Stub) -> None:
    found = catalog.GetCollection(pb.GetCollectionRequest(collection="filled")).collection
    assert (found.images, found.failed) == (IMAGES, 1)


def test_collections_are_listed_by_name_in_pages(catalog: Stub, collection: str) -> None:
    names: list[str] = []
    token = ""
    while True:
        page = catalog.ListCollections(pb.ListCollectionsRequest(page_size=1, page_token=token))
        names += [each.collection for each in page.collections]
        if not (token := page.next_page_token):
            break
    everything = catalog.ListCollections(pb.ListCollectionsRequest())
    assert names == sorted(names) == [each.collection for each in everything.collections]
    assert {"filled", collection} <= set(names)


def test_wrong_pages_are_refused(catalog: Stub) -> None:
    for wrong in ({"page_size": -1}, {"page_token": "nonsense"}):
        with pytest.raises(InvalidArgument) as refused:
            catalog.ListCollections(pb.ListCollectionsRequest(**wrong))
        assert [refused.value.field] == list(wrong)


def test_every_call_on_a_collection_that_is_not_there_says_so(catalog: Stub) -> None:
    there = {"collection": "nowhere"}
    write = there | {"request_id": new_id()}
    calls = [
        lambda: catalog.GetCollection(pb.GetCollectionRequest(**there)),
        lambda: catalog.ListImages(pb.ListImagesRequest(**there)),
        lambda: list(catalog.GetThumbnails(pb.GetThumbnailsRequest(**there, rows=rows_of(0)))),
        lambda: catalog.GetImage(pb.GetImageRequest(**there)),
        lambda: catalog.GetSchema(pb.GetSchemaRequest(**there)),
        lambda: catalog.AddClasses(pb.AddClassesRequest(**write)),
        lambda: catalog.UpdateClass(pb.UpdateClassRequest(**write)),
        lambda: catalog.MergeClasses(pb.MergeClassesRequest(**write)),
    ]
    for call in calls:
        with pytest.raises(NotFound):
            call()


# --- ingest -------------------------------------------------------------------------------------


def test_ingest_makes_the_collection_and_tells_what_it_did(service: Service) -> None:
    run = service.ingest("made-by-ingest")
    assert (run.kind, run.unit, run.done, run.total) == ("ingest", "images", IMAGES, IMAGES)
    result = json.loads(run.result_json)
    assert set(result) == result_keys("Ingest")
    assert (result["images"], result["new"], result["failed"]) == (IMAGES, IMAGES, 1)
    assert json.loads(service.ingest("made-by-ingest").result_json)["new"] == 0


def test_the_same_ingest_request_is_the_same_run(service: Service) -> None:
    request = pb.IngestRequest(collection="twice", source=str(service.folder), request_id=new_id())
    first = service.ended(service.catalog.Ingest(request).run)
    assert service.catalog.Ingest(request).run == first
    request.limit = 3
    with pytest.raises(AlreadyExists):
        service.catalog.Ingest(request)


def test_one_ingest_of_a_collection_at_a_time(service: Service, collection: str) -> None:
    fifty = service.folder / "fifty.csv"
    fifty.write_text("path\n" + "".join(f"0.png?{number}\n" for number in range(5000)))
    first = pb.IngestRequest(collection=collection, source=str(fifty), request_id=new_id())
    run = service.catalog.Ingest(first).run
    with pytest.raises(Aborted):
        service.catalog.Ingest(
            pb.IngestRequest(collection=collection, source=str(service.folder), request_id=new_id())
        )
    service.runs.CancelRun(runs_pb2.CancelRunRequest(run_id=run.run_id))
    assert service.ended(run).state in (runs_pb2.STATE_CANCELLED, runs_pb2.STATE_SUCCEEDED)


@pytest.mark.parametrize(
    ("source", "error"),
    [("/etc", PermissionDenied), ("{}/nothing", NotFound), ("", InvalidArgument)],
)
def test_a_wrong_source_is_refused_and_makes_no_collection(
    service: Service, source: str, error: type[Exception]
) -> None:
    request = pb.IngestRequest(
        collection="never", source=source.format(service.folder), request_id=new_id()
    )
    with pytest.raises(error) as refused:
        service.catalog.Ingest(request)
    assert getattr(refused.value, "field", "") == "source"
    with pytest.raises(NotFound):
        service.catalog.GetCollection(pb.GetCollectionRequest(collection="never"))


def test_a_negative_limit_is_refused(service: Service) -> None:
    request = pb.IngestRequest(
        collection="never", source=str(service.folder), request_id=new_id(), limit=-1
    )
    with pytest.raises(InvalidArgument, match="limit"):
        service.catalog.Ingest(request)


# --- images -------------------------------------------------------------------------------------


def test_images_are_listed_by_row_in_pages(catalog: Stub) -> None:
    rows: list[int] = []
    token = ""
    while True:
        page = catalog.ListImages(
            pb.ListImagesRequest(collection="filled", page_size=4, page_token=token)
        )
        rows += [image.row for image in page.images]
        if not (token := page.next_page_token):
            break
    assert rows == list(range(IMAGES))


def test_an_image_says_what_it_is_or_why_it_is_none(catalog: Stub, service: Service) -> None:
    images = catalog.ListImages(pb.ListImagesRequest(collection="filled")).images
    assert images[0].uri == str(service.folder / "0.png")
    assert (images[0].key, images[0].format) == ("0.png", "PNG")
    assert (images[0].width, images[0].height) == (320, 200)
    assert len(images[0].sha256) == 64
    assert images[BROKEN].status == pb.IMAGE_STATUS_FAILED
    assert images[BROKEN].error.startswith("UNKNOWN_FORMAT: ")


@pytest.mark.parametrize("status", [pb.IMAGE_STATUS_OK, pb.IMAGE_STATUS_FAILED])
def test_images_of_one_status(catalog: Stub, status: pb.ImageStatus) -> None:
    found = catalog.ListImages(
        pb.ListImagesRequest(collection="filled", status=status, page_size=3)
    )
    assert all(image.status == status for image in found.images)
    assert len(found.images) == (3 if status == pb.IMAGE_STATUS_OK else 1)
    assert bool(found.next_page_token) == (status == pb.IMAGE_STATUS_OK)


def test_images_by_row_come_in_the_order_asked_for(catalog: Stub) -> None:
    request = pb.ListImagesRequest(collection="filled", rows=rows_of(7, 0, 7))
    found = catalog.ListImages(request)
    assert [image.row for image in found.images] == [7, 0, 7]
    assert not found.next_page_token


def wrong_rows() -> list[tensor_pb2.Tensor]:
    return [rows_of(0, IMAGES), rows_of(-1), rows_of(2**62), pack(np.zeros(3, np.float32))]


def test_rows_that_are_not_there_are_refused(catalog: Stub) -> None:
    for rows in [*wrong_rows(), rows_of(*range(5001))]:
        with pytest.raises(InvalidArgument) as refused:
            catalog.ListImages(pb.ListImagesRequest(collection="filled", rows=rows))
        assert refused.value.field == "rows"
    for rows in [*wrong_rows(), rows_of(*range(2001))]:
        request = pb.GetThumbnailsRequest(collection="filled", rows=rows)
        with pytest.raises(InvalidArgument) as refused:
            list(catalog.GetThumbnails(request))
        assert refused.value.field == "rows"


def test_an_unknown_status_is_refused(catalog: Stub) -> None:
    request = pb.ListImagesRequest(collection="filled", status=7)  # type: ignore[arg-type]
    with pytest.raises(InvalidArgument, match="status"):
        catalog.ListImages(request)


# --- pictures -----------------------------------------------------------------------------------


def test_thumbnails_come_in_the_order_asked_for(catalog: Stub) -> None:
    request = pb.GetThumbnailsRequest(collection="filled", rows=rows_of(8, BROKEN, 0, 8))
    messages = list(catalog.GetThumbnails(request))
    rows = [unpack(message.rows, dtype=np.int64, field="rows") for message in messages]
    jpegs = [jpeg for message in messages for jpeg in message.jpegs]
    assert np.concatenate(rows).tolist() == [8, BROKEN, 0, 8]
    assert jpegs[0] == jpegs[3] != jpegs[2]
    assert jpegs[1] == b""
    assert Image.open(io.BytesIO(jpegs[0])).size == (256, 160)


def test_many_thumbnails_are_sent_in_messages_of_about_a_mebibyte(catalog: Stub) -> None:
    rows = [0, 1, 2] * 600
    request = pb.GetThumbnailsRequest(collection="filled", rows=rows_of(*rows))
    messages = list(catalog.GetThumbnails(request))
    assert sum(len(message.jpegs) for message in messages) == len(rows)
    assert len(messages) > 1
    assert all(message.ByteSize() < (1 << 20) + (64 << 10) for message in messages)


@pytest.mark.parametrize(
    ("max_side", "expected"), [(0, (320, 200)), (64, (64, 40)), (9999, (320, 200))]
)
def test_an_image_is_sent_no_larger_than_asked_for(
    catalog: Stub, max_side: int, expected: tuple[int, int]
) -> None:
    request = pb.GetImageRequest(collection="filled", row=0, max_side=max_side)
    image = Image.open(io.BytesIO(catalog.GetImage(request).jpeg))
    assert (image.format, image.size) == ("JPEG", expected)


def test_an_image_that_cannot_be_shown_says_why(catalog: Stub, service: Service) -> None:
    source = service.folder / "changing"
    source.mkdir()
    write_image(source / "gone.png", 1)
    write_image(source / "other.png", 2)
    service.ingest("changing", source)
    (source / "gone.png").unlink()
    write_image(source / "other.png", 3)
    for row, error in ((0, NotFound), (1, Conflict)):
        with pytest.raises(error):
            catalog.GetImage(pb.GetImageRequest(collection="changing", row=row))
    with pytest.raises(Conflict, match="UNKNOWN_FORMAT"):
        catalog.GetImage(pb.GetImageRequest(collection="filled", row=BROKEN))
    for row in (-1, IMAGES):
        with pytest.raises(NotFound):
            catalog.GetImage(pb.GetImageRequest(collection="filled", row=row))
    with pytest.raises(InvalidArgument, match="max_side"):
        catalog.GetImage(pb.GetImageRequest(collection="filled", max_side=-1))


# --- schema -------------------------------------------------------------------------------------


def add(catalog: Stub, collection: str, *names: str) -> pb.Schema:
    classes = [pb.LabelClass(name=name) for name in names]
    request = pb.AddClassesRequest(collection=collection, classes=classes, request_id=new_id())
    return catalog.AddClasses(request).schema


def test_classes_are_added_renamed_and_merged(catalog: Stub, collection: str) -> None:
    assert not catalog.GetSchema(pb.GetSchemaRequest(collection=collection)).schema.classes
    assert [each.class_id for each in add(catalog, collection, "cat", "dog", "pup").classes] == [
        1,
        2,
        3,
    ]
    changed = pb.LabelClass(class_id=2, name="hound", key="h", color="#112233", guideline="woof")
    catalog.UpdateClass(
        pb.UpdateClassRequest(collection=collection, label_class=changed, request_id=new_id())
    )
    merged = catalog.MergeClasses(
        pb.MergeClassesRequest(
            collection=collection, from_class_id=3, into_class_id=2, request_id=new_id()
        )
    ).schema
    assert merged.version == 3
    assert merged.classes[1] == changed
    assert merged.classes[2] == pb.LabelClass(class_id=3, name="pup", merged_into=2)
    assert catalog.GetSchema(pb.GetSchemaRequest(collection=collection)).schema == merged


def test_an_example_is_a_row_of_the_collection(
    service: Service, catalog: Stub, collection: str
) -> None:
    service.ingest(collection)
    add(catalog, collection, "cat")
    shown = pb.LabelClass(class_id=1, name="cat", examples=[2, 0])
    changed = catalog.UpdateClass(
        pb.UpdateClassRequest(collection=collection, label_class=shown, request_id=new_id())
    )
    assert changed.schema.classes[0] == shown
    assert catalog.GetSchema(pb.GetSchemaRequest(collection=collection)).schema == changed.schema
    wrong = pb.LabelClass(class_id=1, name="cat", examples=[9_999])
    with pytest.raises(InvalidArgument):
        catalog.UpdateClass(
            pb.UpdateClassRequest(collection=collection, label_class=wrong, request_id=new_id())
        )
    with pytest.raises(InvalidArgument):
        catalog.AddClasses(
            pb.AddClassesRequest(
                collection=collection,
                classes=[pb.LabelClass(name="dog", examples=[9_999])],
                request_id=new_id(),
            )
        )


def test_the_same_edit_again_gets_the_same_answer(catalog: Stub, collection: str) -> None:
    request = pb.AddClassesRequest(
        collection=collection, classes=[pb.LabelClass(name="cat")], request_id=new_id()
    )
    first = catalog.AddClasses(request)
    add(catalog, collection, "dog")
    assert catalog.AddClasses(request) == first
    request.classes.add(name="other")
    with pytest.raises(AlreadyExists) as refused:
        catalog.AddClasses(request)
    assert refused.value.reason == "REQUEST_ID_REUSED"


def test_wrong_edits_are_refused(catalog: Stub, collection: str) -> None:
    add(catalog, collection, "cat", "dog", "pup")

    def update(class_id: int, name: str) -> None:
        wanted = pb.LabelClass(class_id=class_id, name=name)
        catalog.UpdateClass(
            pb.UpdateClassRequest(collection=collection, label_class=wanted, request_id=new_id())
        )

    def merge(source: int, into: int) -> None:
        catalog.MergeClasses(
            pb.MergeClassesRequest(
                collection=collection,
                from_class_id=source,
                into_class_id=into,
                request_id=new_id(),
            )
        )

    merge(3, 2)
    for error, edit in (
        (InvalidArgument, lambda: add(catalog, collection, "a\tb")),
        (InvalidArgument, lambda: update(1, "")),
        (InvalidArgument, lambda: merge(1, 1)),
        (NotFound, lambda: update(9, "x")),
        (NotFound, lambda: merge(1, 9)),
        (AlreadyExists, lambda: update(1, "dog")),
        (Conflict, lambda: update(3, "x")),
        (Conflict, lambda: merge(3, 1)),
    ):
        with pytest.raises(error):
            edit()


def set_several(catalog: Stub, collection: str, *, several: bool) -> pb.Schema:
    request = pb.SetSeveralRequest(collection=collection, several=several, request_id=new_id())
    return catalog.SetSeveral(request).schema


def test_an_image_may_be_of_several_classes_where_the_schema_says_so(
    catalog: Stub, collection: str
) -> None:
    assert not catalog.GetSchema(pb.GetSchemaRequest(collection=collection)).schema.several
    assert set_several(catalog, collection, several=True).several
    assert add(catalog, collection, "cat").several
    assert set_several(catalog, collection, several=True).version == 2  # nothing changed


def test_whether_there_may_be_several_is_fixed_by_the_first_class(
    catalog: Stub, collection: str
) -> None:
    add(catalog, collection, "cat")
    with pytest.raises(Conflict) as refused:
        set_several(catalog, collection, several=True)
    assert refused.value.reason == "SCHEMA_FIXED"
    with pytest.raises(NotFound):
        set_several(catalog, "nowhere", several=True)
