"""Fine-tuned spaces and backbones go when nobody refers to them, by what the services really write."""

import logging
import shutil
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from hundredfold.chassis.backbones.cards import Tuned
from hundredfold.chassis.backbones.repository import ModelRepository
from hundredfold.chassis.runs import Runs, State
from hundredfold.chassis.sources import Sources
from hundredfold.chassis.storage import layout
from hundredfold.chassis.storage.store import ArtifactStore
from hundredfold.embedding.backends.onnx import OnnxBackend
from hundredfold.embedding.embedder import Embedder
from hundredfold.embedding.precision import Precisions
from hundredfold.embedding.provision import Models
from hundredfold.embedding.space_job import KIND, EmbedCollection
from hundredfold.selection.state import BackboneRound, Comparison, LoopState, Tuning
from hundredfold.selection.store import SelectionStore
from hundredfold.training.store import Card, HeadStore
from tests.contract.embedding_fixtures import (
    COLOUR,
    plain,
    publish_colour,
    put_collection,
    write_images,
)
from tests.contract.index_spaces import write_space

ROWS = np.arange(4)
VECTORS = np.full((4, 3), 0.5774, np.float16)


class Shop:
    """A store with a collection, the backbone that it began with, and some fine-tuned ones."""

    def __init__(self, root: Path) -> None:
        self.store = ArtifactStore(str(root / "store"))
        publish_colour(self.store, root)
        self.repository = ModelRepository(self.store)
        files = {f"{row}.png": plain(row, 2 * row, 3 * row) for row in range(1, 5)}
        for name in ("birds", "fish"):
            put_collection(self.store, name, write_images(root, files))
        self.embedder = Embedder(OnnxBackend(self.repository, threads=1), decoders=1)
        models = Models(self.repository, self.store.root, COLOUR.model)
        job = EmbedCollection(
            self.store, models, Sources((str(root),)), Precisions(self.embedder), keep_tuned=2
        )
        self.runs = Runs(self.store, "embedding", {KIND: job})
        self.have_space(COLOUR.model)

    def have_space(self, model: str, collection: str = "birds") -> None:
        write_space(self.store, VECTORS, ROWS, collection=collection, space=model)

    def tune(self, *versions: int, name: str = "colour-birds", collection: str = "birds") -> None:
        """Publish versions that were fine-tuned on a collection, and give it spaces of them."""
        for version in versions:
            model = f"{name}@{version}"
            tuned = Tuned(COLOUR.model, collection, 10 * version, 100, 1.0)
            card = replace(COLOUR, model=model, recipe="colour", tuned=tuned)
            self.repository.publish(card, self.repository.file(COLOUR.model))
            self.have_space(model, collection)

    def embed(self, model: str = COLOUR.model, collection: str = "birds") -> None:
        run = self.runs.start(
            KIND, collection, {"model": model, "duplicates": ""}, request_id=f"{model} {collection}"
        )
        ended = self.runs.wait(run.run_id, 60)
        assert ended.state == State.SUCCEEDED, ended.error

    def spaces(self, collection: str = "birds") -> set[str]:
        return set(self.store.list(layout.all_vectors(collection)))

    def backbones(self) -> set[str]:
        return {card.model for card in self.repository.cards()}

    def loop(self, *spaces: str, tuning: Tuning | None = None) -> None:
        """A loop that began in the first space and works in the last."""
        rounds = tuple(
            BackboneRound(before, after, 1, 1, Comparison(), True, "", 1.0, 1.0)
            for before, after in pairwise(spaces)
        )
        settings = {"expected_classes": 2, "page_size": 12, "policy": "margin", "seed": 0}
        state = LoopState("birds", spaces[-1], request_id="r", **settings)  # type: ignore[arg-type]
        state = replace(state, backbone_rounds=rounds, tuning=tuning or Tuning())
        SelectionStore(self.store).save(state)

    def close(self) -> None:
        self.runs.close()
        self.embedder.close()


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    shop = Shop(tmp_path)
    yield shop
    shop.close()


def versions(*numbers: int, name: str = "colour-birds") -> set[str]:
    return {f"{name}@{number}" for number in numbers}


def test_the_newest_two_the_one_in_use_and_the_first_of_all_stay(
    shop: Shop, caplog: pytest.LogCaptureFixture
) -> None:
    shop.tune(1, 2, 3, 4, 5)
    shop.loop(COLOUR.model, "colour-birds@1", "colour-birds@2")
    with caplog.at_level(logging.INFO, "hundredfold.embedding.tidying"):
        shop.embed()
    kept = {COLOUR.model, *versions(2, 4, 5)}
    assert shop.spaces() == shop.backbones() == kept
    assert "colour-birds@3 is not needed any more" in caplog.text


def test_what_a_loop_compares_and_what_a_head_is_of_stays(shop: Shop) -> None:
    shop.tune(*range(1, 8))
    shop.loop(COLOUR.model, tuning=Tuning(before="colour-birds@1", after="colour-birds@2"))
    card = Card(
        *("head-birds@1", "birds", "colour-birds@3", 1, 1, [1]),
        *(1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, "v"),
    )
    weights = np.zeros((1, 3), np.float32)
    HeadStore(shop.store, keep=5).publish(card, weights, np.zeros(1, np.float32))
    shop.embed()
    assert shop.spaces() == {COLOUR.model, *versions(1, 2, 3, 6, 7)}


def test_where_a_loop_began_in_a_fine_tuned_space_that_stays(shop: Shop) -> None:
    shop.tune(1, 2, 3, 4)
    shop.tune(5, 6)
    shop.loop("colour-birds@1", "colour-birds@2", "colour-birds@3")
    shop.embed()
    assert shop.spaces() == {COLOUR.model, *versions(1, 3, 5, 6)}


def test_the_one_that_is_being_embedded_stays(shop: Shop) -> None:
    shop.tune(1, 2, 3)
    shop.embed("colour-birds@1")
    assert shop.spaces() == {COLOUR.model, *versions(1, 2, 3)}


def test_a_backbone_that_another_collection_uses_stays_without_its_space_here(shop: Shop) -> None:
    shop.tune(1, 2, 3)
    shop.have_space("colour-birds@1", "fish")
    shop.embed()
    assert shop.spaces() == {COLOUR.model, *versions(2, 3)}
    assert shop.backbones() == {COLOUR.model, *versions(1, 2, 3)}


def test_what_others_made_is_left_alone(shop: Shop) -> None:
    shop.tune(1, 2, 3, name="colour-fish", collection="fish")
    shop.embed()
    assert shop.backbones() == {COLOUR.model, *versions(1, 2, 3, name="colour-fish")}
    assert shop.spaces("fish") == versions(1, 2, 3, name="colour-fish")


def test_the_newest_version_of_a_name_stays_so_that_it_is_given_once(shop: Shop) -> None:
    shop.tune(1, name="colour-birds-64px")
    shop.tune(2, 3, 4)
    shop.embed()
    kept = versions(3, 4) | {"colour-birds-64px@1"}
    assert shop.backbones() == {COLOUR.model, *kept}
    assert shop.repository.next_tuned("colour", "birds", 32) == "colour-birds@5"


def test_a_card_that_is_damaged_or_gone_keeps_nothing_from_being_embedded(shop: Shop) -> None:
    shop.tune(1, 2, 3)
    shutil.rmtree(Path(shop.store.root) / layout.vectors("birds", "colour-birds@1"))
    shop.embed()
    assert shop.backbones() == {COLOUR.model, *versions(2, 3)}
