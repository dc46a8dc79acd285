"""From labels to what a head learns from."""

from dataclasses import asdict, replace

import numpy as np

from hundredfold.chassis.backbones.cards import ModelCard, Tuned
from hundredfold.chassis.holdout import held_out
from hundredfold.chassis.storage import layout
from hundredfold.chassis.storage.store import ArtifactStore
from hundredfold.training.examples import lesson
from hundredfold.training.peers import Labels
from hundredfold.training.spaces import Spaces

NO_ROWS, NO_CLASSES = np.empty(0, np.int64), np.empty(0, np.int32)
ROWS = np.arange(0, 400, 2)


class Plane:
    """A space of the first thousand images."""

    def holds(self, rows):
        return rows < 1000

    def of(self, rows):
        return np.stack([rows, rows], axis=1).astype(np.float32)

    def sample(self, count):
        return np.arange(0, 1000, max(1, 1000 // count))


def labels(seqs):
    classes = np.ones(len(ROWS), np.int32)
    origins = np.full(len(ROWS), 2, np.uint8)
    return Labels(9, ROWS, classes, origins, NO_ROWS, NO_CLASSES, seqs=seqs)


def test_a_backbone_has_learnt_from_labels_of_its_time_that_were_not_held_out():
    said = labels(np.arange(len(ROWS)))
    learnt = lesson(said, Plane(), learnt_up_to=120).examples.learnt
    assert np.array_equal(learnt, (said.seqs <= 120) & ~held_out(ROWS))
    assert 50 < learnt.sum() < 121


def test_one_that_was_not_fine_tuned_or_of_which_nothing_is_known_has_learnt_from_none():
    assert not len(lesson(labels(np.arange(len(ROWS))), Plane()).examples.learnt)
    assert not len(lesson(labels(NO_ROWS), Plane(), learnt_up_to=120).examples.learnt)


def test_the_card_of_a_backbone_says_up_to_which_label_it_has_learnt(tmp_path):
    store = ArtifactStore(str(tmp_path))
    plain = ModelCard("net@1", 8, 64, 10, "made here", "MIT")
    tuned = replace(plain, model="net@2", tuned=Tuned("net@1", "birds", 77, 300, 60.0))
    for card in (plain, tuned):
        store.write_json(f"{layout.model(card.model)}/{layout.MODEL_CARD}", asdict(card))
    spaces = Spaces(store, dimensions=8, most=1)
    assert spaces.learnt_up_to("birds", "net@2") == 77
    assert spaces.learnt_up_to("owls", "net@2") == 0
    assert spaces.learnt_up_to("birds", "net@1") == 0
    assert spaces.learnt_up_to("birds", "brought@1") == 0
