"""A few images of a part: what one task reads, decodes and embeds, here or on another machine."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hundredfold.chassis.backbones.cards import ModelCard
from hundredfold.chassis.errors import Unavailable
from hundredfold.chassis.sources import Sources
from hundredfold.embedding.backends.base import Check, unchecked
from hundredfold.embedding.embedder import Embedded, Embedder, joined


@dataclass(frozen=True)
class Piece:
    """Some images of a part: rows int64 [n], and where each is."""

    part: int
    rows: NDArray[np.int64]
    uris: Sequence[str]


@dataclass(frozen=True)
class EmbeddedPiece:
    """What became of a piece.

    Attributes:
        part: as in the piece.
        tried: int64 [n], its rows.
        rows: int64 [m], those of them that have a vector.
        vectors: float16 [m, d], length 1.
    """

    part: int
    tried: NDArray[np.int64]
    rows: NDArray[np.int64]
    vectors: NDArray[np.float16]


@dataclass(frozen=True)
class Workbench:
    """What embedding takes: a backbone, what runs it, and what reads the images. Safe for threads.

    Attributes:
        embedder: decodes and runs the backbone.
        sources: reads the images.
        card: the backbone.
        check: raises when nobody waits for the vectors any longer.
    """

    embedder: Embedder
    sources: Sources
    card: ModelCard
    check: Check = unchecked

    def embed(self, uris: Sequence[str]) -> Embedded:
        """Read, decode and embed images on the calling thread.

        Raises:
            Unavailable: not one image of a chunk can be reached, which is no fault of the images.
            ServiceError: see `Embedder.embed_batch`.
        """
        size = self.embedder.task_images
        chunks = [uris[begin : begin + size] for begin in range(0, len(uris), size)]
        return joined(self.card, [self._chunk(chunk) for chunk in chunks])

    def _chunk(self, uris: Sequence[str]) -> Embedded:
        images = self.sources.read_many(uris)
        embedded = self.embedder.embed_batch(self.card, images, check=self.check)
        _check_reachable(embedded)
        return embedded


def embed_piece(bench: Workbench, piece: Piece) -> EmbeddedPiece:
    """The vectors of a piece; see `Workbench.embed` for the errors."""
    embedded = bench.embed(piece.uris)
    good = np.ones(len(piece.rows), bool)
    good[list(embedded.failures)] = False
    vectors = embedded.vectors[good].astype(np.float16)
    return EmbeddedPiece(piece.part, piece.rows, piece.rows[good], vectors)


def _check_reachable(embedded: Embedded) -> None:
    away = [
        failure
        for failure in embedded.failures.values()
        if failure.reason == Unavailable.default_reason
    ]
    if len(away) == len(embedded.vectors):
        raise Unavailable(f"the images can't be reached: {away[0].message}")
