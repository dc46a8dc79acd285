"""Synthetic spaces of any size, written part by part."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hundredfold.chassis.storage import layout
from hundredfold.chassis.storage.manifest import Manifest
from hundredfold.chassis.storage.store import ArtifactStore
from tests.contract.index_spaces import COLLECTION, SPACE, make_collection, write_part

_DISTINCT = 8  # parts; the others repeat them, so that making them takes less than measuring


@dataclass(frozen=True)
class Clouds:
    """Images around a centre a class, a few of them nearer to another's.

    Attributes:
        images: how many.
        dimensions: of their vectors.
        classes: how many, each as common as the others.
    """

    images: int
    dimensions: int
    classes: int


def write_clouds(store: ArtifactStore, clouds: Clouds) -> NDArray[np.int32]:
    """Make a collection with a space; the class of each image, from 1: int32 [n]."""
    make_collection(store)
    manifest = Manifest(store, layout.vectors(COLLECTION, SPACE))
    generator = np.random.default_rng(0)
    centres = generator.normal(size=(clouds.classes, clouds.dimensions)).astype(np.float32)
    made = [_part(generator, centres) for _ in range(min(_DISTINCT, _parts(clouds)))]
    truth = np.empty(clouds.images, np.int32)
    for part in range(_parts(clouds)):
        first = part * layout.PART_ROWS
        rows = np.arange(first, min(first + layout.PART_ROWS, clouds.images))
        vectors, classes = made[part % len(made)]
        write_part(store, manifest, part, vectors[: len(rows)], rows)
        truth[rows] = classes[: len(rows)]
    manifest.save()
    return truth


def _parts(clouds: Clouds) -> int:
    return -(-clouds.images // layout.PART_ROWS)


def _part(
    generator: np.random.Generator, centres: NDArray[np.float32]
) -> tuple[NDArray[np.float16], NDArray[np.int32]]:
    """Vectors of length 1, float16 [m, d], and the class of each."""
    classes = generator.integers(0, len(centres), layout.PART_ROWS)
    noise = generator.standard_normal((layout.PART_ROWS, centres.shape[1]), np.float32)
    vectors = centres[classes] + 2.5 * noise
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors.astype(np.float16), (classes + 1).astype(np.int32)
