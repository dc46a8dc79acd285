import numpy as np
import pytest

from hundredfold.chassis.backbones.cards import ModelCard
from hundredfold.chassis.errors import Conflict
from hundredfold.embedding.backends.golden import check_golden, golden_images

CARD = ModelCard("birds@2", 8, 16, 0, "", "")


@pytest.fixture
def expected() -> np.ndarray:
    vectors = np.random.default_rng(0).normal(size=(4, 8)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def test_golden_images_are_the_same_each_time_and_differ_from_one_another() -> None:
    images = golden_images(32)
    assert (images.shape, images.dtype) == ((4, 32, 32, 3), np.uint8)
    np.testing.assert_array_equal(images, golden_images(32))
    assert len(np.unique(images.reshape(4, -1), axis=0)) == 4


def test_vectors_of_any_length_in_the_same_directions_pass(expected: np.ndarray) -> None:
    assert check_golden(CARD, expected, 3 * expected) == pytest.approx(1)


def test_one_vector_that_is_off_is_enough(expected: np.ndarray) -> None:
    off = expected.copy()
    off[2] = off[2, ::-1]
    with pytest.raises(Conflict, match="birds@2") as refused:
        check_golden(CARD, expected, off)
    assert refused.value.reason == "GOLDEN_VECTORS_DIFFER"


def test_a_nan_does_not_pass(expected: np.ndarray) -> None:
    off = expected.copy()
    off[1, 1] = np.nan
    with pytest.raises(Conflict):
        check_golden(CARD, expected, off)
