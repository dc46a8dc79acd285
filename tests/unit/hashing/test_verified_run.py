"""FindDuplicates compares the pictures where there are thumbnails."""

import uuid

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageOps

from hundredfold.chassis.runs import Runs, State
from hundredfold.chassis.sources import Sources
from hundredfold.chassis.storage import layout
from hundredfold.chassis.storage.store import ArtifactStore
from hundredfold.hashing import duplicates_job, duplicates_run, hash_job, verifying
from tests.contract.hashing_collections import put_collection, write_image
from tests.unit.hashing.pictures import jpeg, picture, put_thumbs

NAME = "birds"


class Bench:
    """A store, a folder of images and runs over them."""

    def __init__(self, root):
        self.folder = root / "images"
        self.folder.mkdir()
        self.store = ArtifactStore(str(root / "store"))
        jobs = {
            hash_job.KIND: hash_job.HashCollection(self.store, Sources((str(self.folder),))),
            duplicates_job.KIND: duplicates_job.FindDuplicates(self.store),
        }
        self.runs = Runs(self.store, "hashing", jobs)

    def put(self, *encoded, thumbs=True):
        rows = [write_image(self.folder, f"{n}.jpg", data) for n, data in enumerate(encoded)]
        put_collection(self.store, NAME, rows)
        if thumbs:
            put_thumbs(self.store, NAME, encoded)
        self.do(hash_job.KIND, algorithms=["phash-exact-1", "dhash-exact-1"])

    def do(self, kind, **parameters):
        run = self.runs.start(kind, NAME, parameters, request_id=uuid.uuid4().hex)
        run = self.runs.wait(run.run_id, 240)  # compiled at its first use
        assert run.state is State.SUCCEEDED, run.error
        return run.result

    def find(self, radius=4):
        """The representatives, and the pairs for people."""
        self.result = self.do(duplicates_job.KIND, radius=radius)
        folder = layout.duplicates(NAME, self.result["duplicates"])
        representative = self.store.read_array(f"{folder}/{layout.REPRESENTATIVE}").tolist()
        if not self.store.exists(f"{folder}/{layout.PAIRS}"):
            return representative, []
        pairs = self.store.read_array(f"{folder}/{layout.PAIRS}")
        distance = self.store.read_array(f"{folder}/{layout.PAIR_DISTANCE}")
        assert (pairs.dtype, distance.dtype) == (np.int64, np.uint8)
        assert len(pairs) == len(distance) == self.result["similar"]
        return representative, pairs.tolist()


@pytest.fixture
def bench(tmp_path):
    made = Bench(tmp_path)
    yield made
    made.runs.close()


def in_other_colours(image):
    return Image.merge("RGB", image.convert("RGB").split()[::-1])


def with_thing(image, at):
    copy = image.copy()
    ImageDraw.Draw(copy).ellipse((*at, at[0] + 24, at[1] + 24), "black", "white", 3)
    return copy


def test_a_crop_and_a_border_are_copies_though_their_hashes_are_far(bench):
    image = picture(1)
    width, height = image.size
    crop = image.crop((0.08 * width, 0.07 * height, 0.92 * width, 0.94 * height))
    border = ImageOps.expand(picture(2), 12, "white")
    bench.put(jpeg(image), jpeg(crop), jpeg(border), jpeg(picture(2)), jpeg(picture(3)))
    assert bench.find() == ([0, 0, 2, 2, 4], [])


def test_equal_hashes_of_another_colour_are_left_to_a_person(bench):
    image = picture(4)
    grey = ImageOps.grayscale(image)
    red = Image.merge("RGB", (grey, grey.point(lambda at: at // 2), grey.point(lambda at: at // 3)))
    bench.put(jpeg(red), jpeg(in_other_colours(red)), jpeg(red, 60), jpeg(red))
    representative, pairs = bench.find(radius=10)
    assert representative == [0, 1, 0, 0]
    assert pairs == [[0, 1]]


def test_what_moved_is_left_to_a_person(bench):
    image = picture(5)
    bench.put(jpeg(with_thing(image, (90, 60))), jpeg(with_thing(image, (120, 90))))
    representative, pairs = bench.find(radius=10)
    assert representative == [0, 1]
    assert pairs == [[0, 1]]


def test_what_people_judged_is_not_asked_again(bench):
    image = picture(5)
    bench.put(jpeg(with_thing(image, (90, 60))), jpeg(with_thing(image, (120, 90))))
    judged = {"left": [0], "right": [1], "same": [False], "keep": [], "seq": 1}
    write_judgements(bench.store, judged)
    assert bench.find(radius=10) == ([0, 1], [])
    write_judgements(bench.store, judged | {"same": [True]})
    assert bench.find(radius=10) == ([0, 0], [])


def write_judgements(store, judged):
    with store.writer(layout.pair_judgements(NAME)) as out:
        kinds = {"same": np.bool_}
        np.savez(
            out,
            **{name: np.array(each, kinds.get(name, np.int64)) for name, each in judged.items()},
        )


def test_without_thumbnails_hashes_decide_alone(bench):
    image = picture(4)
    bench.put(jpeg(image), jpeg(image, 60), jpeg(picture(6)), thumbs=False)
    assert bench.find() == ([0, 0, 2], [])


def test_small_images_are_taken_by_their_hashes_and_a_small_copy_of_a_large_one_by_its_picture(
    bench,
):
    blobs = [picture(seed, 8, 8).resize((64, 64), Image.Resampling.BICUBIC) for seed in range(40)]
    large = picture(4)
    bench.put(*(jpeg(each) for each in blobs), jpeg(large), jpeg(large.resize((64, 48))))
    assert bench.find(radius=2) == ([*range(41), 40], [])


def test_an_image_without_a_thumbnail_is_taken_by_its_hashes(bench):
    data = [jpeg(picture(4)), jpeg(picture(4), 60), jpeg(picture(6))]
    bench.put(*data, thumbs=False)
    put_thumbs(bench.store, NAME, [data[0], b"", data[2]])
    assert bench.find() == ([0, 0, 2], [])


def test_a_run_is_made_anew_when_thumbnails_came(bench):
    image = picture(5)
    data = [jpeg(with_thing(image, (90, 60))), jpeg(with_thing(image, (120, 90)))]
    bench.put(*data, thumbs=False)
    assert bench.find(radius=10)[0] == [0, 0]
    put_thumbs(bench.store, NAME, data)
    assert bench.find(radius=10)[0] == [0, 1]
    before = bench.result
    bench.find(radius=10)
    assert bench.result == before


def test_more_pairs_than_can_be_verified_are_grouped_by_their_hashes(bench, monkeypatch):
    monkeypatch.setattr(duplicates_run, "MOST_VERIFIED", 0)
    image = picture(5)
    bench.put(jpeg(with_thing(image, (90, 60))), jpeg(with_thing(image, (120, 90))))
    assert bench.find(radius=10) == ([0, 0], [])


def test_only_the_most_alike_pairs_are_left_to_people(bench, monkeypatch):
    monkeypatch.setattr(verifying, "MOST_SIMILAR", 2)
    image = picture(5)
    places = [(90, 60), (120, 90), (60, 90), (150, 60)]
    bench.put(*(jpeg(with_thing(image, at)) for at in places))
    representative, pairs = bench.find(radius=10)
    assert representative == [0, 1, 2, 3]
    assert len(pairs) == 2
