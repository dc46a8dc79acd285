"""Precisions: chosen by what is measured on a collection's images, noted with the space, never mixed."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from hundredfold.chassis.backbones.cards import ModelCard
from hundredfold.chassis.backbones.preprocessing import PREPROCESSING
from hundredfold.chassis.backbones.repository import ModelRepository
from hundredfold.chassis.runs import Run, Runs, State
from hundredfold.chassis.sources import Sources
from hundredfold.chassis.storage import layout
from hundredfold.chassis.storage.manifest import Manifest
from hundredfold.chassis.storage.store import ArtifactStore
from hundredfold.embedding.backends.base import Check, unchecked
from hundredfold.embedding.backends.onnx import OnnxBackend
from hundredfold.embedding.embedder import Embedder
from hundredfold.embedding.precision import Precisions
from hundredfold.embedding.provision import Models
from hundredfold.embedding.space_job import KIND, EmbedCollection
from tests.contract.embedding_fixtures import (
    COLOUR,
    plain,
    publish_colour,
    put_collection,
    write_images,
)

FOLDER = layout.vectors("birds", COLOUR.model)
IMAGES = 150


class Coarse(OnnxBackend):
    """The real backend with vectors that are a little off, as those of fewer bits are; counts images."""

    def __init__(self, repository: ModelRepository, off: float = 0) -> None:
        super().__init__(repository, threads=1)
        self.images = 0
        self._off = off

    def embed(
        self,
        card: ModelCard,
        images: NDArray[np.uint8],
        *,
        seconds: float,
        check: Check = unchecked,
    ) -> NDArray[np.float32]:
        self.images += len(images)
        vectors = super().embed(card, images, seconds=seconds, check=check)
        noise = np.random.default_rng(int(images.sum())).normal(size=vectors.shape)
        return vectors + np.float32(self._off) * noise.astype(np.float32)


class Bench:
    """The job on a collection of many colours, with and without a backend for bf16."""

    def __init__(self, root: Path) -> None:
        self.store = ArtifactStore(str(root / "store"))
        self.root = root
        publish_colour(self.store, root)
        self.repository = ModelRepository(self.store)
        self.grow(IMAGES)
        self.requests = 0

    def grow(self, images: int) -> None:
        colours = np.random.default_rng(0).integers(1, 256, (images, 3)).tolist()
        files = {f"{row}.png": plain(*colour) for row, colour in enumerate(colours)}
        put_collection(self.store, "birds", write_images(self.root, files))

    def run(self, off: float | None = None, wanted: str = "auto", worth: int = 0) -> Run:
        """Embed with a backend for bf16 that is so far off, or with none."""
        backends = [
            Coarse(self.repository),
            *([] if off is None else [Coarse(self.repository, off)]),
        ]
        precisions = Precisions(
            *(Embedder(each, decoders=1) for each in backends), wanted=wanted, worth=worth
        )
        models = Models(self.repository, self.store.root, COLOUR.model)
        job = EmbedCollection(self.store, models, Sources((str(self.root),)), precisions)
        runs = Runs(self.store, "embedding", {KIND: job})
        self.requests += 1
        run = runs.start(
            KIND, "birds", {"model": COLOUR.model, "duplicates": ""}, request_id=str(self.requests)
        )
        run = runs.wait(run.run_id, 60)
        runs.close()
        precisions.close()
        self.seen = [backend.images for backend in backends]
        return run

    def noted(self) -> dict[str, Any]:
        return dict(Manifest.load(self.store, FOLDER).meta)


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    return Bench(tmp_path)


def test_bf16_that_agrees_is_chosen_and_the_measurement_is_kept(bench: Bench) -> None:
    run = bench.run(off=1e-5)
    assert (run.result["precision"], run.result["vectors"]) == ("bf16", IMAGES)
    noted = bench.noted()
    assert noted["precision"] == "bf16"
    assert noted["agreement"]["images"] == IMAGES
    assert 0.97 <= noted["agreement"]["overlap"] <= 1
    assert 0.999 <= noted["agreement"]["cosine"] <= 1.001
    assert bench.seen == [IMAGES, 2 * IMAGES]


def test_bf16_that_disagrees_is_not_chosen_and_not_measured_again(bench: Bench) -> None:
    assert bench.run(off=0.2).result["precision"] == "float32"
    assert bench.noted()["agreement"]["cosine"] < 0.999
    bench.grow(IMAGES + 10)
    assert bench.run(off=1e-5).result["precision"] == "float32"
    assert bench.seen == [10, 0]


def test_a_small_collection_is_not_worth_measuring(bench: Bench) -> None:
    assert bench.run(off=1e-5, worth=IMAGES + 1).result["precision"] == "float32"
    assert bench.noted()["agreement"] is None
    assert bench.seen == [IMAGES, 0]


def test_a_space_goes_on_in_the_precision_that_it_was_begun_in(bench: Bench) -> None:
    bench.run(off=1e-5)
    measured = bench.noted()["agreement"]
    bench.grow(IMAGES + 10)
    assert bench.run(off=0.2).result["precision"] == "bf16"
    assert bench.seen == [0, 10]
    assert bench.noted()["agreement"] == measured


@pytest.mark.parametrize("wanted", ["auto", "float32"])
def test_bf16_vectors_get_no_float32_among_them(bench: Bench, wanted: str) -> None:
    bench.run(off=1e-5)
    bench.grow(IMAGES + 10)
    before = Manifest.load(bench.store, FOLDER).version
    run = bench.run(wanted=wanted)
    assert run.state == State.FAILED
    assert "begun in bf16 and this service embeds in float32" in run.error
    assert Manifest.load(bench.store, FOLDER).version == before


def test_float32_vectors_get_no_bf16_among_them(bench: Bench) -> None:
    bench.run(wanted="float32")
    bench.grow(IMAGES + 10)
    run = bench.run(off=1e-5, wanted="bf16")
    assert run.state == State.FAILED
    assert "begun in float32 and this service embeds in bf16" in run.error


@pytest.mark.parametrize("noted", [{}, {"preprocessing": PREPROCESSING + 1}])
def test_vectors_of_another_preprocessing_get_none_of_this_among_them(
    bench: Bench, noted: dict[str, int]
) -> None:
    bench.run(wanted="float32")
    manifest = Manifest.load(bench.store, FOLDER)
    meta = {"model": COLOUR.model, "dimensions": 3, "precision": "float32", **noted}
    Manifest(bench.store, FOLDER, manifest.entries, meta).save()
    before = Manifest.load(bench.store, FOLDER).version
    bench.grow(IMAGES + 10)
    run = bench.run(wanted="float32")
    assert run.state == State.FAILED
    told = noted.get("preprocessing", 1)
    assert f"preprocessing {told} and this service has {PREPROCESSING}" in run.error
    assert Manifest.load(bench.store, FOLDER).version == before


def test_insisting_on_bf16_that_disagrees_is_refused_with_what_was_measured(bench: Bench) -> None:
    run = bench.run(off=0.2, wanted="bf16")
    assert run.state == State.FAILED
    assert "bf16 does not agree with float32: cosine 0.9" in run.error
    assert not bench.store.exists(FOLDER)
