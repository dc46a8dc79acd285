import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from numpy.typing import NDArray

from hundredfold.embedding.domain.vectors import PartVectors, unit_vectors, wanted_rows

ROWS = st.sets(st.integers(0, 50)).map(lambda rows: np.array(sorted(rows), np.int64))


def part(rows: NDArray[np.int64]) -> PartVectors:
    """A part whose vectors tell their row."""
    return PartVectors(rows, np.stack([rows, -rows], axis=1).astype(np.float16))


@given(arrays.arrays(np.float32, (5, 4), elements=st.floats(width=32)))
def test_what_is_stored_has_length_one_and_all_else_is_refused(raw: NDArray[np.float32]) -> None:
    vectors, good = unit_vectors(raw)
    assert np.isfinite(vectors).all()
    np.testing.assert_allclose(np.linalg.norm(vectors[good], axis=1), 1, atol=1e-5)
    assert not vectors[~good].any()


@pytest.mark.parametrize(
    "bad",
    [
        [np.nan, 1, 0],
        [np.inf, 1, 0],
        [-np.inf, 1, 0],
        [0, 0, 0],
        [1e-30, 0, 0],
    ],
)
def test_a_vector_without_a_direction_is_refused_and_its_neighbours_are_not(
    bad: list[float],
) -> None:
    vectors, good = unit_vectors(np.array([[3, 4, 0], bad, [0, 0, 2]], np.float32))
    assert good.tolist() == [True, False, True]
    np.testing.assert_allclose(vectors, [[0.6, 0.8, 0], [0, 0, 0], [0, 0, 1]], atol=1e-6)


def test_a_huge_vector_has_a_direction() -> None:
    vectors, good = unit_vectors(np.array([[3e38, 3e38, 0]], np.float32))
    assert good.all()
    np.testing.assert_allclose(vectors, [[0.5**0.5, 0.5**0.5, 0]], atol=1e-6)


def test_no_vectors_are_no_error() -> None:
    vectors, good = unit_vectors(np.empty((0, 7), np.float32))
    assert vectors.shape == (0, 7)
    assert good.shape == (0,)


@given(ROWS, ROWS)
def test_what_is_kept_and_what_is_missing_are_together_what_is_wanted(
    have: NDArray[np.int64], wanted: NDArray[np.int64]
) -> None:
    kept = part(have).only(wanted)
    missing = kept.missing(wanted)
    whole = kept.with_more(part(missing))
    np.testing.assert_array_equal(whole.rows, wanted)
    np.testing.assert_array_equal(whole.vectors, part(wanted).vectors)


def test_a_part_that_keeps_all_it_has_is_not_copied() -> None:
    whole = part(np.arange(4))
    assert whole.only(np.arange(9)) is whole


def test_without_duplicates_every_readable_row_is_wanted() -> None:
    ok = np.array([0, 2, 5])
    np.testing.assert_array_equal(wanted_rows(ok, None), ok)


def test_with_duplicates_only_representatives_that_are_known_are_wanted() -> None:
    representative = np.array([0, 0, 2, -1, 2, 5])
    ok = np.array([0, 1, 2, 4, 5, 6, 7])
    assert wanted_rows(ok, representative).tolist() == [0, 2, 5]
