"""Opens files of vectors that people bring, and tells them apart."""

import hashlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, BinaryIO

import numpy as np

from hundredfold.chassis.backbones.examples import MOST_DIMENSIONS
from hundredfold.chassis.errors import InvalidArgument
from hundredfold.chassis.sources import Sources
from hundredfold.embedding.npy_vectors import NpyVectors
from hundredfold.embedding.parquet_vectors import ParquetVectors
from hundredfold.embedding.vector_files import Asked, VectorFile

MOST_VECTORS = 200_000_000
_PIECE_BYTES = 4 << 20
_PIECES = 64


@contextmanager
def open_vectors(sources: Sources, asked: Asked) -> Iterator[VectorFile]:
    """Open a file of vectors and what belongs to it, and check what its head says.

    Raises:
        InvalidArgument: of another format, type or shape, or cut off.
        ServiceError: as `Sources.open`.
    """
    with ExitStack() as stack:
        file = stack.enter_context(sources.open(asked.source))
        vectors: VectorFile
        if asked.source.endswith(".npy"):
            ids = stack.enter_context(sources.open(asked.ids)) if asked.ids else None
            vectors = NpyVectors(file, ids, asked)
        elif asked.source.endswith(".parquet"):
            vectors = ParquetVectors(file, asked)
        else:
            raise InvalidArgument(f"{asked.source[-80:]!r} is no .npy or .parquet", field="source")
        _check_size(vectors)
        yield vectors


def digest_of(sources: Sources, asked: Asked) -> str:
    """What tells a file of vectors from another: of its name nothing, of its content up to 256 MiB all.

    Of more, 64 pieces of 4 MiB from its begin to its end, so that a file of terabytes is told in seconds.
    """
    digest = hashlib.sha256(repr((asked.match, asked.vector_column, asked.id_column)).encode())
    for uri in filter(None, (asked.source, asked.ids)):
        with sources.open(uri) as file:
            _add(digest, file)
    return digest.hexdigest()


def _add(digest: Any, file: BinaryIO) -> None:
    size = file.seek(0, 2)
    digest.update(size.to_bytes(8, "little"))
    last = max(0, size - _PIECE_BYTES)
    for place in np.unique(np.linspace(0, last, min(_PIECES, 2 + last // _PIECE_BYTES), dtype=int)):
        file.seek(int(place))
        digest.update(file.read(_PIECE_BYTES))


def _check_size(vectors: VectorFile) -> None:
    if not 1 <= vectors.count <= MOST_VECTORS:
        raise InvalidArgument(
            f"{vectors.count:,} vectors are not 1 to {MOST_VECTORS:,}", field="source"
        )
    if not 2 <= vectors.dimensions <= MOST_DIMENSIONS:
        raise InvalidArgument(
            f"{vectors.dimensions} dimensions are not 2 to {MOST_DIMENSIONS}", field="source"
        )
