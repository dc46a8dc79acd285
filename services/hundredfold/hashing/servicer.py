"""The RPCs of the hashing service: translate, call, translate."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import grpc
import numpy as np
from numpy.typing import NDArray

from hundredfold.api.common.v1 import access_pb2, image_pb2, tensor_pb2
from hundredfold.api.hashing.v1 import hashing_pb2, hashing_pb2_grpc
from hundredfold.chassis import auth
from hundredfold.chassis.context import caller
from hundredfold.chassis.errors import InvalidArgument, NotFound, ServiceError
from hundredfold.chassis.imaging import ImageError
from hundredfold.chassis.newest import Newest
from hundredfold.chassis.paging import decode_token, encode_token, page_size
from hundredfold.chassis.requests import check_between, check_images
from hundredfold.chassis.runs import Runs
from hundredfold.chassis.runs_servicer import run_message
from hundredfold.chassis.server import Mount
from hundredfold.chassis.sources import Sources
from hundredfold.chassis.storage.collections import require_collection
from hundredfold.chassis.storage.store import ArtifactStore
from hundredfold.chassis.tensors import pack, unpack
from hundredfold.hashing import duplicates_job, hash_job, leaks_job
from hundredfold.hashing.domain import algorithms
from hundredfold.hashing.domain.algorithms import digest, hash_images
from hundredfold.hashing.domain.listing import GroupList, LeakList, Listed
from hundredfold.hashing.domain.near import MAX_RADIUS
from hundredfold.hashing.lookups import LookUps
from hundredfold.hashing.store import Duplicates, LeakStore, common_pair, hashed_pair

MOST_IMAGES = 1000
MOST_IMAGES_LOOKED_UP = 100
MOST_HASHES_LOOKED_UP = 10_000
MOST_TAGS = 16
MOST_TAG_CHARACTERS = 200
MOST_ROWS = 1 << 32
MOST_COPIES_OF_GROUP = 10_000
MOST_COPIES_OF_PAGE = 500_000
_KEPT_COLLECTIONS = 4
_NO_DIGEST = bytes(32)

_NAMES: Mapping[int, str] = MappingProxyType(
    {
        hashing_pb2.ALGORITHM_UNSPECIFIED: algorithms.PHASH_EXACT,
        hashing_pb2.ALGORITHM_PHASH_EXACT: algorithms.PHASH_EXACT,
        hashing_pb2.ALGORITHM_DHASH_EXACT: algorithms.DHASH_EXACT,
        hashing_pb2.ALGORITHM_PHASH_FAST: algorithms.PHASH_FAST,
        hashing_pb2.ALGORITHM_DHASH_FAST: algorithms.DHASH_FAST,
        hashing_pb2.ALGORITHM_PHASH_THUMB: algorithms.PHASH_THUMB,
        hashing_pb2.ALGORITHM_DHASH_THUMB: algorithms.DHASH_THUMB,
    }
)


class HashingServicer(hashing_pb2_grpc.HashingServiceServicer):
    """Serves `hundredfold.api.hashing.v1.HashingService`."""

    def __init__(self, store: ArtifactStore, runs: Runs, sources: Sources | None = None) -> None:
        self._store = store
        self._sources = sources or Sources(())
        self._runs = runs
        self._look_ups = LookUps(store, _KEPT_COLLECTIONS)
        self._groups: Newest[GroupList] = Newest(_KEPT_COLLECTIONS)

    def HashImages(
        self,
        request_iterator: Iterator[hashing_pb2.HashImagesRequest],
        context: grpc.ServicerContext,
    ) -> Iterator[hashing_pb2.HashImagesResponse]:
        """See the proto."""
        asked = None
        for request in request_iterator:
            asked = asked or _asked(request)
            yield _hashed(self._images_of(request), asked)

    def HashCollection(
        self, request: hashing_pb2.HashCollectionRequest, context: grpc.ServicerContext
    ) -> hashing_pb2.HashCollectionResponse:
        """See the proto."""
        require_collection(self._store, request.collection)
        asked = {_name(number, "algorithms") for number in request.algorithms}
        chosen = [name for name in algorithms.ALGORITHMS if name in (asked or algorithms.DEFAULT)]
        run = self._runs.start(
            hash_job.KIND,
            request.collection,
            {"algorithms": chosen},
            request_id=request.request_id,
        )
        return hashing_pb2.HashCollectionResponse(run=run_message(run))

    def FindDuplicates(
        self, request: hashing_pb2.FindDuplicatesRequest, context: grpc.ServicerContext
    ) -> hashing_pb2.FindDuplicatesResponse:
        """See the proto."""
        require_collection(self._store, request.collection)
        radius = check_between(request.radius, 0, MAX_RADIUS, "radius")
        hashed_pair(self._store, request.collection)
        run = self._runs.start(
            duplicates_job.KIND,
            request.collection,
            {"radius": radius, "despite": request.despite},
            request_id=request.request_id,
        )
        return hashing_pb2.FindDuplicatesResponse(run=run_message(run))

    def FindLeaks(
        self, request: hashing_pb2.FindLeaksRequest, context: grpc.ServicerContext
    ) -> hashing_pb2.FindLeaksResponse:
        """See the proto."""
        _require(self._store, request.collection, "collection")
        tags = _tags(request)
        names = [request.collection]
        if request.against:
            _require(self._store, request.against, "against")
            names.append(request.against)
        radius = check_between(request.radius, 0, MAX_RADIUS, "radius")
        common_pair(self._store, names)
        run = self._runs.start(
            leaks_job.KIND,
            request.collection,
            {"against": request.against, "tags": tags, "radius": radius},
            request_id=request.request_id,
        )
        return hashing_pb2.FindLeaksResponse(run=run_message(run))

    def ListLeaks(
        self, request: hashing_pb2.ListLeaksRequest, context: grpc.ServicerContext
    ) -> hashing_pb2.ListLeaksResponse:
        """See the proto."""
        require_collection(self._store, request.collection)
        kept = LeakStore(self._store, request.collection)
        size = page_size(request.page_size)
        place = decode_token(request.page_token, str, int)
        run = request.leaks or (place[0] if place else kept.latest())
        if not run:
            raise NotFound(
                f"copies of {request.collection} across were not looked for yet", field="collection"
            )
        if place and place[0] != run:
            raise InvalidArgument("page_token is of another run", field="page_token")
        begin = check_between(place[1] if place else 0, 0, MOST_ROWS, "page_token")
        return _leaks_page(kept.read(run), run, begin, size)

    def ListDuplicates(
        self, request: hashing_pb2.ListDuplicatesRequest, context: grpc.ServicerContext
    ) -> hashing_pb2.ListDuplicatesResponse:
        """See the proto."""
        require_collection(self._store, request.collection)
        size = page_size(request.page_size)
        place = decode_token(request.page_token, str, int, int)
        run = request.duplicates or (place[0] if place else self._latest(request.collection))
        if place and place[0] != run:
            raise InvalidArgument("page_token is of another run", field="page_token")
        groups = self._group_list(request.collection, run)
        begin = groups.after(*place[1:]) if place else 0
        return _page(groups, run, begin, size)

    def LookUp(
        self, request: hashing_pb2.LookUpRequest, context: grpc.ServicerContext
    ) -> hashing_pb2.LookUpResponse:
        """See the proto."""
        require_collection(self._store, request.collection)
        check_images(request.images, MOST_IMAGES_LOOKED_UP)
        radius = check_between(request.radius, 0, MAX_RADIUS, "radius")
        if request.HasField("phash") or request.HasField("dhash"):
            return self._look_up_hashes(request, radius)
        encoded = request.images
        statuses, found = self._look_ups.of_images(request.collection, encoded, radius)
        answer = hashing_pb2.LookUpResponse()
        for place, failure in enumerate(statuses):
            rows, distances = found.of(place)
            answer.matches.add(rows=pack(rows), distances=pack(distances), status=_status(failure))
        return answer

    def _look_up_hashes(
        self, request: hashing_pb2.LookUpRequest, radius: int
    ) -> hashing_pb2.LookUpResponse:
        if request.images:
            raise InvalidArgument("give images or hashes, not both", field="images")
        phash = _hashes(request.phash, "phash")
        dhash = _hashes(request.dhash, "dhash") if request.HasField("dhash") else None
        if dhash is not None and len(dhash) != len(phash):
            raise InvalidArgument(f"{len(dhash)} for {len(phash)} of phash", field="dhash")
        if len(request.algorithms) != (1 if dhash is None else 2):
            raise InvalidArgument("name how each kind of hash was made", field="algorithms")
        found = self._look_ups.of_hashes(
            request.collection, phash, dhash, list(request.algorithms), radius
        )
        return hashing_pb2.LookUpResponse(
            rows=pack(found.rows), distances=pack(found.distances), starts=pack(found.starts)
        )

    def _images_of(self, request: hashing_pb2.HashImagesRequest) -> Iterable[bytes | ServiceError]:
        if not request.uris:
            images = list(request.images)  # each look at the message would copy them again
            check_images(images, MOST_IMAGES)
            return images
        auth.check(caller(), access_pb2.ROLE_ADMIN)
        if request.images:
            raise InvalidArgument("give images or uris, not both", field="uris")
        if len(request.uris) > MOST_IMAGES:
            raise InvalidArgument(f"more than {MOST_IMAGES} uris in a message", field="uris")
        return self._sources.read_many(request.uris)

    def _latest(self, collection: str) -> str:
        run = Duplicates(self._store, collection).latest()
        if not run:
            raise NotFound(f"copies of {collection} were not looked for yet", field="collection")
        return run

    def _group_list(self, collection: str, run: str) -> GroupList:
        duplicates = Duplicates(self._store, collection)
        return self._groups.get(
            (collection, run), duplicates.made_at(run), lambda: GroupList(duplicates.read(run))
        )


def hashing_mount(servicer: HashingServicer) -> Mount:
    """What to mount so that a server has a HashingService."""
    return Mount(
        hashing_pb2.DESCRIPTOR.services_by_name["HashingService"],
        hashing_pb2_grpc.add_HashingServiceServicer_to_server,
        servicer,
    )


def _name(algorithm: int, field: str) -> str:
    if algorithm not in _NAMES:
        raise InvalidArgument(f"there is no algorithm {algorithm}", field=field)
    return _NAMES[algorithm]


def _require(store: ArtifactStore, collection: str, field: str) -> None:
    try:
        require_collection(store, collection)
    except (InvalidArgument, NotFound) as error:
        error.field = field
        raise


def _tags(request: hashing_pb2.FindLeaksRequest) -> list[str]:
    tags = list(request.tags)
    if request.against and tags:
        raise InvalidArgument("give a collection or tags, not both", field="tags")
    if request.against == request.collection:
        raise InvalidArgument("give another collection", field="against")
    if not request.against:
        check_between(len(tags), 2, MOST_TAGS, "tags")
    if len(set(tags)) < len(tags) or not all(0 < len(tag) <= MOST_TAG_CHARACTERS for tag in tags):
        raise InvalidArgument(
            f"tags must all differ and have 1 to {MOST_TAG_CHARACTERS} characters", field="tags"
        )
    return tags


def _leaks_page(found: LeakList, run: str, begin: int, size: int) -> hashing_pb2.ListLeaksResponse:
    some = slice(begin, begin + size)
    rows, sides = found.rows[some], found.sides_of[some]
    return hashing_pb2.ListLeaksResponse(
        rows=pack(rows[:, 0]),
        others=pack(rows[:, 1]),
        distances=pack(found.distances[some]),
        row_sides=pack(sides[:, 0]),
        other_sides=pack(sides[:, 1]),
        sides=found.sides,
        count=len(found.rows),
        leaks=run,
        next_page_token=encode_token(run, begin + size) if begin + size < len(found.rows) else "",
    )


def _status(failure: ImageError | None) -> image_pb2.ItemStatus:
    if failure is None:
        return image_pb2.ItemStatus()
    return image_pb2.ItemStatus(reason=failure.reason, message=failure.message)


@dataclass(frozen=True)
class _Asked:
    """What the first message of a stream asks of all."""

    algorithms: Sequence[str]
    several: bool
    digests: bool


def _asked(first: hashing_pb2.HashImagesRequest) -> _Asked:
    if first.algorithms and first.algorithm:
        raise InvalidArgument("give algorithm or algorithms, not both", field="algorithms")
    names = [_name(number, "algorithms") for number in first.algorithms]
    if len(set(names)) < len(names):
        raise InvalidArgument("an algorithm is given twice", field="algorithms")
    return _Asked(
        names or [_name(first.algorithm, "algorithm")],
        several=bool(names),
        digests=not first.without_sha256,
    )


def _hashed(
    images: Iterable[bytes | ServiceError], asked: _Asked
) -> hashing_pb2.HashImagesResponse:
    digests = bytearray()
    hashed = hash_images(_noted(images, asked, digests), asked.algorithms)
    hashes = np.stack([hashed.hashes[name] for name in asked.algorithms])
    return hashing_pb2.HashImagesResponse(
        hashes=pack(hashes if asked.several else hashes[0]),
        sha256=bytes(digests),
        statuses=[_status(hashed.failures.get(place)) for place in range(hashes.shape[1])],
    )


def _noted(
    images: Iterable[bytes | ServiceError], asked: _Asked, digests: bytearray
) -> Iterator[bytes | ImageError]:
    for image in images:
        if isinstance(image, ServiceError):
            digests.extend(_NO_DIGEST if asked.digests else b"")
            yield ImageError(image.reason, image.message)
        else:
            digests.extend(digest(image).tobytes() if asked.digests else b"")
            yield image


def _page(groups: GroupList, run: str, begin: int, size: int) -> hashing_pb2.ListDuplicatesResponse:
    listed = groups.page(begin, size, copies=MOST_COPIES_OF_PAGE, copies_each=MOST_COPIES_OF_GROUP)
    more = begin + len(listed) < groups.group_count
    return hashing_pb2.ListDuplicatesResponse(
        groups=[_group(group) for group in listed],
        next_page_token=encode_token(run, listed[-1].copy_count, listed[-1].representative)
        if more
        else "",
        duplicates=run,
        group_count=groups.group_count,
        copy_count=groups.copy_count,
    )


def _group(group: Listed) -> hashing_pb2.DuplicateGroup:
    return hashing_pb2.DuplicateGroup(
        representative=group.representative,
        copies=pack(group.copies),
        distances=pack(group.distances),
        copy_count=group.copy_count,
    )


def _hashes(tensor: tensor_pb2.Tensor, field: str) -> NDArray[np.uint64]:
    return unpack(tensor, dtype=np.uint64, ndim=1, field=field, limit=MOST_HASHES_LOOKED_UP)
