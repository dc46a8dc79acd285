"""Images on their way into training, and which of them."""

import io

import numpy as np
import pytest
from PIL import Image

from hundredfold.chassis.backbones.preprocessing import MARGIN
from hundredfold.chassis.errors import Unavailable
from hundredfold.chassis.sources import Sources
from hundredfold.chassis.storage import layout
from hundredfold.chassis.storage.store import ArtifactStore
from hundredfold.training.finetune.data import Squares, rows_at_random, short_side, uris_of
from hundredfold.training.finetune.recipe import FineTuneRecipe
from hundredfold.training.finetune.task import Task, TaskLabels
from tests.contract.embedding_fixtures import put_collection
from tests.contract.index_spaces import unit, write_space

SIDE = 16 + MARGIN


def picture(seed):
    small = np.random.default_rng(seed).integers(0, 256, (3, 4, 3), dtype=np.uint8)
    out = io.BytesIO()
    Image.fromarray(small).resize((80, 60), Image.Resampling.BICUBIC).save(out, "PNG")
    return out.getvalue()


@pytest.fixture
def uris(tmp_path):
    folder = tmp_path / "images"
    folder.mkdir()
    for number in range(40):
        (folder / f"{number}.png").write_bytes(picture(number))
    return [str(folder / f"{number}.png") for number in range(40)]


def filled(folder, uris, told=lambda done: None):
    squares = Squares(folder, "some", len(uris), 16)
    squares.fill(uris, Sources((str(folder),)), 2, told)
    return squares


def test_bad_images_are_left_out(tmp_path, uris):
    (tmp_path / "images" / "3.png").write_bytes(b"no image")
    uris[5], uris[7] = "", "/etc/hostname"
    told = []
    squares = filled(tmp_path, uris, told.append)
    assert squares.good.tolist() == [i for i in range(40) if i not in {3, 5, 7}]
    assert max(told) == 40


def test_what_is_decoded_is_not_decoded_again(tmp_path, uris):
    first = filled(tmp_path, uris).centres(np.arange(40))
    for number in range(40):
        (tmp_path / "images" / f"{number}.png").unlink()
    again = filled(tmp_path, uris)
    assert len(again.good) == 40
    np.testing.assert_array_equal(again.centres(np.arange(40)), first)


def test_images_that_are_away_wait_for_the_next_time(tmp_path, uris):
    class Away(Sources):
        def read_many(self, uris, *, limit=0):
            return iter([Unavailable("away")] * len(uris))

    squares = Squares(tmp_path, "some", 40, 16)
    with pytest.raises(Unavailable):
        squares.fill(uris, Away(()), 1, lambda done: None)
    assert len(filled(tmp_path, uris).good) == 40


def test_crops_lie_within_the_square_and_every_second_is_mirrored(tmp_path, uris):
    squares = filled(tmp_path, uris)
    dice = np.random.default_rng(0)
    places = dice.integers(0, 40, 200)
    crops = squares.crops(places, dice)
    assert crops.shape == (200, 16, 16, 3)
    whole = np.asarray(np.memmap(tmp_path / f"some.40x{SIDE}.u8", np.uint8, "r")).reshape(
        40, SIDE, SIDE, 3
    )
    corners, mirrored = set(), 0
    for place, crop in zip(places[:60], crops, strict=False):
        plain, flipped = corner_of(whole[place], crop), corner_of(whole[place], crop[:, ::-1])
        assert plain or flipped
        mirrored += plain is None
        corners.add(plain or flipped)
    assert 15 < mirrored < 45
    assert len(corners) > 40


def corner_of(square, crop):
    windows = np.lib.stride_tricks.sliding_window_view(square, (16, 16), (0, 1))
    found = np.argwhere((windows == crop.transpose(2, 0, 1)).all(axis=(2, 3, 4)))
    return tuple(found[0].tolist()) if len(found) else None


def test_a_sample_is_of_rows_that_fit_and_the_same_for_the_same_seed(tmp_path):
    store = ArtifactStore(str(tmp_path))
    rows = np.concatenate([np.arange(0, 500, 2), layout.PART_ROWS + np.arange(100)])
    write_space(store, unit(np.ones((350, 4))), rows, collection="c", space="s@1")

    def sample(most, seed):
        return rows_at_random(
            store, "c", "s@1", most=most, seed=seed, fit=lambda rows: rows % 3 > 0
        )

    fit = rows[rows % 3 > 0]
    assert sorted(sample(1000, 1)) == sorted(fit)
    some = sample(60, 1)
    assert len(set(some.tolist()) & set(fit.tolist())) == 60
    np.testing.assert_array_equal(some, sample(60, 1))
    assert set(some.tolist()) != set(sample(60, 2).tolist())
    share = np.mean([(sample(60, seed) >= layout.PART_ROWS).mean() for seed in range(30)])
    assert share == pytest.approx((fit >= layout.PART_ROWS).mean(), abs=0.06)


def test_only_readable_images_have_a_place(tmp_path):
    store = ArtifactStore(str(tmp_path))
    put_collection(store, "c", ["/a", "/b", "/c"], ["ok", "DECODE_FAILED", "ok"])
    assert uris_of(store, "c", np.array([0, 1, 2, 99])) == {0: "/a", 2: "/c"}


def test_a_task_survives_its_file_and_knows_the_same_work(tmp_path):
    task = Task(
        "r", "/s", ("/a", "s3://b"), "c", "x@1", "y@2", 60, 7, 9, 2, FineTuneRecipe(batch=8)
    )
    task.write(tmp_path)
    assert Task.read(tmp_path) == task
    other = Task(
        "q", "/s", ("/a", "s3://b"), "c", "x@1", "y@2", 60, 7, 9, 2, FineTuneRecipe(batch=8)
    )
    assert task.same_work(other)
    assert not task.same_work(
        Task("r", "/s", ("/a",), "c", "x@1", "y@2", 60, 7, 10, 2, FineTuneRecipe(batch=8))
    )


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"run_id": 1}'])
def test_what_is_no_task_is_told(tmp_path, text):
    (tmp_path / "task.json").write_text(text)
    with pytest.raises(ValueError, match=r"task|Expecting"):
        Task.read(tmp_path)


def test_labels_survive_their_file(tmp_path):
    labels = TaskLabels(*(np.arange(n) for n in range(5)))
    labels.write(tmp_path)
    again = TaskLabels.read(tmp_path)
    for name, array in vars(labels).items():
        np.testing.assert_array_equal(getattr(again, name), array)


def test_the_short_side_of_some_images_is_the_median_of_theirs(tmp_path):
    store = ArtifactStore(str(tmp_path))
    put_collection(
        store, "photos", ["a", "b", "c", "d"], sides=[(10, 20), (90, 30), (32, 32), (9, 9)]
    )
    assert short_side(store, "photos", np.array([0, 1, 2])) == 30
    assert short_side(store, "photos", np.array([3])) == 9
