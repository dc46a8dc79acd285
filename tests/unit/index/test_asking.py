"""An index elsewhere, which takes lists of rows only, finds what one finds that takes masks."""

from dataclasses import dataclass, field

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hundredfold.index.domain import asking
from hundredfold.index.domain.asking import Asked
from tests.contract.index_spaces import blobs, scattered_rows

COUNT, LIMIT = 60, 7
ROWS = scattered_rows(COUNT)
VECTORS = blobs(6, 10).astype(np.float32)
COSINES = VECTORS @ VECTORS.T


@dataclass
class Sorting:
    """Compares all vectors, and answers with rows, as Milvus does."""

    calls: list = field(default_factory=list)
    strangers: int = 0

    def nearest(self, queries, limit, only, share):
        assert limit <= asking.MOST_ASKED
        assert only is None or len(only) <= asking.MOST_NAMED
        self.calls.append((len(queries), limit, share))
        cosines = queries @ VECTORS.T
        if only is not None:
            cosines[:, ~np.isin(ROWS, only)] = -np.inf
        order = np.argsort(-cosines, axis=1, kind="stable")[:, :limit]
        near = np.take_along_axis(cosines, order, axis=1)
        rows = np.where(np.isinf(near), -1, ROWS[order])
        rows[:, : self.strangers] = 2  # of another build
        return rows, np.where(np.isinf(near), 0, near).astype(np.float32)


def truth(allowed, limit=LIMIT):
    cosines = np.where(allowed, COSINES, -np.inf)
    order = np.argsort(-cosines, axis=1, kind="stable")[:, :limit]
    none = np.isinf(np.take_along_axis(cosines, order, axis=1))
    return np.where(none, -1, order)


def found(allowed, limit=LIMIT, remote=None):
    return Asked(remote or Sorting(), ROWS).find(VECTORS, limit, allowed)


@pytest.fixture(autouse=True)
def small(monkeypatch):
    """Limits that sixty rows reach."""
    monkeypatch.setattr(asking, "MOST_NAMED", 8)
    monkeypatch.setattr(asking, "MOST_ASKED", 20)
    monkeypatch.setattr(asking, "_AT_A_TIME", 100)


@given(st.lists(st.booleans(), min_size=COUNT, max_size=COUNT), st.integers(1, 15))
def test_it_finds_what_sorting_the_allowed_finds(allowed, limit):
    allowed = np.array(allowed)
    positions, cosines = found(allowed, limit)
    assert np.array_equal(positions, truth(allowed, limit))
    at = np.maximum(positions, 0)
    exact = np.where(positions >= 0, np.take_along_axis(COSINES, at, axis=1), 0)
    assert np.allclose(cosines, np.clip(exact, -1, 1), atol=1e-6)


def test_few_are_named_and_told_to_be_few():
    remote = Sorting()
    allowed = np.arange(COUNT) < 6
    found(allowed, remote=remote)
    assert {(limit, share) for _, limit, share in remote.calls} == {(6, 0.1)}


def test_of_many_more_are_asked_for_than_are_wanted():
    remote = Sorting()
    allowed = np.arange(COUNT) % 10 > 0
    found(allowed, limit=9, remote=remote)
    assert {(limit, share) for _, limit, share in remote.calls} == {(15, 1)}


def test_all_that_are_allowed_are_named_where_nothing_near_is():
    remote = Sorting()
    allowed = np.arange(COUNT) >= 20  # the nearest of the first vectors are not
    positions, _ = found(allowed, remote=remote)
    assert np.array_equal(positions, truth(allowed))
    assert any(share < 1 for _, _, share in remote.calls)


def test_not_too_much_is_asked_with_one_call():
    remote = Sorting()
    found(None, limit=10, remote=remote)
    assert [queries for queries, _, _ in remote.calls] == [10] * 6


def test_rows_that_are_not_in_the_index_are_passed_over():
    positions, _ = found(None, remote=Sorting(strangers=2))
    assert np.array_equal(positions[:, : LIMIT - 2], truth(np.ones(COUNT, bool))[:, 2:])
    assert (positions[:, LIMIT - 2 :] == -1).all()


def test_nothing_is_asked_where_nothing_is_allowed():
    remote = Sorting()
    positions, cosines = found(np.zeros(COUNT, np.bool_), remote=remote)
    assert (positions == -1).all()
    assert (cosines == 0).all()
    assert not remote.calls
