"""What heads say is the same, said by threads here or by an engine elsewhere: one suite, inherited by every engine."""

import os
import sys
from importlib.util import find_spec

import numpy as np
import pytest

from hundredfold.chassis.engine import engine
from hundredfold.chassis.errors import Aborted
from hundredfold.chassis.storage import layout
from hundredfold.chassis.storage.manifest import Manifest
from hundredfold.chassis.storage.store import ArtifactStore
from hundredfold.training.fitting import Fitter
from hundredfold.training.peers import Labels
from hundredfold.training.scratch import Scratch
from hundredfold.training.spaces import Spaces
from hundredfold.training.spreading import Spread
from hundredfold.training.store import HeadStore
from tests.contract.index_spaces import COLLECTION, SPACE, make_collection, write_space
from tests.contract.test_training_rpc import ROWS, TRUTH, VECTORS
from tests.contract.test_training_rpc_several import write_schema

SAID = np.arange(len(ROWS)) % 8 == 0
REFUSED = np.arange(len(ROWS)) % 8 == 1
MAY_BE = np.arange(len(ROWS)) % 8 == 2


class Ledger:
    """Labels of some images, what some are not, and what some may be."""

    def labels(self, collection):
        rows = ROWS[SAID]
        return Labels(
            1,
            rows,
            TRUTH[SAID],
            np.ones(len(rows), np.uint8),
            ROWS[REFUSED],
            (TRUTH[REFUSED] % 4 + 1).astype(np.int32),
            np.repeat(ROWS[MAY_BE], 2),
            np.tile(np.array([1, 2], np.int32), int(MAY_BE.sum())),
        )


class Replacing:
    """An engine; parts are replaced before it begins."""

    def __init__(self, inner, store):
        self.inner, self.store = inner, store

    def map(self, function, tasks, **options):
        tasks = list(tasks)
        write_space(self.store, VECTORS[::-1], ROWS)
        return self.inner.map(function, tasks, **options)


def fit(root, elsewhere=None, *, several=False, parts_elsewhere=1):
    """The error that a head expects, and the content of its predictions, part by part."""
    store = ArtifactStore(str(root))
    make_collection(store)
    if several:
        write_schema(store)
    write_space(store, VECTORS, ROWS)
    spaces = Spaces(store, dimensions=8, most=1, scratch=Scratch("", 1 << 20), threads=2)
    heads = HeadStore(store, keep=2)
    elsewhere = elsewhere(store) if elsewhere else None
    spread = Spread(store, spaces.workers, elsewhere, parts_elsewhere)
    try:
        card = Fitter(store, spaces, heads, Ledger(), spread).fit(COLLECTION, SPACE, 0)
    finally:
        spaces.workers.shutdown()
    manifest = Manifest.load(store, layout.predictions(COLLECTION, card.model))
    return card.expected_error, {name: each.sha256 for name, each in manifest.entries.items()}


class SpreadContract:
    """What an engine promises of predictions."""

    @pytest.mark.parametrize("several", [False, True], ids=["one class", "several"])
    def test_an_engine_says_what_threads_say(self, tmp_path, several):
        here = fit(tmp_path / "here", several=several)
        there = fit(tmp_path / "there", lambda _: self.engine, several=several)
        assert there == here
        assert len(here[1]) == 2

    def test_a_part_that_was_replaced_since_the_fit_is_not_predicted(self, tmp_path):
        with pytest.raises(Aborted) as error:
            fit(tmp_path, lambda store: Replacing(self.engine, store))
        assert error.value.reason == "ARTIFACT_REPLACED"


class TestLocalEngine(SpreadContract):
    @pytest.fixture(autouse=True)
    def _engine(self):
        with engine("local", 2) as self.engine:
            yield


@pytest.mark.skipif(find_spec("ray") is None, reason="needs hundredfold[ray]")
@pytest.mark.filterwarnings("ignore")  # Ray's own
class TestRayEngine(SpreadContract):
    @pytest.fixture(autouse=True)
    def _engine(self, monkeypatch):
        # The cluster's processes must find this file.
        monkeypatch.setenv("PYTHONPATH", os.pathsep.join(sys.path))
        with engine("ray") as self.engine:
            yield


def test_a_space_of_few_parts_is_predicted_here(tmp_path):
    class Never:
        def map(self, *_, **__):
            raise AssertionError

    assert fit(tmp_path, lambda _: Never(), parts_elsewhere=3)[1]
