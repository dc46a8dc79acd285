"""What of the copies of 1,500 photographs is found, and what is taken for one: `hundredfold bench copies`.

Half of the photographs is from clothing, half from the classes of caltech101 that no threshold was chosen on. The
originals are the collection; each kind of copy is brought to it. A pair comes up when a hash of the
images, or of a window of one, is near, and is then verified; the three photographs of the same class that look
most like the original are verified with each copy in any case. What is called the same picture counts:
recall is the share of copies found with their original; precision is of all pairs that are called the same, among all
photographs. The peers take all pairs within the threshold that is best for these very pairs.
"""

import os
import tempfile
from collections.abc import Callable, Mapping
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import imagehash
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from hundredfold.hashing.domain.verify.classes import Look
from hundredfold.hashing.domain.verify.windows import window_hashes
from tests.benchmarks.copying import peers
from tests.benchmarks.copying.judging import Judged, hard_negatives, judge
from tests.benchmarks.copying.kinds import KINDS
from tests.benchmarks.copying.made import ORIGINAL, Photographs, chosen, looks
from tests.benchmarks.copying.scores import (
    Score,
    best_threshold,
    distances,
)

MIRRORED = "mirrored"
NOT_COPIES = ("recoloured",)
TWICE: frozenset[frozenset[str]] = frozenset()
"""Photographs that the sets have twice, by file name; looked at by a person."""


def measure(
    say: Callable[[str], None],
    *,
    folder: str = "",
    images: str = "1500",
    peer_images: str = "400",
    kinds: str = ",".join(KINDS),
) -> dict[str, Any]:
    """Make copies, find them, tell recall and precision.

    Args:
        say: told how far it is.
        folder: has `clothing` and `caltech101`, each with `images/` and `labels.csv`.
        images: how many photographs.
        peer_images: with how many of them imagededup is measured; 0 = not at all.
        kinds: of copies, with commas.

    Raises:
        FileNotFoundError: the sets are not there.
    """
    wanted = [kind for kind in KINDS if kind in kinds.split(",")]
    photographs = chosen(Path(folder), int(images))
    twice = _twice(photographs)
    with tempfile.TemporaryDirectory() as kept:
        seen = looks(
            photographs,
            wanted,
            say,
            processes=os.cpu_count() or 1,
            keep=Path(kept),
            kept=int(peer_images),
        )
        _check_imagehash(photographs, seen[ORIGINAL])
        say("verifying")
        ours, verified = _ours(photographs, seen, twice, say)
        return {
            "photographs": len(photographs),
            "verifier": _told(ours),
            **verified,
            **_imagehash(seen, twice),
            **_imagededup(Path(kept), int(peer_images), twice, say),
        }


def _ours(
    photographs: Photographs,
    seen: Mapping[str, Look],
    twice: NDArray[np.bool_],
    say: Callable[[str], None],
) -> tuple[dict[str, Score], dict[str, Any]]:
    """The scores by kind, and what they took."""
    originals = seen[ORIGINAL]
    whole, hard = window_hashes(originals.luma), hard_negatives(photographs, originals)
    kinds = [kind for kind in seen if kind != ORIGINAL]
    tasks = [(seen[kind], originals, whole, hard, twice, kind == MIRRORED) for kind in kinds]
    found: dict[str, Judged] = {}
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        for kind, judged in zip(kinds, pool.map(judge, tasks), strict=True):
            found[kind] = judged
            got = judged.score
            say(f"{kind}: recall {got.recall:.4f}, precision {got.precision:.4f}")
    pairs = sum(each.pairs for each in found.values())
    names = [path.name for path in photographs.paths]
    called = {tuple(sorted(pair)) for each in found.values() for pair in each.wrong}
    return {kind: each.score for kind, each in found.items()}, {
        "pairs": pairs,
        "cpu_ms_a_pair": round(sum(each.seconds for each in found.values()) / pairs * 1e3, 2),
        "hard_pairs": sum(each.hard for each in found.values()),
        "hard_pairs_called_the_same": sum(each.hard_wrong for each in found.values()),
        "similar_copies": {kind: each.similar[0] for kind, each in found.items()},
        "similar_others": {kind: each.similar[1] for kind, each in found.items()},
        "called_the_same": [[names[one], names[other]] for one, other in sorted(called)],
    }


def _twice(photographs: Photographs) -> NDArray[np.bool_]:
    """Originals that are the same photograph: bool [n, n]."""
    at = {path.name: place for place, path in enumerate(photographs.paths)}
    twice = np.zeros((len(photographs), len(photographs)), np.bool_)
    for names in TWICE:
        places = [at[name] for name in names if name in at]
        twice[np.ix_(places, places)] = True
    np.fill_diagonal(twice, val=False)
    return twice


def _imagehash(seen: Mapping[str, Look], twice: NDArray[np.bool_]) -> dict[str, Any]:
    """imagehash with a threshold: our exact hashes are its own, bit for bit."""
    found = {}
    for name in ("phash", "dhash"):
        hashes = {kind: getattr(look, name) for kind, look in seen.items()}
        found[f"imagehash_{name}"] = _at_best(hashes, twice)
    return found


def _check_imagehash(photographs: Photographs, originals: Look) -> None:
    for path, mine in zip(photographs.paths[:20], originals.phash[:20].tolist(), strict=True):
        with Image.open(path) as image:
            theirs = int(str(imagehash.phash(image)), 16)
        if theirs != mine:
            raise AssertionError(f"imagehash has another hash of {path.name}")


def _imagededup(
    folder: Path, images: int, twice: NDArray[np.bool_], say: Callable[[str], None]
) -> dict[str, Any]:
    if not images:
        return {"imagededup": "not asked for"}
    say("imagededup")
    try:
        with tempfile.TemporaryDirectory() as environment:
            found = peers.encode(peers.install(Path(environment)), folder)
    except peers.Missing as why:
        return {"imagededup": f"not measured: {why}"}
    few = twice[:images, :images]
    return {
        "imagededup_photographs": images,
        **{f"imagededup_{name.lower()}": _at_best(each, few) for name, each in found.items()},
        "imagededup_cnn": peers.CNN,
    }


def _at_best(hashes: Mapping[str, NDArray[np.uint64]], twice: NDArray[np.bool_]) -> dict[str, Any]:
    apart = {
        kind: distances(each, hashes[ORIGINAL])
        for kind, each in hashes.items()
        if kind not in (ORIGINAL, MIRRORED, *NOT_COPIES)
    }
    threshold, scores = best_threshold(apart, twice)
    return {"threshold": threshold, **_told(scores)}


def _told(scores: Mapping[str, Score]) -> dict[str, Any]:
    return {
        kind: {"recall": round(each.recall, 4), "precision": round(each.precision, 4)}
        for kind, each in scores.items()
    }
