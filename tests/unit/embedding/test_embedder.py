"""How images get into batches and batches to a backend, with a backend that the test holds."""

import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import pytest
from numpy.typing import NDArray

from hundredfold.chassis.backbones.cards import ModelCard
from hundredfold.chassis.errors import ResourceExhausted
from hundredfold.chassis.testing import wait_for
from hundredfold.embedding.backends.base import BATCH_TOO_LARGE, Check, unchecked
from hundredfold.embedding.embedder import Embedder
from tests.contract.embedding_fixtures import COLOUR, plain

DECODERS = 1


@dataclass
class Changing:
    """A pace that the test changes."""

    images: int = 4
    calls: int = 2
    most_images: int = 16
    most_calls: int = 4


@dataclass
class Stand:
    """A backend that gives each image its mean colour, once the test lets it.

    Attributes:
        most: calls with more images are refused as too large.
        sizes: images of each call that was answered.
        inside: calls at work.
    """

    pace: Changing = field(default_factory=Changing)
    most: int = 64
    sizes: list[int] = field(default_factory=list)
    inside: int = 0
    goes_on: threading.Event = field(default_factory=threading.Event)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def embed(
        self,
        card: ModelCard,
        images: NDArray[np.uint8],
        *,
        seconds: float,
        check: Check = unchecked,
    ) -> NDArray[np.float32]:
        with self._lock:
            self.inside += 1
        try:
            while not self.goes_on.wait(0.05):
                check()
        finally:
            with self._lock:
                self.inside -= 1
        if len(images) > self.most:
            raise ResourceExhausted("too large", reason=BATCH_TOO_LARGE)
        with self._lock:
            self.sizes.append(len(images))
        return images.mean(axis=(1, 2)).astype(np.float32)

    def ready(self, cards: Sequence[ModelCard]) -> set[str]:
        return {card.model for card in cards}

    def close(self) -> None:
        self.goes_on.set()


@pytest.fixture
def stand() -> Stand:
    return Stand()


@pytest.fixture
def embedder(stand: Stand) -> Iterator[Embedder]:
    embedder = Embedder(stand, DECODERS)
    yield embedder
    stand.goes_on.set()
    embedder.close()


def colours(images: int) -> NDArray[np.int64]:
    return np.random.default_rng(0).integers(1, 256, (images, 3))


def encoded(images: int) -> list[bytes]:
    return [plain(*colour) for colour in colours(images).tolist()]


def expected(images: int) -> NDArray[np.float64]:
    vectors = colours(images).astype(float)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


class Counted:
    """Images that tell how many of them were taken."""

    def __init__(self, images: Sequence[bytes]) -> None:
        self.taken = 0
        self._images = images

    def __iter__(self) -> Iterator[bytes]:
        for image in self._images:
            self.taken += 1
            yield image


def test_no_more_images_are_decoded_than_workers_and_their_batches(
    stand: Stand, embedder: Embedder
) -> None:
    tasks = [Counted(encoded(16)) for _ in range(12)]
    done: list[int] = []

    def consume() -> None:
        results = embedder.in_order(lambda task: embedder.embed_batch(COLOUR, task), tasks)
        done.extend(len(each.vectors) for each in results)

    consumer = threading.Thread(target=consume)
    consumer.start()
    workers = DECODERS + stand.pace.calls
    wait_for(lambda: sum(task.taken for task in tasks) == workers * stand.pace.images)
    assert stand.inside <= stand.pace.calls
    stand.goes_on.set()
    consumer.join(30)
    assert done == [16] * 12
    assert set(stand.sizes) == {4}


def test_a_pace_that_changes_is_kept_to_from_the_next_batch_on(
    stand: Stand, embedder: Embedder
) -> None:
    stand.goes_on.set()
    assert len(embedder.embed_batch(COLOUR, encoded(8)).vectors) == 8
    stand.pace.images = 8
    embedder.embed_batch(COLOUR, encoded(24))
    assert stand.sizes == [4, 4, 8, 8, 8]


def test_more_calls_are_at_work_as_soon_as_the_pace_allows(
    stand: Stand, embedder: Embedder
) -> None:
    results = embedder.in_order(
        lambda task: embedder.embed_batch(COLOUR, task), [encoded(4) for _ in range(8)]
    )
    consumer = threading.Thread(target=lambda: list(results))
    consumer.start()
    wait_for(lambda: stand.inside == 2)
    stand.pace.calls = 4
    wait_for(lambda: stand.inside == 4)
    stand.goes_on.set()
    consumer.join(30)


def test_images_that_can_t_be_decoded_leave_batches_full_and_vectors_in_place(
    stand: Stand, embedder: Embedder
) -> None:
    stand.goes_on.set()
    images = encoded(10)
    images[1] = images[3] = b"no image"
    found = embedder.embed_batch(COLOUR, images)
    assert stand.sizes == [4, 4]
    assert sorted(found.failures) == [1, 3]
    good = [0, 2, *range(4, 10)]
    np.testing.assert_allclose(found.vectors[good], expected(10)[good], atol=1e-5)
    assert not found.vectors[[1, 3]].any()


def test_a_batch_that_is_too_large_for_the_server_is_cut_in_two_until_it_fits(
    stand: Stand, embedder: Embedder
) -> None:
    stand.goes_on.set()
    stand.pace.images, stand.most = 16, 3
    found = embedder.embed_batch(COLOUR, encoded(16))
    np.testing.assert_allclose(found.vectors, expected(16), atol=1e-5)
    assert stand.sizes == [2] * 8


def test_an_image_alone_that_is_too_large_is_refused(stand: Stand, embedder: Embedder) -> None:
    stand.goes_on.set()
    stand.most = 0
    with pytest.raises(ResourceExhausted):
        embedder.embed_batch(COLOUR, encoded(2))


class Stop(Exception):
    """What the check of a cancelled run raises."""


def test_a_check_ends_calls_places_and_tasks_that_wait(stand: Stand, embedder: Embedder) -> None:
    stopping = threading.Event()

    def check() -> None:
        if stopping.is_set():
            raise Stop

    def task(images: Sequence[bytes]) -> None:
        embedder.embed_batch(COLOUR, images, check=check)

    ended = threading.Event()

    def consume() -> None:
        with pytest.raises(Stop):
            list(embedder.in_order(task, [encoded(8) for _ in range(20)], check))
        ended.set()

    consumer = threading.Thread(target=consume)
    consumer.start()
    wait_for(lambda: stand.inside == 2)
    stopping.set()
    assert ended.wait(10)
    consumer.join()
    assert (stand.inside, stand.sizes) == (0, [])
