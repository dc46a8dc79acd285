"""The runs of hashing: they continue where they stopped, and never believe what is damaged."""

import uuid
from contextlib import contextmanager

import numpy as np
import pytest
from PIL import Image

from hundredfold.chassis.errors import NotFound
from hundredfold.chassis.runs import Runs, State
from hundredfold.chassis.sources import Sources
from hundredfold.chassis.storage import layout
from hundredfold.chassis.storage.store import ArtifactStore
from hundredfold.hashing import duplicates_job, hash_job
from hundredfold.hashing.images import HashedImages
from hundredfold.hashing.store import Duplicates, HashFolder
from tests.contract.hashing_collections import Row, encoded, photo, put_collection, write_image

NAME = "birds"
EXACT = ("phash-exact-1", "dhash-exact-1")


class Here:
    """An engine that does each task in this thread, notes it, and then calls `after_task`."""

    def __init__(self):
        self.tasks = []
        self.after_task = lambda: None

    def map(self, function, tasks, *, workers=None, check):
        for task in tasks:
            check()
            self.tasks.append(task)
            yield function(task)
            self.after_task()

    def close(self):
        pass


class Bench:
    """A store, a folder of images and runs over them."""

    def __init__(self, root):
        self.folder = root / "images"
        self.folder.mkdir()
        self.store = ArtifactStore(str(root / "store"))
        self.engine = Here()
        jobs = {
            hash_job.KIND: hash_job.HashCollection(self.store, Sources((str(self.folder),))),
            duplicates_job.KIND: duplicates_job.FindDuplicates(self.store),
        }
        self.runs = Runs(self.store, "hashing", jobs, engine=self.engine)

    def photos(self, *seeds):
        return [write_image(self.folder, f"{seed}.png", encoded(photo(seed))) for seed in seeds]

    def start(self, kind, **parameters):
        return self.runs.start(kind, NAME, parameters, request_id=uuid.uuid4().hex)

    def do(self, kind, **parameters):
        return self.runs.wait(self.start(kind, **parameters).run_id, 60)

    def hash(self, *algorithms):
        """Hash, and return the places of each part that were read."""
        self.engine.tasks.clear()
        run = self.do(hash_job.KIND, algorithms=list(algorithms or EXACT))
        assert run.state is State.SUCCEEDED, run.error
        return [(task.part, task.places.tolist()) for task in self.engine.tasks]

    def file(self, part, algorithm=EXACT[0]):
        path = f"{layout.hashes(NAME, algorithm)}/{layout.hashes_part(part)}"
        return self.store.local(path)


@pytest.fixture
def bench(tmp_path):
    with closing_runs(Bench(tmp_path)) as made:
        yield made


@contextmanager
def closing_runs(made):
    try:
        yield made
    finally:
        made.runs.close()


def hashed(bench):
    """Of each row of the first part whether it has hashes."""
    images = HashedImages(bench.store, NAME, EXACT)
    return images.hashes(images.parts[0]).hashed


def two_parts(bench):
    """A full part, nearly all of it broken, and two rows of the next."""
    full = [*bench.photos(1, 2), *[Row()] * (layout.PART_ROWS - 2)]
    return full, bench.photos(3, 4)


def test_a_full_part_is_not_touched_when_the_last_one_grows(bench):
    full, last = two_parts(bench)
    put_collection(bench.store, NAME, full + last[:1])
    assert bench.hash() == [(0, [0, 1]), (1, [0])]
    before = bench.file(0).stat()
    put_collection(bench.store, NAME, full + last)
    assert bench.hash() == [(1, [1])]
    assert bench.file(0).stat() == before
    assert len(np.load(bench.file(1))) == 2


def test_rows_that_come_while_a_run_is_at_work_are_hashed_by_it(bench):
    rows = bench.photos(1, 2)
    put_collection(bench.store, NAME, rows[:1])
    bench.engine.after_task = lambda: put_collection(bench.store, NAME, rows)
    assert bench.hash() == [(0, [0]), (0, [1])]
    assert hashed(bench).all()


def test_a_cancelled_run_keeps_its_parts_and_the_next_one_continues(bench):
    full, last = two_parts(bench)
    put_collection(bench.store, NAME, full + last)
    bench.engine.after_task = lambda: [bench.runs.cancel(run.run_id) for run in bench.runs.list()]
    run = bench.do(hash_job.KIND, algorithms=list(EXACT))
    assert run.state is State.CANCELLED
    bench.engine.after_task = lambda: None
    assert bench.hash() == [(1, [0, 1])]


def test_progress_counts_images(bench):
    put_collection(bench.store, NAME, [*bench.photos(1, 2, 3), Row()])
    bench.hash(EXACT[0])
    run = bench.do(hash_job.KIND, algorithms=list(EXACT))
    assert (run.done, run.total) == (3, 3)


def test_kinds_of_hash_that_miss_other_rows_do_not_disturb_one_another(bench):
    rows = bench.photos(1, 2, 3)
    put_collection(bench.store, NAME, rows[:2])
    bench.hash(EXACT[0])
    put_collection(bench.store, NAME, rows)
    assert bench.hash() == [(0, [2]), (0, [0, 1, 2])]
    assert [len(np.load(bench.file(0, name))) for name in EXACT] == [3, 3]


def test_new_rows_that_are_all_broken_make_the_part_longer(bench):
    rows = bench.photos(1)
    put_collection(bench.store, NAME, rows)
    bench.hash()
    put_collection(bench.store, NAME, [*rows, Row(), Row()])
    assert bench.hash() == []
    assert np.load(bench.file(0)).tolist()[1:] == [0, 0]
    assert bench.do(duplicates_job.KIND, radius=2).state is State.SUCCEEDED


def test_a_damaged_part_is_made_anew(bench):
    put_collection(bench.store, NAME, bench.photos(1, 2))
    bench.hash()
    good = bench.file(0).read_bytes()
    bench.file(0).write_bytes(good[:-3])
    assert bench.hash() == [(0, [0, 1])]
    assert bench.file(0).read_bytes() == good


def test_rows_that_failed_are_known_to_have_no_hash(bench):
    rows = bench.photos(1, 2, 3)
    put_collection(bench.store, NAME, rows)
    (bench.folder / "1.png").unlink()
    bench.hash()
    assert hashed(bench).tolist() == [False, True, True]
    assert HashFolder(bench.store, NAME, EXACT[0]).read(0).failed.tolist() == [0]
    bench.photos(1)
    assert bench.hash() == [(0, [0])]
    assert hashed(bench).all()


def test_images_that_are_not_ok_have_no_digest_and_no_rank(bench):
    put_collection(bench.store, NAME, [Row(), *bench.photos(1)])
    bench.hash()
    images = HashedImages(bench.store, NAME, EXACT)
    assert images.digests(np.array([0, 1])).any(axis=1).tolist() == [False, True]
    assert images.ranked().in_order.tolist() == [1]


def test_groups_that_are_damaged_are_made_anew(bench):
    put_collection(bench.store, NAME, bench.photos(1, 2))
    bench.hash()
    first = bench.do(duplicates_job.KIND, radius=2).result["duplicates"]
    folder = layout.duplicates(NAME, first)
    bench.store.delete(f"{folder}/{layout.REPRESENTATIVE}")
    second = bench.do(duplicates_job.KIND, radius=2).result["duplicates"]
    assert second != first
    assert Duplicates(bench.store, NAME).read(second).representative.tolist() == [0, 1]


def test_plain_images_are_copies_of_equal_bytes_only(bench):
    plain = [
        write_image(bench.folder, f"{number}.png", encoded(Image.new("RGB", (40, 30), colour)))
        for number, colour in enumerate(["white", "grey", "white", "red"])
    ]
    put_collection(bench.store, NAME, [*plain, *bench.photos(1), *bench.photos(1)])
    bench.hash()
    found = bench.do(duplicates_job.KIND, radius=10).result["duplicates"]
    path = f"{layout.duplicates(NAME, found)}/{layout.REPRESENTATIVE}"
    assert bench.store.read_array(path).tolist() == [0, 1, 0, 3, 4, 4]


def test_a_run_without_groups_is_not_found(bench):
    with pytest.raises(NotFound):
        Duplicates(bench.store, NAME).read("never")


def test_growth_between_the_call_and_the_run_is_told(bench):
    rows = bench.photos(1, 2)
    put_collection(bench.store, NAME, rows[:1])
    bench.hash()
    put_collection(bench.store, NAME, rows)
    run = bench.do(duplicates_job.KIND, radius=2)
    assert run.state is State.FAILED
    assert "HashCollection" in run.error
