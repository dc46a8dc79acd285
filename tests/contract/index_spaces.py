"""Collections with vectors, as the catalog and the embedding service would leave them in the store."""

import numpy as np

from hundredfold.chassis.backbones.preprocessing import PREPROCESSING
from hundredfold.chassis.storage import layout
from hundredfold.chassis.storage.manifest import Manifest

COLLECTION = "shapes"
SPACE = "toy@1"


def make_collection(store, collection=COLLECTION):
    store.write_json(layout.collection_record(collection), {"collection": collection})


def unit(vectors):
    vectors = np.asarray(vectors, dtype=np.float64)
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float16)


def blobs(groups, each, dimensions=16, noise=0.2, seed=0):
    """float16 [groups * each, dimensions] around as many directions as there are groups."""
    rng = np.random.default_rng(seed)
    centres = unit(rng.normal(size=(groups, dimensions))).astype(np.float64)
    spread = noise / np.sqrt(dimensions) * rng.normal(size=(groups * each, dimensions))
    return unit(np.repeat(centres, each, axis=0) + spread)


def scattered_rows(count):
    """int64 [count], ascending, with gaps, over two parts."""
    first = np.arange(count // 2) * 3 + 1
    second = layout.PART_ROWS + np.arange(count - count // 2) * 2
    return np.concatenate([first, second]).astype(np.int64)


def write_space(store, vectors, rows, collection=COLLECTION, space=SPACE):
    """Write vectors, float16 [m, d], of ascending rows, part by part."""
    folder = layout.vectors(collection, space)
    manifest = Manifest.load(store, folder)
    manifest.set_meta(preprocessing=PREPROCESSING, precision="float32")
    for part in np.unique(rows // layout.PART_ROWS):
        of_part = rows // layout.PART_ROWS == part
        write_part(store, manifest, int(part), vectors[of_part], rows[of_part])
    manifest.save()


def write_part(store, manifest, part, vectors, rows):
    for name, array in (
        (layout.vectors_part(part), vectors),
        (layout.vectors_rows(part), rows),
    ):
        manifest.add(name, store.write_array(f"{manifest.folder}/{name}", array))
