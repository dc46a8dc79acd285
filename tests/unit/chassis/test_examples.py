"""What the vectors of a model that is to be published must be like."""

import numpy as np
import pytest

from hundredfold.chassis.backbones.examples import check_agreement, check_vectors, examples

GOOD = np.eye(4, 6, dtype=np.float32)


def test_examples_differ_from_one_another_and_are_the_same_each_time() -> None:
    first, again = examples(32), examples(32)
    assert first.shape == (4, 32, 32, 3)
    assert first.dtype == np.uint8
    assert (first == again).all()
    assert len({each.tobytes() for each in first}) == 4


def test_good_vectors_pass() -> None:
    check_vectors(GOOD, 4)
    check_agreement(GOOD, 2 * GOOD)


@pytest.mark.parametrize(
    ("vectors", "words"),
    [
        (GOOD[None], "shape"),
        (GOOD[:3], "4 images became shape"),
        (GOOD[:, :1], "1 dimensions"),
        (np.ones((4, 8193), np.float32), "8193 dimensions"),
        (np.full((4, 6), np.nan), "not finite"),
        (np.ones((4, 6)) * [[1], [2], [3], [4]], "the same vector"),
    ],
)
def test_what_can_be_no_vectors_is_refused(vectors: np.ndarray, words: str) -> None:
    with pytest.raises(RuntimeError, match=words):
        check_vectors(vectors, 4)


@pytest.mark.parametrize("other", [-GOOD, np.roll(GOOD, 1, axis=1), 0 * GOOD, np.nan * GOOD])
def test_vectors_that_point_elsewhere_are_refused(other: np.ndarray) -> None:
    with pytest.raises(RuntimeError, match="cosine"):
        check_agreement(GOOD, other)
