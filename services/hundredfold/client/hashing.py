"""Hashes and groups of copies."""

import uuid
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice

import grpc
import numpy as np
from numpy.typing import NDArray

from hundredfold.api.hashing.v1 import hashing_pb2, hashing_pb2_grpc
from hundredfold.chassis.tensors import pack, unpack
from hundredfold.client import wire
from hundredfold.client.runs import RunsClient
from hundredfold.client.types import (
    Algorithm,
    DuplicateGroup,
    DuplicateGroups,
    ImageHashes,
    Leaks,
    Rows,
    Run,
)

_BOTH = (Algorithm.PHASH_EXACT, Algorithm.DHASH_EXACT)
_LOOK_UP_SECONDS = 300.0
"""The first call reads the collection into memory: some seconds for ten million images."""

_MESSAGE_BYTES = 1 << 20
_IMAGES = 1000
_URIS = 256
"""Images and URIs of a message, at most: few enough that answers come soon."""


class HashingClient:
    """The hashing service."""

    def __init__(self, channel: grpc.Channel) -> None:
        self._stub = hashing_pb2_grpc.HashingServiceStub(channel)
        self.runs = RunsClient("hashing", channel)

    def hash_images(
        self,
        images: Iterable[bytes],
        algorithms: Sequence[Algorithm] = _BOTH,
        *,
        sha256: bool = False,
    ) -> Iterator[ImageHashes]:
        """Hash encoded images, a megabyte or so at a time, in order.

        Args:
            images: read as the service takes them.
            algorithms: the ways to hash, each once.
            sha256: whether to tell that of the bytes too.

        Raises:
            InvalidArgument: an image is larger than a message may be: hash it by its URI.
        """
        wanted = [hashing_pb2.Algorithm.ValueType(each) for each in algorithms]
        requests = (
            hashing_pb2.HashImagesRequest(images=some, algorithms=wanted, without_sha256=not sha256)
            for some in _messages(images)
        )
        yield from map(_hashes, self._stub.HashImages(requests))

    def hash_uris(
        self,
        uris: Iterable[str],
        algorithms: Sequence[Algorithm] = _BOTH,
        *,
        sha256: bool = False,
    ) -> Iterator[ImageHashes]:
        """Hash images that the service reads from its allowed sources, some hundreds at a time.

        Args:
            uris: of files, or of members of containers as rows of a collection name them.
            algorithms: the ways to hash, each once.
            sha256: whether to tell that of the bytes too.

        Raises:
            PermissionDenied: the caller is no admin.
        """
        wanted = [hashing_pb2.Algorithm.ValueType(each) for each in algorithms]
        requests = (
            hashing_pb2.HashImagesRequest(uris=some, algorithms=wanted, without_sha256=not sha256)
            for some in _batches(uris, _URIS)
        )
        yield from map(_hashes, self._stub.HashImages(requests))

    def hash_collection(
        self, collection: str, *, algorithms: Sequence[Algorithm] = (), request_id: str = ""
    ) -> Run:
        """Start to hash what is not hashed yet, with both exact hashes or in the ways asked for."""
        request = hashing_pb2.HashCollectionRequest(
            collection=collection,
            algorithms=[hashing_pb2.Algorithm.ValueType(each) for each in algorithms],
            request_id=request_id or str(uuid.uuid4()),
        )
        return wire.run("hashing", self._stub.HashCollection(request).run)

    def find_duplicates(
        self, collection: str, *, radius: int, despite: bool = False, request_id: str = ""
    ) -> Run:
        """Start to group copies; hashes of copies differ in at most `radius` bits.

        Args:
            collection: in which.
            radius: 0 to 10 bits.
            despite: go on though very many pairs are to be expected.
            request_id: the same again is the same run.
        """
        request = hashing_pb2.FindDuplicatesRequest(
            collection=collection,
            radius=radius,
            despite=despite,
            request_id=request_id or str(uuid.uuid4()),
        )
        return wire.run("hashing", self._stub.FindDuplicates(request).run)

    def duplicates(self, collection: str, *, limit: int = 100) -> DuplicateGroups:
        """The largest groups of the latest FindDuplicates run; NotFound."""
        request = hashing_pb2.ListDuplicatesRequest(collection=collection, page_size=limit)
        answer = self._stub.ListDuplicates(request)
        return DuplicateGroups(
            duplicates=answer.duplicates,
            groups=tuple(map(_group, answer.groups)),
            group_count=answer.group_count,
            copy_count=answer.copy_count,
        )

    def groups(self, collection: str, *, page_size: int = 1000) -> Iterator[DuplicateGroup]:
        """All groups of the latest FindDuplicates run, fetched as they are asked for; NotFound."""
        run = token = ""
        while True:
            request = hashing_pb2.ListDuplicatesRequest(
                collection=collection, duplicates=run, page_size=page_size, page_token=token
            )
            answer = self._stub.ListDuplicates(request)
            yield from map(_group, answer.groups)
            run, token = answer.duplicates, answer.next_page_token
            if not token:
                return

    def look_up(self, collection: str, images: Sequence[bytes], *, radius: int = 0) -> list[Rows]:
        """The rows that each encoded image is a copy of, nearest first."""
        request = hashing_pb2.LookUpRequest(collection=collection, images=images, radius=radius)
        answer = self._stub.LookUp(request, timeout=_LOOK_UP_SECONDS)
        return [unpack(each.rows, dtype=np.int64, ndim=1, field="rows") for each in answer.matches]

    def look_up_hashes(
        self,
        collection: str,
        phash: NDArray[np.uint64],
        dhash: NDArray[np.uint64] | None = None,
        *,
        algorithms: Sequence[str],
        radius: int = 0,
    ) -> list[Rows]:
        """The rows that the image of each hash is a copy of, nearest first.

        Args:
            collection: in which.
            phash: uint64 [n], at most 10,000.
            dhash: uint64 [n]; None = the pHash decides alone.
            algorithms: how the hashes were made, such as phash-exact-1 and dhash-exact-1.
            radius: 0 to 10 bits.
        """
        request = hashing_pb2.LookUpRequest(
            collection=collection,
            radius=radius,
            algorithms=algorithms,
            phash=pack(phash),
            dhash=None if dhash is None else pack(dhash),
        )
        answer = self._stub.LookUp(request, timeout=_LOOK_UP_SECONDS)
        rows = unpack(answer.rows, dtype=np.int64, ndim=1, field="rows")
        starts = unpack(answer.starts, dtype=np.int64, ndim=1, field="starts")
        return np.split(rows, starts[1:-1])[: len(phash)]

    def find_leaks(
        self,
        collection: str,
        *,
        radius: int,
        against: str = "",
        tags: Sequence[str] = (),
        request_id: str = "",
    ) -> Run:
        """Start to look for copies in another collection, or across images of different tags."""
        request = hashing_pb2.FindLeaksRequest(
            collection=collection,
            against=against,
            tags=tags,
            radius=radius,
            request_id=request_id or str(uuid.uuid4()),
        )
        return wire.run("hashing", self._stub.FindLeaks(request).run)

    def leaks(self, collection: str, *, limit: int = 100) -> Leaks:
        """The nearest copies across of the latest FindLeaks run; NotFound."""
        request = hashing_pb2.ListLeaksRequest(collection=collection, page_size=limit)
        answer = self._stub.ListLeaks(request)
        return Leaks(
            leaks=answer.leaks,
            sides=tuple(answer.sides),
            count=answer.count,
            rows=unpack(answer.rows, dtype=np.int64, ndim=1, field="rows"),
            others=unpack(answer.others, dtype=np.int64, ndim=1, field="others"),
            distances=unpack(answer.distances, dtype=np.uint8, ndim=1, field="distances"),
            row_sides=unpack(answer.row_sides, dtype=np.uint8, ndim=1, field="row_sides"),
            other_sides=unpack(answer.other_sides, dtype=np.uint8, ndim=1, field="other_sides"),
        )


def _batches(uris: Iterable[str], most: int) -> Iterator[list[str]]:
    rest = iter(uris)
    while some := list(islice(rest, most)):
        yield some


def _messages(images: Iterable[bytes]) -> Iterator[list[bytes]]:
    """As many as make a message of about _MESSAGE_BYTES."""
    some: list[bytes] = []
    size = 0
    for image in images:
        if some and (size + len(image) > _MESSAGE_BYTES or len(some) == _IMAGES):
            yield some
            some, size = [], 0
        some.append(image)
        size += len(image)
    if some:
        yield some


def _hashes(answer: hashing_pb2.HashImagesResponse) -> ImageHashes:
    return ImageHashes(
        hashes=unpack(answer.hashes, dtype=np.uint64, ndim=2, field="hashes"),
        sha256=np.frombuffer(answer.sha256, np.uint8).reshape(-1, 32),
        failures={
            place: status.reason for place, status in enumerate(answer.statuses) if status.reason
        },
    )


def _group(message: hashing_pb2.DuplicateGroup) -> DuplicateGroup:
    return DuplicateGroup(
        representative=message.representative,
        copies=unpack(message.copies, dtype=np.int64, ndim=1, field="copies"),
        distances=unpack(message.distances, dtype=np.uint8, ndim=1, field="distances"),
    )
