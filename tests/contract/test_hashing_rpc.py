"""Every RPC of the hashing service, and every error that its proto names."""

import hashlib
import io
import json
import uuid
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import imagehash
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from hundredfold.api.hashing.v1 import hashing_pb2, hashing_pb2_grpc
from hundredfold.api.runs.v1 import runs_pb2, runs_pb2_grpc
from hundredfold.chassis.config import ServerConfig
from hundredfold.chassis.engine import LocalEngine
from hundredfold.chassis.errors import (
    Aborted,
    AlreadyExists,
    Conflict,
    InvalidArgument,
    NotFound,
    PermissionDenied,
)
from hundredfold.chassis.paging import encode_token
from hundredfold.chassis.runs import Runs
from hundredfold.chassis.runs_servicer import runs_mount
from hundredfold.chassis.sources import Sources
from hundredfold.chassis.storage import layout
from hundredfold.chassis.storage.store import ArtifactStore
from hundredfold.chassis.tensors import pack, unpack
from hundredfold.chassis.testing import serving, wait_for
from hundredfold.client.hashing import HashingClient
from hundredfold.client.types import Algorithm
from hundredfold.hashing import duplicates_job, hash_job, leaks_job
from hundredfold.hashing.domain.filling import PartHashes
from hundredfold.hashing.servicer import HashingServicer, hashing_mount
from hundredfold.hashing.store import HashFolder
from tests.contract.documented import result_keys
from tests.contract.hashing_collections import (
    Row,
    encoded,
    photo,
    put_collection,
    put_thumbnails,
    write_image,
)

PHASH, DHASH = hashing_pb2.ALGORITHM_PHASH_EXACT, hashing_pb2.ALGORITHM_DHASH_EXACT
EXACT = ("phash-exact-1", "dhash-exact-1")
FAST = [hashing_pb2.ALGORITHM_PHASH_FAST, hashing_pb2.ALGORITHM_DHASH_FAST]
THUMB = [hashing_pb2.ALGORITHM_PHASH_THUMB, hashing_pb2.ALGORITHM_DHASH_THUMB]


class Service:
    """A real service with two worker processes."""

    def __init__(self, folder, store, runs, channel):
        self.folder = folder
        self.store = store
        self.runs = runs
        self.stub = hashing_pb2_grpc.HashingServiceStub(channel)
        self.client = HashingClient(channel)
        self.runs_stub = runs_pb2_grpc.RunsServiceStub(channel)

    def image(self, data):
        return write_image(self.folder, uuid.uuid4().hex, data)

    def photos(self, *seeds):
        return [self.image(encoded(photo(seed))) for seed in seeds]

    def collection(self, rows):
        name = f"c-{uuid.uuid4().hex}"
        put_collection(self.store, name, rows)
        return name

    def hash(self, collection, *algorithms):
        request = hashing_pb2.HashCollectionRequest(
            collection=collection, algorithms=algorithms, request_id=str(uuid.uuid4())
        )
        return self.result(self.stub.HashCollection(request).run)

    def find(self, collection, radius=4):
        request = hashing_pb2.FindDuplicatesRequest(
            collection=collection, radius=radius, request_id=str(uuid.uuid4())
        )
        return self.result(self.stub.FindDuplicates(request).run)

    def hashed(self, rows, radius=4):
        """A collection that is hashed and whose copies are found."""
        collection = self.collection(rows)
        self.hash(collection)
        self.find(collection, radius)
        return collection

    def list(self, collection, **asked):
        return self.stub.ListDuplicates(
            hashing_pb2.ListDuplicatesRequest(collection=collection, **asked)
        )

    def look_up(self, collection, *images, radius=4):
        request = hashing_pb2.LookUpRequest(collection=collection, images=images, radius=radius)
        return self.stub.LookUp(request).matches

    def look_up_hashes(self, collection, phash, dhash=None, *, algorithms=EXACT, radius=4):
        asked = {"phash": pack(np.array(phash, np.uint64))}
        if dhash is not None:
            asked["dhash"] = pack(np.array(dhash, np.uint64))
        return self.stub.LookUp(
            hashing_pb2.LookUpRequest(
                collection=collection, radius=radius, algorithms=algorithms[: len(asked)], **asked
            )
        )

    def leaks(self, collection, **asked):
        request = hashing_pb2.FindLeaksRequest(
            collection=collection, request_id=str(uuid.uuid4()), **asked
        )
        return self.result(self.stub.FindLeaks(request).run)

    def listed_leaks(self, collection, **asked):
        return self.stub.ListLeaks(hashing_pb2.ListLeaksRequest(collection=collection, **asked))

    def ended(self, run):
        asked = runs_pb2.GetRunRequest(run_id=run.run_id)
        return wait_for(
            lambda: (found := self.runs_stub.GetRun(asked).run).finished_at and found, 60
        )

    def result(self, run):
        ended = self.ended(run)
        assert ended.state == runs_pb2.STATE_SUCCEEDED, ended.error
        return json.loads(ended.result_json)

    def representative(self, collection, run):
        folder = layout.duplicates(collection, run)
        return self.store.read_array(f"{folder}/{layout.REPRESENTATIVE}").tolist()

    def stored(self, collection, algorithm, part=0):
        folder = layout.hashes(collection, algorithm)
        return self.store.read_array(f"{folder}/{layout.hashes_part(part)}").tolist()


@pytest.fixture(scope="module")
def service(tmp_path_factory):
    folder = tmp_path_factory.mktemp("images")
    store = ArtifactStore(str(tmp_path_factory.mktemp("store")))
    sources = Sources((str(folder),))
    jobs = {
        hash_job.KIND: hash_job.HashCollection(store, sources),
        duplicates_job.KIND: duplicates_job.FindDuplicates(store),
        leaks_job.KIND: leaks_job.FindLeaks(store),
    }
    runs = Runs(store, "hashing", jobs, engine=LocalEngine(2))
    with serving(hashing_mount(HashingServicer(store, runs, sources)), runs_mount(runs)) as channel:
        yield Service(folder, store, runs, channel)
    runs.close()


def reason(raised):
    return raised.value.reason


def numbers(tensor, dtype=np.int64):
    return unpack(tensor, dtype=dtype, ndim=1, field="answer").tolist()


def by_imagehash(data, kind=imagehash.phash):
    return int(str(kind(Image.open(io.BytesIO(data)))), 16)


# --- HashImages ---------------------------------------------------------------------------------


def sent(*requests):
    return iter([hashing_pb2.HashImagesRequest(**each) for each in requests])


def test_results_are_what_the_proto_says(service):
    collection = service.collection(service.photos(1, 2))
    assert set(service.hash(collection)) == result_keys("HashCollection")
    for _ in range(2):  # made, then found made
        assert set(service.find(collection)) == result_keys("FindDuplicates")
        assert set(service.leaks(collection, tags=["a", "b"])) == result_keys("FindLeaks")


def test_hash_images_answers_each_request_in_order(service):
    images = [encoded(photo(seed), "JPEG") for seed in range(4)]
    answers = list(
        service.stub.HashImages(
            sent({"algorithm": DHASH, "images": images[:1]}, {"images": []}, {"images": images[1:]})
        )
    )
    hashes = [numbers(answer.hashes, np.uint64) for answer in answers]
    expected = [by_imagehash(image, imagehash.dhash) for image in images]
    assert hashes == [expected[:1], [], expected[1:]]
    digests = b"".join(answer.sha256 for answer in answers)
    assert digests == b"".join(hashlib.sha256(image).digest() for image in images)
    assert not any(status.reason for answer in answers for status in answer.statuses)


def test_hash_images_takes_phash_exact_when_not_told(service):
    image = encoded(photo(1))
    (answer,) = service.stub.HashImages(sent({"images": [image]}))
    assert numbers(answer.hashes, np.uint64) == [by_imagehash(image)]


@pytest.mark.parametrize("algorithm", FAST)
def test_hash_images_fast_is_near_to_exact(service, algorithm):
    image = encoded(photo(1, 640, 480), "JPEG", quality=95)
    exact = PHASH if algorithm == FAST[0] else DHASH
    hashes = [
        numbers(
            next(service.stub.HashImages(sent({"algorithm": a, "images": [image]}))).hashes,
            np.uint64,
        )[0]
        for a in (algorithm, exact)
    ]
    assert (hashes[0] ^ hashes[1]).bit_count() <= 6


def test_hash_images_gives_a_bad_image_a_status(service):
    good = encoded(photo(2))
    (answer,) = service.stub.HashImages(sent({"images": [b"nothing", good, good[:300]]}))
    assert [status.reason for status in answer.statuses] == ["UNKNOWN_FORMAT", "", "DECODE_FAILED"]
    assert answer.statuses[0].message
    assert numbers(answer.hashes, np.uint64) == [0, by_imagehash(good), 0]


@pytest.mark.parametrize(
    ("request_", "field"),
    [
        ({"images": [b""] * 1001}, "images"),
        ({"images": [bytes(1 << 20)] * 3 + [b"x"]}, "images"),
        ({"algorithm": 99, "images": [b"x"]}, "algorithm"),
        ({"algorithms": [PHASH, 99], "images": [b"x"]}, "algorithms"),
        ({"algorithms": [PHASH, PHASH]}, "algorithms"),
        ({"algorithms": [PHASH, 0]}, "algorithms"),
        ({"algorithm": PHASH, "algorithms": [DHASH]}, "algorithms"),
        ({"uris": ["/x"] * 1001}, "uris"),
        ({"uris": ["/x"], "images": [b"x"]}, "uris"),
    ],
)
def test_hash_images_refuses_what_is_too_much_or_unknown(service, request_, field):
    with pytest.raises(InvalidArgument) as raised:
        list(service.stub.HashImages(sent(request_)))
    assert raised.value.field == field


def test_hash_images_answers_several_algorithms_in_the_order_asked(service):
    images = [encoded(photo(seed), "JPEG") for seed in range(3)]
    asked = {"algorithms": [DHASH, *FAST, PHASH], "images": images}
    (answer,) = service.stub.HashImages(sent(asked))
    hashes = unpack(answer.hashes, dtype=np.uint64, ndim=2, field="hashes")
    assert hashes.shape == (4, 3)
    assert hashes[0].tolist() == [by_imagehash(image, imagehash.dhash) for image in images]
    assert hashes[3].tolist() == [by_imagehash(image) for image in images]
    assert np.bitwise_count(hashes[2] ^ hashes[0]).max() <= 6


def test_hash_images_takes_the_ways_to_hash_from_the_first_message(service):
    image = encoded(photo(1))
    first, second = service.stub.HashImages(
        sent(
            {"algorithms": [DHASH], "images": [image], "without_sha256": True},
            {"algorithm": PHASH, "images": [image]},
        )
    )
    assert first.hashes == second.hashes
    assert first.sha256 == second.sha256 == b""


def test_hash_images_reads_references_and_tells_what_is_wrong_with_each(service, tmp_path):
    image = encoded(photo(5), "JPEG")
    row, text = service.image(image), service.folder / "text"
    text.write_bytes(b"no image")
    (tmp_path / "secret.png").write_bytes(encoded(photo(6)))
    uris = [row.uri, str(tmp_path / "secret.png"), str(service.folder / "gone"), str(text), "x"]
    (answer,) = service.stub.HashImages(sent({"uris": uris}))
    assert [status.reason for status in answer.statuses] == [
        "",
        "OUTSIDE_ROOTS",
        "NOT_FOUND",
        "UNKNOWN_FORMAT",
        "INVALID_ARGUMENT",
    ]
    assert numbers(answer.hashes, np.uint64) == [by_imagehash(image), 0, 0, 0, 0]
    digests = [answer.sha256[i : i + 32] for i in range(0, 160, 32)]
    assert digests == [
        row.sha256,
        *[bytes(32)] * 2,
        hashlib.sha256(b"no image").digest(),
        bytes(32),
    ]


def test_hash_images_reads_members_of_containers(service):
    images = [encoded(photo(seed), "JPEG") for seed in (7, 8)]
    file = service.folder / "members.parquet"
    pq.write_table(pa.table({"image": images}), file)
    uris = [f"{file}#image:1", f"{file}#image:0", f"{file}#image:2"]
    (answer,) = service.stub.HashImages(sent({"uris": uris}))
    assert numbers(answer.hashes, np.uint64) == [*map(by_imagehash, images[::-1]), 0]


def test_a_service_without_sources_reads_nothing(service):
    servicer = HashingServicer(service.store, service.runs)
    uri = service.photos(1)[0].uri
    with serving(hashing_mount(servicer)) as channel:
        (found,) = HashingClient(channel).hash_uris([uri])
    assert found.failures == {0: "OUTSIDE_ROOTS"}


def test_references_are_for_admins(service, tmp_path):
    tokens = tmp_path / "tokens"
    digest = hashlib.sha256(b"a reviewer's").hexdigest()
    tokens.write_text(json.dumps([{"sha256": digest, "subject": "r", "role": "reviewer"}]))
    config = ServerConfig(tokens=str(tokens), token="a reviewer's")  # noqa: S106
    servicer = HashingServicer(service.store, service.runs, Sources((str(service.folder),)))
    image = encoded(photo(1))
    with serving(hashing_mount(servicer), config=config) as channel:
        client = HashingClient(channel)
        (found,) = client.hash_images([image])
        assert found.hashes[0].tolist() == [by_imagehash(image)]
        with pytest.raises(PermissionDenied):
            list(client.hash_uris([service.image(image).uri]))


def test_the_client_hashes_many_images_in_several_messages(service):
    images = [encoded(photo(seed)) for seed in range(60)]
    large = Image.fromarray(np.random.default_rng(1).integers(0, 256, (500, 500, 3), np.uint8))
    images[20:20] = [encoded(large)] * 3
    images[40] = b"nothing"
    algorithms = (Algorithm.DHASH_EXACT, Algorithm.PHASH_FAST)
    blocks = list(service.client.hash_images(iter(images), algorithms, sha256=True))
    assert len(blocks) > 3
    hashes = np.concatenate([block.hashes for block in blocks], axis=1)
    expected = [
        0 if i == 40 else by_imagehash(image, imagehash.dhash) for i, image in enumerate(images)
    ]
    assert hashes[0].tolist() == expected
    digests = np.concatenate([block.sha256 for block in blocks])
    assert digests[7].tobytes() == hashlib.sha256(images[7]).digest()
    places = np.cumsum([0, *(block.hashes.shape[1] for block in blocks)])
    failed = {
        int(begin) + i: why
        for begin, b in zip(places[:-1], blocks, strict=True)
        for i, why in b.failures.items()
    }
    assert failed == {40: "UNKNOWN_FORMAT"}
    assert list(service.client.hash_images([])) == []


def test_the_client_hashes_many_references_as_it_hashes_their_bytes(service):
    images = [encoded(photo(seed), "JPEG") for seed in range(5)]
    uris = [service.image(images[i % 5]).uri for i in range(300)]
    blocks = list(service.client.hash_uris(iter(uris)))
    assert [block.hashes.shape for block in blocks] == [(2, 256), (2, 44)]
    hashes = np.concatenate([block.hashes for block in blocks], axis=1)
    (sent_,) = service.client.hash_images(images)
    assert (hashes == np.tile(sent_.hashes, 60)).all()


# --- HashCollection -----------------------------------------------------------------------------


def test_hash_collection_stores_both_exact_hashes(service):
    images = [encoded(photo(seed), "JPEG") for seed in range(3)]
    rows = [service.image(image) for image in images]
    collection = service.collection([rows[0], Row(), *rows[1:]])
    assert service.hash(collection) == {
        "images": 3,
        "algorithms": ["phash-exact-1", "dhash-exact-1"],
        "failed": 0,
    }
    for name, kind in (("phash-exact-1", imagehash.phash), ("dhash-exact-1", imagehash.dhash)):
        expected = [by_imagehash(image, kind) for image in images]
        assert service.stored(collection, name) == [expected[0], 0, *expected[1:]]


def test_hash_collection_hashes_only_what_is_asked_and_not_there(service):
    rows = service.photos(1, 2)
    collection = service.collection(rows)
    service.hash(collection, PHASH)
    assert service.hash(collection, *FAST)["algorithms"] == ["phash-fast-2", "dhash-fast-2"]
    for row in rows:
        (service.folder / row.uri).unlink()  # nothing is read again
    more = service.photos(3)
    put_collection(service.store, collection, rows + more)
    assert service.hash(collection, PHASH) == {
        "images": 3,
        "algorithms": ["phash-exact-1"],
        "failed": 0,
    }
    assert len(service.stored(collection, "phash-exact-1")) == 3


def test_hash_collection_notes_what_is_gone_or_changed_and_tries_it_again(service):
    good, gone, changed = rows = service.photos(1, 2, 3)
    collection = service.collection(rows)
    kept = (service.folder / gone.uri).read_bytes()
    (service.folder / gone.uri).unlink()
    (service.folder / changed.uri).write_bytes(encoded(photo(99)))
    assert service.hash(collection)["failed"] == 2
    assert service.stored(collection, "phash-exact-1")[1:] == [0, 0]
    assert service.find(collection)["representatives"] == 3  # their zeros are not equal hashes
    (service.folder / gone.uri).write_bytes(kept)
    assert service.hash(collection)["failed"] == 1
    assert service.stored(collection, "phash-exact-1")[:2] == [
        by_imagehash((service.folder / good.uri).read_bytes()),
        by_imagehash(kept),
    ]


def test_hash_collection_of_thumbnails_reads_no_original(service):
    images = [encoded(photo(seed, 800, 600), "JPEG") for seed in range(3)]
    rows = [service.image(image) for image in images]
    rows.insert(1, Row())
    collection = service.collection(rows)
    put_thumbnails(service.store, collection, rows)
    for row in rows:
        Path(row.uri).unlink(missing_ok=True)
    result = service.hash(collection, *THUMB)
    assert result == {"images": 3, "algorithms": ["phash-thumb-1", "dhash-thumb-1"], "failed": 0}
    (sent_,) = service.client.hash_images(images, (Algorithm.PHASH_THUMB, Algorithm.DHASH_THUMB))
    for name, hashes in zip(result["algorithms"], sent_.hashes.tolist(), strict=True):
        assert service.stored(collection, name) == [hashes[0], 0, *hashes[1:]]
    assert service.find(collection, radius=2)["representatives"] == 3
    assert numbers(service.look_up(collection, images[2], radius=0)[0].rows) == [3]


def test_hash_collection_makes_hashes_of_originals_and_thumbnails_in_one_run(service):
    rows = service.photos(4, 5)
    collection = service.collection(rows)
    put_thumbnails(service.store, collection, rows)
    assert service.hash(collection, PHASH, THUMB[0], DHASH)["failed"] == 0
    assert service.stored(collection, "phash-exact-1") == [
        by_imagehash(Path(row.uri).read_bytes()) for row in rows
    ]
    assert 0 not in service.stored(collection, "phash-thumb-1")


def test_the_client_hashes_a_collection_in_the_ways_asked_for(service):
    collection = service.collection(service.photos(6))
    run = service.client.hash_collection(collection, algorithms=[Algorithm.PHASH_FAST])
    ended = service.client.runs.wait(run.run_id)
    assert ended.result["algorithms"] == ["phash-fast-2"]


def test_hash_collection_of_thumbnails_that_are_not_there_fails(service):
    collection = service.collection(service.photos(1))
    request = hashing_pb2.HashCollectionRequest(
        collection=collection, request_id=str(uuid.uuid4()), algorithms=THUMB
    )
    run = service.ended(service.stub.HashCollection(request).run)
    assert run.state == runs_pb2.STATE_FAILED


def test_hash_collection_outside_of_the_sources_fails(service, tmp_path):
    collection = service.collection([write_image(tmp_path, "a.png", encoded(photo(1)))])
    request = hashing_pb2.HashCollectionRequest(collection=collection, request_id="r")
    run = service.ended(service.stub.HashCollection(request).run)
    assert run.state == runs_pb2.STATE_FAILED
    assert "outside of the roots" in run.error


def test_hash_collection_of_nothing_succeeds(service):
    collection = service.collection([])
    assert service.hash(collection)["images"] == 0
    assert service.find(collection)["groups"] == 0


def test_hash_collection_again_with_the_same_request_id_is_the_same_run(service):
    collection = service.collection(service.photos(1))
    request = hashing_pb2.HashCollectionRequest(collection=collection, request_id="once")
    first = service.stub.HashCollection(request).run
    service.ended(first)
    assert service.stub.HashCollection(request).run.run_id == first.run_id
    request.algorithms.append(FAST[0])
    with pytest.raises(AlreadyExists):
        service.stub.HashCollection(request)


def test_hash_collection_is_aborted_while_another_is_at_work(service):
    collection = service.collection(service.photos(*range(40)))
    ask = hashing_pb2.HashCollectionRequest
    run = service.stub.HashCollection(ask(collection=collection, request_id="a")).run
    with pytest.raises(Aborted) as raised:
        service.stub.HashCollection(ask(collection=collection, request_id="b", algorithms=FAST))
    assert reason(raised) == "RUN_ACTIVE"
    service.result(run)


@pytest.mark.parametrize(
    ("asked", "error", "field"),
    [
        ({"collection": "absent", "request_id": "r"}, NotFound, "collection"),
        ({"collection": "No Name", "request_id": "r"}, InvalidArgument, "collection"),
        ({"collection": "{there}", "request_id": "r", "algorithms": [77]}, InvalidArgument, "algorithms"),
        ({"collection": "{there}"}, InvalidArgument, "request_id"),
    ],
)  # fmt: skip
def test_hash_collection_refuses(service, asked, error, field):
    if asked["collection"] == "{there}":
        asked = {**asked, "collection": service.collection([])}
    with pytest.raises(error) as raised:
        service.stub.HashCollection(hashing_pb2.HashCollectionRequest(**asked))
    assert raised.value.field == field


# --- FindDuplicates -----------------------------------------------------------------------------


def copies_of(service, seed):
    """A large original, a smaller JPEG of it, and a file of the same bytes as the original."""
    original = encoded(photo(seed, 192, 128))
    return [
        service.image(original),
        service.image(encoded(photo(seed), "JPEG", quality=90)),
        service.image(original),
    ]


def test_find_duplicates_groups_copies_around_the_best_image(service):
    large, small, same = copies_of(service, 1)
    other = service.photos(7)
    collection = service.collection([small, Row(), large, *other, same])
    service.hash(collection)
    result = service.find(collection, radius=6)
    run = result.pop("duplicates")
    assert result == {"groups": 1, "copies": 2, "representatives": 2, "pairs": 0, "similar": 0}
    assert service.representative(collection, run) == [2, -1, 2, 3, 2]
    assert service.store.read_json(layout.duplicates_latest(collection)) == {"run": run}


def test_find_duplicates_again_is_the_same_until_something_changes(service):
    rows = copies_of(service, 1)
    collection = service.collection(rows)
    service.hash(collection)
    first = service.find(collection, radius=6)
    assert service.find(collection, radius=6) == first
    assert service.find(collection, radius=0)["duplicates"] != first["duplicates"]
    put_collection(service.store, collection, [*rows, *copies_of(service, 2)])
    service.hash(collection)
    grown = service.find(collection, radius=6)
    assert grown["duplicates"] != first["duplicates"]
    assert grown["representatives"] == 2


def test_find_duplicates_keeps_the_three_newest(service):
    collection = service.collection(copies_of(service, 3))
    service.hash(collection)
    runs = [service.find(collection, radius=radius)["duplicates"] for radius in range(5)]
    for run in runs[:2]:
        with pytest.raises(NotFound):
            service.list(collection, duplicates=run)
    for run in runs[2:]:
        assert service.list(collection, duplicates=run).duplicates == run


def test_find_duplicates_takes_fast_hashes_where_there_are_no_exact_ones(service):
    collection = service.collection(copies_of(service, 4))
    service.hash(collection, *FAST)
    assert service.find(collection, radius=8)["representatives"] == 1


def test_find_duplicates_needs_hashes(service):
    rows = service.photos(1)
    collection = service.collection(rows)
    ask = hashing_pb2.FindDuplicatesRequest(collection=collection, request_id="r")
    with pytest.raises(Conflict) as raised:
        service.stub.FindDuplicates(ask)
    assert reason(raised) == "NOT_HASHED"
    service.hash(collection)
    put_collection(service.store, collection, rows + service.photos(2))
    with pytest.raises(Conflict):
        service.stub.FindDuplicates(ask)


@pytest.mark.parametrize("radius", [-1, 11])
def test_find_duplicates_refuses_a_radius(service, radius):
    collection = service.collection([])
    with pytest.raises(InvalidArgument) as raised:
        service.stub.FindDuplicates(
            hashing_pb2.FindDuplicatesRequest(collection=collection, radius=radius, request_id="r")
        )
    assert raised.value.field == "radius"


def test_find_duplicates_of_no_collection_is_not_found(service):
    with pytest.raises(NotFound):
        service.find("absent")


def test_find_duplicates_names_the_ways_of_hashing_that_it_does_not_know(service):
    collection = service.collection(service.photos(1))
    store_other_hashes(service, collection, ("phash-exact-9", "dhash-exact-9"))
    ask = hashing_pb2.FindDuplicatesRequest(collection=collection, request_id="r")
    with pytest.raises(Conflict) as raised:
        service.stub.FindDuplicates(ask)
    assert reason(raised) == "OTHER_ALGORITHM"
    for name in ("phash-exact-9", "phash-exact-1", "dhash-exact-1"):
        assert name in raised.value.message
    with pytest.raises(Conflict):
        service.look_up(collection, encoded(photo(1)))


def store_other_hashes(service, collection, names):
    for name in names:
        folder = HashFolder(service.store, collection, name)
        folder.write(0, PartHashes(np.array([1], np.uint64), np.empty(0, np.int64)))


def test_find_duplicates_with_another_despite_is_another_run(service):
    collection = service.hashed(service.photos(1))
    ask = {"collection": collection, "radius": 1, "request_id": "r"}
    service.result(service.stub.FindDuplicates(hashing_pb2.FindDuplicatesRequest(**ask)).run)
    with pytest.raises(AlreadyExists):
        service.stub.FindDuplicates(hashing_pb2.FindDuplicatesRequest(despite=True, **ask))


def test_find_duplicates_keeps_apart_what_people_said_is_not_the_same(service):
    data = encoded(photo(5))
    collection = service.hashed([service.image(data), service.image(encoded(photo(5), "BMP"))])
    assert service.find(collection)["groups"] == 1
    out = io.BytesIO()
    np.savez(out, left=np.array([0]), right=np.array([1]), same=np.array([False]))
    service.store.write_bytes(layout.pair_judgements(collection), out.getvalue())
    assert service.find(collection)["groups"] == 0


# --- ListDuplicates -----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def listed(service):
    """Groups of rows 0-1, 2-4, 5-6 and 7 alone."""
    rows = []
    for seed, size in ((1, 2), (2, 3), (3, 2), (4, 1)):
        data = encoded(photo(seed))
        rows += [service.image(data) for _ in range(size)]
    return service.hashed(rows)


def test_the_client_pages_through_all_groups(service, listed):
    groups = service.client.groups(listed, page_size=1)
    assert [(each.representative, each.copies.tolist()) for each in groups] == [
        (2, [3, 4]),
        (0, [1]),
        (5, [6]),
    ]


def test_list_duplicates_gives_the_largest_groups_first(service, listed):
    answer = service.list(listed)
    found = [(group.representative, numbers(group.copies)) for group in answer.groups]
    assert found == [(2, [3, 4]), (0, [1]), (5, [6])]
    assert [numbers(group.distances, np.uint8) for group in answer.groups] == [[0, 0], [0], [0]]
    assert [group.copy_count for group in answer.groups] == [2, 1, 1]
    assert (answer.group_count, answer.copy_count, answer.next_page_token) == (3, 4, "")


def test_list_duplicates_pages_through_the_run_it_began_with(service, listed):
    first = service.list(listed, page_size=2)
    newer = service.find(listed, radius=5)["duplicates"]
    assert newer != first.duplicates
    second = service.list(listed, page_size=2, page_token=first.next_page_token)
    assert second.duplicates == first.duplicates
    assert [group.representative for group in (*first.groups, *second.groups)] == [2, 0, 5]
    assert second.next_page_token == ""
    with pytest.raises(InvalidArgument) as raised:
        service.list(listed, duplicates=newer, page_token=first.next_page_token)
    assert raised.value.field == "page_token"


@pytest.mark.parametrize(
    ("asked", "field"),
    [
        ({"page_size": -1}, "page_size"),
        ({"page_token": "nonsense"}, "page_token"),
        ({"page_token": encode_token("run", 1)}, "page_token"),
        ({"duplicates": "../x"}, "duplicates"),
        ({"page_token": encode_token("../x", 1, 2)}, "duplicates"),
    ],
)
def test_list_duplicates_refuses(service, listed, asked, field):
    with pytest.raises(InvalidArgument) as raised:
        service.list(listed, **asked)
    assert raised.value.field == field


def test_list_duplicates_is_not_found_before_any_run(service):
    collection = service.collection([])
    for asked in ({}, {"duplicates": "none"}):
        with pytest.raises(NotFound):
            service.list(collection, **asked)
    with pytest.raises(NotFound):
        service.list("absent")


# --- LookUp -------------------------------------------------------------------------------------


def test_look_up_finds_copies_nearest_first(service):
    large, small, same = copies_of(service, 11)
    collection = service.hashed([small, *service.photos(12), large, same])
    asked = (service.folder / large.uri).read_bytes()
    match, none, bad = service.look_up(collection, asked, encoded(photo(13)), b"nothing", radius=6)
    assert sorted(numbers(match.rows)) == [0, 2, 3]
    distances = dict(zip(numbers(match.rows), numbers(match.distances, np.uint8), strict=True))
    assert distances[2] == distances[3] == 0
    assert list(distances.values()) == sorted(distances.values())
    assert (numbers(none.rows), none.status.reason) == ([], "")
    assert (numbers(bad.rows), bad.status.reason) == ([], "UNKNOWN_FORMAT")


def test_look_up_sees_what_was_added(service):
    rows, data = service.photos(21), encoded(photo(22))
    collection = service.hashed(rows)
    assert numbers(service.look_up(collection, data)[0].rows) == []
    put_collection(service.store, collection, [*rows, service.image(data)])
    with pytest.raises(Conflict) as raised:
        service.look_up(collection, data)
    assert reason(raised) == "NOT_HASHED"
    service.hash(collection)
    assert numbers(service.look_up(collection, data)[0].rows) == [1]


def test_look_up_gives_at_most_a_hundred_rows(service):
    data = encoded(photo(31))
    collection = service.hashed([service.image(data)] * 120)
    assert numbers(service.look_up(collection, data)[0].rows) == list(range(100))


@pytest.mark.parametrize(
    ("asked", "field"),
    [
        ({"images": [b""] * 101}, "images"),
        ({"images": [bytes(1 << 20)] * 3 + [b"x"]}, "images"),
        ({"radius": 11}, "radius"),
        ({"radius": -1}, "radius"),
    ],
)
def test_look_up_refuses(service, listed, asked, field):
    with pytest.raises(InvalidArgument) as raised:
        service.stub.LookUp(hashing_pb2.LookUpRequest(collection=listed, **asked))
    assert raised.value.field == field


def test_look_up_needs_a_collection_with_hashes(service):
    with pytest.raises(NotFound):
        service.look_up("absent", b"x")
    with pytest.raises(Conflict):
        service.look_up(service.collection(service.photos(1)), b"x")


def hashes_of(service, collection):
    return [service.stored(collection, name) for name in EXACT]


def test_look_up_takes_hashes(service):
    large, small, same = copies_of(service, 41)
    collection = service.hashed([small, *service.photos(42), large, same])
    phash, dhash = hashes_of(service, collection)
    answer = service.look_up_hashes(collection, [*phash, 0], [*dhash, 0], radius=0)
    starts, rows = numbers(answer.starts), numbers(answer.rows)
    found = [rows[a:b] for a, b in pairwise(starts)]
    assert found[1:] == [[1], [2, 3], [2, 3], []]
    assert 0 in found[0]
    assert len(numbers(answer.distances, np.uint8)) == len(rows)


def test_look_up_by_the_phash_alone_has_no_veto(service):
    collection = service.hashed(service.photos(43, 44))
    phash, dhash = hashes_of(service, collection)
    other = [dhash[0] ^ 0xFFFFF]
    assert numbers(service.look_up_hashes(collection, phash[:1], other).rows) == []
    assert numbers(service.look_up_hashes(collection, phash[:1]).rows) == [0]


def test_look_up_of_no_hashes_finds_nothing(service):
    answer = service.look_up_hashes(service.hashed(service.photos(45)), [])
    assert (numbers(answer.rows), numbers(answer.starts)) == ([], [0])


def test_the_client_looks_hashes_up(service):
    collection = service.hashed(service.photos(46, 46))
    phash, dhash = (np.array(each, np.uint64) for each in hashes_of(service, collection))
    found = service.client.look_up_hashes(collection, phash, dhash, algorithms=EXACT, radius=1)
    assert [each.tolist() for each in found] == [[0, 1], [0, 1]]
    found = service.client.look_up_hashes(collection, phash[:1], algorithms=EXACT[:1])
    assert [each.tolist() for each in found] == [[0, 1]]


def test_look_up_refuses_hashes_that_were_made_in_another_way(service):
    collection = service.hashed(service.photos(47))
    with pytest.raises(Conflict) as raised:
        service.look_up_hashes(collection, [1], [2], algorithms=("phash-exact-0", EXACT[1]))
    assert reason(raised) == "OTHER_ALGORITHM"
    for name in ("phash-exact-0", *EXACT):
        assert name in raised.value.message


def values(n, dtype=np.uint64):
    return pack(np.ones(n, dtype))


@pytest.mark.parametrize(
    ("asked", "field"),
    [
        ({"phash": values(10_001), "algorithms": EXACT[:1]}, "phash"),
        ({"phash": values(2, np.int64), "algorithms": EXACT[:1]}, "phash"),
        ({"dhash": values(2), "algorithms": EXACT[1:]}, "phash"),
        ({"phash": values(2), "dhash": values(3), "algorithms": EXACT}, "dhash"),
        ({"phash": values(2), "dhash": values(2, np.float32), "algorithms": EXACT}, "dhash"),
        ({"phash": values(2), "algorithms": EXACT}, "algorithms"),
        ({"phash": values(2), "dhash": values(2)}, "algorithms"),
        ({"phash": values(1), "algorithms": EXACT[:1], "images": [b"x"]}, "images"),
    ],
)
def test_look_up_refuses_hashes(service, listed, asked, field):
    with pytest.raises(InvalidArgument) as raised:
        service.stub.LookUp(hashing_pb2.LookUpRequest(collection=listed, radius=1, **asked))
    assert raised.value.field == field


# --- FindLeaks ----------------------------------------------------------------------------------


def tagged(rows, *tags):
    return [replace(row, tags=list(some)) for row, some in zip(rows, tags, strict=True)]


def test_find_leaks_finds_copies_of_one_collection_in_another(service):
    training = service.collection([*copies_of(service, 51), *service.photos(52)])
    tests = service.collection([*service.photos(53), *copies_of(service, 51)])
    for collection in (training, tests):
        service.hash(collection)
    result = service.leaks(training, against=tests, radius=4)
    assert result["sides"] == [training, tests]
    assert (result["images"], result["counts"]) == (3, [[0, 3], [3, 0]])
    answer = service.listed_leaks(training)
    assert sorted(numbers(answer.rows)) == [0, 1, 2]
    assert set(numbers(answer.others)) <= {1, 2, 3}
    assert numbers(answer.distances, np.uint8)[0] == 0
    assert numbers(answer.row_sides, np.uint8) == [0] * 3
    assert numbers(answer.other_sides, np.uint8) == [1] * 3
    assert (answer.count, list(answer.sides), answer.leaks) == (
        3,
        [training, tests],
        result["leaks"],
    )


def test_find_leaks_finds_copies_across_tags(service):
    rows = [*copies_of(service, 54), *copies_of(service, 55), *service.photos(56)]
    tags = [["train"], ["x", "test"], ["val"], ["test"], ["test"], [], ["train", "test"]]
    collection = service.collection(tagged(rows, *tags))
    service.hash(collection)
    result = service.leaks(collection, tags=["train", "val", "test"], radius=4)
    assert result["counts"] == [[0, 1, 1], [1, 0, 1], [1, 1, 0]]
    answer = service.listed_leaks(collection)
    assert sorted(numbers(answer.rows)) == [0, 1, 2]
    assert list(answer.sides) == ["train", "val", "test"]
    sides = dict(zip(numbers(answer.rows), numbers(answer.row_sides, np.uint8), strict=True))
    assert sides == {0: 0, 1: 2, 2: 1}


def test_find_leaks_finds_plain_images_of_equal_bytes(service):
    plain = [encoded(Image.new("RGB", (40, 30), colour)) for colour in ("white", "grey")]
    rows = [service.image(plain[which]) for which in (0, 1, 0)]
    collection = service.collection(tagged(rows, ["train"], ["train"], ["test"]))
    service.hash(collection)
    assert service.leaks(collection, tags=["train", "test"])["counts"] == [[0, 1], [1, 0]]


def test_find_leaks_again_is_the_same_until_something_changes(service):
    rows = tagged(copies_of(service, 57), ["a"], ["b"], ["b"])
    collection = service.collection(rows)
    service.hash(collection)
    first = service.leaks(collection, tags=["a", "b"], radius=2)
    assert service.leaks(collection, tags=["a", "b"], radius=2) == first
    assert service.leaks(collection, tags=["b", "a"], radius=2)["leaks"] != first["leaks"]


def test_list_leaks_pages(service):
    rows = tagged(copies_of(service, 58), ["a"], ["b"], ["b"])
    collection = service.collection(rows)
    service.hash(collection)
    service.leaks(collection, tags=["a", "b"], radius=4)
    first = service.listed_leaks(collection, page_size=2)
    newer = service.leaks(collection, tags=["a", "b"], radius=5)["leaks"]
    second = service.listed_leaks(collection, page_size=2, page_token=first.next_page_token)
    assert sorted([*numbers(first.rows), *numbers(second.rows)]) == [0, 1, 2]
    assert (second.leaks, second.next_page_token) == (first.leaks, "")
    for asked, field in (
        ({"leaks": newer, "page_token": first.next_page_token}, "page_token"),
        ({"page_token": encode_token(newer, -1)}, "page_token"),
        ({"page_token": "nonsense"}, "page_token"),
        ({"page_size": -1}, "page_size"),
        ({"leaks": "../x"}, "leaks"),
    ):
        with pytest.raises(InvalidArgument) as raised:
            service.listed_leaks(collection, **asked)
        assert raised.value.field == field


def test_list_leaks_is_not_found_before_any_run(service):
    collection = service.collection([])
    for asked in ({}, {"leaks": "none"}):
        with pytest.raises(NotFound):
            service.listed_leaks(collection, **asked)
    with pytest.raises(NotFound):
        service.listed_leaks("absent")


def test_the_client_finds_leaks(service):
    rows = tagged(copies_of(service, 59), ["a"], ["b"], ["c"])
    collection = service.collection(rows)
    service.hash(collection)
    run = service.client.find_leaks(collection, tags=["a", "b"], radius=6)
    service.client.runs.wait(run.run_id)
    found = service.client.leaks(collection)
    assert (found.count, found.sides) == (2, ("a", "b"))
    assert sorted(found.rows.tolist()) == [0, 1]


@pytest.mark.parametrize(
    ("asked", "field"),
    [
        ({}, "tags"),
        ({"tags": ["a"]}, "tags"),
        ({"tags": ["a", "a"]}, "tags"),
        ({"tags": ["a", ""]}, "tags"),
        ({"tags": [str(number) for number in range(17)]}, "tags"),
        ({"tags": ["a", "b"], "radius": 11}, "radius"),
        ({"tags": ["a", "b"], "against": "other"}, "tags"),
        ({"against": "{itself}"}, "against"),
        ({"against": "No Name"}, "against"),
    ],
)
def test_find_leaks_refuses(service, listed, asked, field):
    asked = {**asked, "against": asked.get("against", "").replace("{itself}", listed)}
    request = hashing_pb2.FindLeaksRequest(collection=listed, request_id="r", **asked)
    with pytest.raises(InvalidArgument) as raised:
        service.stub.FindLeaks(request)
    assert raised.value.field == field


def test_find_leaks_needs_collections_that_are_hashed_in_the_same_way(service, listed):
    other = service.collection(service.photos(1))

    def ask(collection, against):
        return service.stub.FindLeaks(
            hashing_pb2.FindLeaksRequest(collection=collection, against=against, request_id="r")
        )

    for names in (("absent", listed), (listed, "absent")):
        with pytest.raises(NotFound) as missing:
            ask(*names)
        assert missing.value.field == ("collection", "against")[names.index("absent")]
    with pytest.raises(Conflict) as raised:
        ask(listed, other)
    assert reason(raised) == "NOT_HASHED"
    service.hash(other, *FAST)
    with pytest.raises(Conflict) as raised:
        ask(listed, other)
    assert reason(raised) == "OTHER_ALGORITHM"
    assert "fast" in raised.value.message
    assert "exact" in raised.value.message


def test_find_leaks_is_aborted_while_another_is_at_work(service, listed):
    met = []
    for number in range(20):  # a run on few images may be over before the next one is asked for
        asked = {"collection": listed, "tags": ["a", "b"]}
        one, two = (
            hashing_pb2.FindLeaksRequest(**asked, radius=radius, request_id=f"{radius}-{number}")
            for radius in (1, 2)
        )
        run = service.stub.FindLeaks(one).run
        try:
            run = service.stub.FindLeaks(two).run
        except Aborted as error:
            met.append(error.reason)
        service.result(run)
    assert set(met) == {"RUN_ACTIVE"}
