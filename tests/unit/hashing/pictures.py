"""Made-up photographs, and what becomes of copies of them."""

import io

import numpy as np
from PIL import Image

from hundredfold.catalog.domain.probe import probe
from hundredfold.chassis.storage import layout
from hundredfold.chassis.storage.manifest import Manifest
from hundredfold.hashing.domain.algorithms import DHASH_EXACT, PHASH_EXACT, digest, hash_images
from hundredfold.hashing.domain.verify.classes import Look
from hundredfold.hashing.domain.verify.planes import planes


def picture(seed, width=256, height=192):
    """Structure of all sizes, in colour, as a photograph has it."""
    rng = np.random.default_rng(seed)
    pixels = np.zeros((height, width, 3))
    for cells in (3, 6, 12, 24):
        noise = rng.normal(size=(cells, cells, 3)).astype(np.float32)
        for channel in range(3):
            grown = Image.fromarray(noise[:, :, channel]).resize(
                (width, height), Image.Resampling.BICUBIC
            )
            pixels[:, :, channel] += np.asarray(grown) * 40 / cells**0.5
    pixels = pixels + pixels.mean(axis=2, keepdims=True)
    return Image.fromarray(np.clip(pixels + 128, 0, 255).astype(np.uint8))


def jpeg(image, quality=90):
    out = io.BytesIO()
    image.save(out, "JPEG", quality=quality)
    return out.getvalue()


def look(*encoded):
    """What is known of encoded images."""
    seen = [planes(data) for data in encoded]
    hashes = hash_images(encoded, (PHASH_EXACT, DHASH_EXACT)).hashes
    return Look(
        luma=np.array([luma for luma, *_ in seen]),
        chroma=np.array([chroma for _, chroma, _ in seen]),
        seen=np.ones(len(encoded), bool),
        fine=np.array([fine for *_, fine in seen]),
        phash=hashes[PHASH_EXACT],
        dhash=hashes[DHASH_EXACT],
        sha256=np.array([digest(data) for data in encoded]),
    )


def looks(images, quality=90):
    return look(*(jpeg(image, quality) for image in images))


def put_thumbs(store, name, encoded):
    """Write the thumbnails of one part, as the catalog does; b"" = none."""
    jpegs = [probe(data).thumbnail if data else b"" for data in encoded]
    manifest = Manifest.load(store, layout.thumbs(name))
    offsets = np.cumsum([0, *(len(each) for each in jpegs)], dtype=np.int64)
    for artifact, written in (
        (
            layout.thumbs_part(0),
            store.write_bytes(f"{manifest.folder}/{layout.thumbs_part(0)}", b"".join(jpegs)),
        ),
        (
            layout.thumbs_offsets(0),
            store.write_array(f"{manifest.folder}/{layout.thumbs_offsets(0)}", offsets),
        ),
    ):
        manifest.add(artifact, written, rows=len(jpegs))
    manifest.save()
