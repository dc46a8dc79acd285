"""What fine-tuning is worth at equal labels: `hundredfold bench finetune`.

    hundredfold bench finetune --json --option folder=DATA --option store=STORE --option seeds=1

Labels so many random images of a collection, has the running services fine-tune a backbone on them and embed all
images with it, and fits the same logistic regression on the same labels in the space before and in the new one.
Told is its accuracy on the images that are left, and the purity of clusters (k-means, 10 a class). Each time the
training begins from the backbone that the collection was embedded with. `folder` is as for `bench loop`.
"""

import csv
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.cluster import KMeans
from sklearn.linear_model import LogisticRegression

from hundredfold.chassis.storage import layout
from hundredfold.chassis.storage.store import ArtifactStore
from hundredfold.client import Client
from hundredfold.client.simulation import Known
from tests.benchmarks.looping.bringing_in import bring_in, folder_of, numbers, system
from tests.benchmarks.looping.rows import SOURCES, Source, chosen

LABELS = {"clothing": 800, "caltech101": 1_000, "cifar10": 2_000}
_STRENGTH, _STEPS = 30.0, 500  # of the logistic regression: C, and iterations of L-BFGS
_CLUSTERS_A_CLASS = 10
Say = Callable[[str], None]


def measure(
    say: Say,
    *,
    folder: str = "",
    store: str = "",
    collections: str = "clothing,cifar10",
    labels: str = "0",
    seeds: str = "1",
    seconds: str = "600",
) -> dict[str, Any]:
    """Measure each collection with each seed.

    Args:
        say: tells how far it is.
        folder: of the collections.
        store: of the services; a temporary one when empty.
        collections: names, separated by commas.
        labels: to learn from; 0 = as many as the collection has in `LABELS`.
        seeds: as for `bench loop`.
        seconds: of training at most.
    """
    root = folder_of(folder)
    sources = chosen(collections, SOURCES)
    with system(store, root) as (client, place):
        bench = Bench(client, place, int(seconds), say)
        return {
            "cases": [
                bench.run(root, source, int(labels) or LABELS[source.name], seed)
                for source in sources
                if not source.reason_to_skip(root)
                for seed in numbers(seeds)
            ]
        }


class Bench:
    """Runs single cases."""

    def __init__(self, client: Client, place: Path, seconds: int, say: Say) -> None:
        self._client = client
        self._place = place
        self._store = ArtifactStore(str(place))
        self._seconds = seconds
        self._say = say

    def run(self, root: Path, source: Source, labels: int, seed: int) -> dict[str, Any]:
        """One collection, with one draw of labels."""
        name = source.name
        known, before = bring_in(self._client, name, root / name, source, find_copies=True)
        rows, _ = self._vectors(name, before)
        drawn = np.random.default_rng(seed).choice(
            rows[known.truth[rows] > 0], labels, replace=False
        )
        self._label(name, known, drawn)
        self._say(f"{name}, seed {seed}: training on {labels} labels")
        began = time.monotonic()
        asked = self._client.training.train(name, space=before, seconds=self._seconds, seed=seed)
        trained = self._client.training.runs.wait(asked.run_id)
        wall = time.monotonic() - began
        after = str(trained.result["model"])
        self._say(f"{name}, seed {seed}: embedding with {after}")
        embedding = self._client.embedding
        embedding.runs.wait(embedding.embed_collection(name, model=after).run_id)
        spaces = {
            "before": self._judged(name, before, known, drawn),
            "after": self._judged(name, after, known, drawn),
        }
        gain = spaces["after"]["accuracy"] - spaces["before"]["accuracy"]
        told = ("labels", "unlabelled", "steps", "seconds")
        return {
            "collection": name,
            "seed": seed,
            "labelled": labels,
            "training": {each: trained.result[each] for each in told}
            | {"wall_seconds": round(wall, 1)},
            **spaces,
            "points_gained": round(100 * gain, 1),
        }

    def _label(self, collection: str, known: Known, rows: NDArray[np.int64]) -> None:
        """Give the images their true labels, and take all others away."""
        names = {
            each.class_id: each.name for each in self._client.catalog.schema(collection).in_use
        }
        file = self._place.parent / f"{collection}-truth.csv"
        with file.open("w", encoding="utf-8", newline="") as out:
            lines = csv.writer(out)
            lines.writerow(["row", "label"])
            lines.writerows([row, names[int(known.truth[row])]] for row in rows.tolist())
        self._client.labels.clear(collection)
        run = self._client.labels.import_(collection, str(file), "csv")
        self._client.labels.runs.wait(run.run_id)

    def _judged(
        self, collection: str, space: str, known: Known, drawn: NDArray[np.int64]
    ) -> dict[str, Any]:
        """What the vectors of a space are worth."""
        rows, vectors = self._vectors(collection, space)
        kept = known.truth[rows] > 0
        rows, vectors = rows[kept], vectors[kept]
        classes, taught = known.truth[rows], np.isin(rows, drawn)
        head = LogisticRegression(C=_STRENGTH, max_iter=_STEPS).fit(
            vectors[taught], classes[taught]
        )
        clusters = KMeans(_CLUSTERS_A_CLASS * known.classes, n_init=1, random_state=0).fit_predict(
            vectors
        )
        pure = sum(np.bincount(classes[clusters == each]).max() for each in np.unique(clusters))
        return {
            "space": space,
            "accuracy": round(float(head.score(vectors[~taught], classes[~taught])), 4),
            "images": int((~taught).sum()),
            "purity": round(float(pure / len(rows)), 4),
        }

    def _vectors(
        self, collection: str, space: str
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Rows, and unit vectors: float32 [n, d]."""
        folder = layout.vectors(collection, space)
        names = self._store.list(folder)
        parts = sorted(
            name.removesuffix(".rows.npy") for name in names if name.endswith(".rows.npy")
        )
        rows = [self._store.read_array(f"{folder}/{part}.rows.npy") for part in parts]
        vectors = [self._store.read_array(f"{folder}/{part}.npy") for part in parts]
        made = np.concatenate(vectors).astype(np.float32)
        return np.concatenate(rows), made / np.linalg.norm(made, axis=1, keepdims=True)
