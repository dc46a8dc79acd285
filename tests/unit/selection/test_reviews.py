"""Labels that look wrong, as the loop keeps them between its rounds."""

from types import SimpleNamespace

import numpy as np
import pytest

from hundredfold.selection.domain.cleaning import Finds, Suspicious
from hundredfold.selection.reviews import Reviews
from tests.unit.selection.pools import labels_of

STATE = SimpleNamespace(collection="birds", space="toy@1", without=())
REVIEWED = 5
ROWS = np.arange(200)


class Judge:
    """Doubts the same labels each time, but those that were looked at again."""

    def __init__(self):
        self.doubted = np.arange(40)

    def suspicious(self, collection, space, most):
        count = len(self.doubted)
        return Suspicious(self.doubted, np.ones(count, np.int32), np.full(count, 0.5, np.float32))


def labels(confirmed=(), changed=(), rows=ROWS):
    classes, origins = np.ones(len(rows), np.int32), np.full(len(rows), 2, np.uint8)
    classes[np.isin(rows, changed)] = 2
    origins[np.isin(rows, confirmed)] = REVIEWED
    return labels_of(rows, classes, origins)


def test_what_was_confirmed_makes_the_others_less_suspicious():
    reviews = Reviews(Judge())
    assert (reviews.current(STATE, labels()).wrong == 0.5).all()
    left = reviews.current(STATE, labels(confirmed=range(16)))
    assert left.rows.tolist() == list(range(16, 40))
    assert left.wrong == pytest.approx(0.5 * 4 / (4 + 8))


def test_what_was_found_wrong_keeps_them_suspicious():
    reviews = Reviews(Judge())
    reviews.current(STATE, labels())
    left = reviews.current(STATE, labels(confirmed=range(8), changed=range(8, 16)))
    assert left.wrong == pytest.approx(0.5)
    # More than was expected makes nothing likelier than it was said to be.
    assert Finds(2.0, 10).trust == 1


def test_what_was_learnt_outlasts_the_list():
    judge = Judge()
    reviews = Reviews(judge)
    reviews.current(STATE, labels())
    judge.doubted = np.arange(100, 120)
    more = labels(confirmed=range(16), rows=np.arange(240))
    assert reviews.current(STATE, more).rows.tolist() == judge.doubted.tolist()
    assert reviews.current(STATE, more).wrong == pytest.approx(0.5 * 4 / (4 + 8))
