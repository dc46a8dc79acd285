"""The runs of hashing: they continue where they stopped, and never believe what is damaged."""

import errno
import io
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
from hundredfold.hashing import duplicates_job, duplicates_run, hash_job
from hundredfold.hashing.domain.filling import PartHashes
from hundredfold.hashing.domain.near import near_pairs
from hundredfold.hashing.images import HashedImages
from hundredfold.hashing.store import Duplicates, HashFolder
from tests.contract.hashing_collections import Row, encoded, photo, put_collection, write_image
from tests.unit.hashing.hash_values import flipped, random_hashes

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
        self.scratch = root / "scratch"
        jobs = {
            hash_job.KIND: hash_job.HashCollection(self.store, Sources((str(self.folder),))),
            duplicates_job.KIND: duplicates_job.FindDuplicates(self.store, str(self.scratch)),
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


# --- FindDuplicates -----------------------------------------------------------------------------


def put_hashes(store, phash, dhash, *, sizes=None):
    """A collection of images that have these hashes; nobody reads their bytes."""
    n = len(phash)
    sizes = [100] * n if sizes is None else sizes
    rows = [
        Row(sha256=number.to_bytes(32, "big"), width=size, height=1, status="ok")
        for number, size in enumerate(sizes, 1)
    ]
    put_collection(store, NAME, rows)
    for algorithm, hashes in zip(EXACT, (phash, dhash), strict=True):
        folder = HashFolder(store, NAME, algorithm)
        for part in range(-(-n // layout.PART_ROWS)):
            some = slice(part * layout.PART_ROWS, (part + 1) * layout.PART_ROWS)
            folder.write(part, PartHashes(hashes[some], np.empty(0, np.int64)))


def near_hashes(n, seed=0):
    """Hashes of which many are near to others, and none is of a plain image."""
    phash, dhash = random_hashes(n, seed=seed)
    return phash, dhash | np.uint64(0xFF)


def found_by(run):
    """The groups of a run of `bench`."""
    assert run.state is State.SUCCEEDED, run.error
    return run.result["duplicates"]


def representative(bench, run):
    return Duplicates(bench.store, NAME).read(found_by(run)).representative.tolist()


@pytest.fixture
def joined(monkeypatch):
    """How many values each join was told to look at: all, and the marked ones."""
    seen = []

    def noted(values, radius, *, only=None):
        seen.append((len(values), len(values) if only is None else int(only.sum())))
        return near_pairs(values, radius, only=only)

    monkeypatch.setattr(duplicates_run, "near_pairs", noted)
    return seen


def test_new_images_are_joined_to_old_ones_which_are_not_joined_again(bench, joined):
    phash, dhash = near_hashes(layout.PART_ROWS + 300)
    phash[:60_000], dhash[:60_000] = phash[0], dhash[0]  # so that few are to be joined
    put_hashes(bench.store, phash[:-200], dhash[:-200])
    found_by(bench.do(duplicates_job.KIND, radius=6))
    put_hashes(bench.store, phash, dhash)
    grown = representative(bench, bench.do(duplicates_job.KIND, radius=6))
    assert joined[0][0] == joined[0][1]
    assert joined[1][1] <= 300 < joined[1][0]
    bench.store.delete(f"{layout.collection(NAME)}/duplicates")
    assert representative(bench, bench.do(duplicates_job.KIND, radius=6)) == grown
    assert joined[2][1] == joined[2][0]


def test_a_smaller_radius_needs_no_join(bench, joined):
    put_hashes(bench.store, *near_hashes(400))
    found_by(bench.do(duplicates_job.KIND, radius=8))
    smaller = representative(bench, bench.do(duplicates_job.KIND, radius=3))
    assert joined[1][1] == 0
    bench.store.delete(f"{layout.collection(NAME)}/duplicates")
    assert representative(bench, bench.do(duplicates_job.KIND, radius=3)) == smaller


def test_a_larger_radius_joins_all(bench, joined):
    put_hashes(bench.store, *near_hashes(400))
    for radius in (2, 5):
        found_by(bench.do(duplicates_job.KIND, radius=radius))
    assert joined[1][0] == joined[1][1]


def test_an_image_that_is_hashed_anew_is_no_copy_by_its_old_hash(bench):
    phash, dhash = np.array([0, 1, 2**30], np.uint64), np.array([255] * 3, np.uint64)
    put_hashes(bench.store, phash, dhash)
    assert representative(bench, bench.do(duplicates_job.KIND, radius=1)) == [0, 0, 0]
    phash[1] = 2**50 - 1
    put_hashes(bench.store, phash, dhash)
    assert representative(bench, bench.do(duplicates_job.KIND, radius=1)) == [0, 1, 0]


def test_a_run_that_was_cut_short_after_the_join_goes_on_behind_it(bench, joined, monkeypatch):
    put_hashes(bench.store, *near_hashes(400))
    with monkeypatch.context() as patched:
        patched.setattr(duplicates_run, "group", full_disk)
        run = bench.do(duplicates_job.KIND, radius=6)
    assert run.state is State.FAILED
    assert "full" in run.error
    found_by(bench.do(duplicates_job.KIND, radius=6))
    assert len(joined) == 1
    assert not list(bench.scratch.rglob("*.values"))


def full_disk(*_, **__):
    raise OSError(errno.ENOSPC, "no space left on device")


def no_memory(*_, **__):
    raise MemoryError


def test_a_run_without_enough_memory_says_so(bench, monkeypatch):
    put_hashes(bench.store, *near_hashes(40))
    monkeypatch.setattr(duplicates_run, "group", no_memory)
    run = bench.do(duplicates_job.KIND, radius=6)
    assert (run.state, "memory" in run.error) == (State.FAILED, True)


def test_half_a_join_counts_for_nothing(bench, joined, monkeypatch):
    put_hashes(bench.store, *near_hashes(400))

    def broken(values, radius, **options):
        yield from joined_once(values, radius, **options)
        full_disk()

    joined_once = duplicates_run.near_pairs
    with monkeypatch.context() as patched:
        patched.setattr(duplicates_run, "near_pairs", broken)
        assert bench.do(duplicates_job.KIND, radius=6).state is State.FAILED
    found_by(bench.do(duplicates_job.KIND, radius=6))
    assert len(joined) == 2


def test_a_run_ends_when_it_is_cancelled(bench, monkeypatch):
    put_hashes(bench.store, *near_hashes(400))

    def cancelling(values, radius, **options):
        for run in bench.runs.list():
            bench.runs.cancel(run.run_id)
        return near_pairs(values, radius, **options)

    monkeypatch.setattr(duplicates_run, "near_pairs", cancelling)
    assert bench.do(duplicates_job.KIND, radius=6).state is State.CANCELLED


def test_very_many_pairs_are_made_only_despite_the_warning(bench, monkeypatch):
    monkeypatch.setattr(duplicates_run, "NO_EXPLOSION", 100)
    rng = np.random.default_rng(2)
    phash = flipped(np.zeros(600, np.uint64), 3, rng)
    put_hashes(bench.store, phash, np.full(600, 255, np.uint64))
    run = bench.do(duplicates_job.KIND, radius=6)
    assert run.state is State.FAILED
    assert "radius of 3" in run.error
    assert "radius of 3" in run.message
    found_by(bench.do(duplicates_job.KIND, radius=1))
    assert bench.do(duplicates_job.KIND, radius=6, despite=True).result["copies"] > 500


def test_better_images_represent_whatever_part_they_are_in(bench):
    n = layout.PART_ROWS + 2
    phash = np.arange(n, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    phash[[0, 1, n - 1]] = 5
    put_hashes(bench.store, phash, np.full(n, 255, np.uint64), sizes=[1, 2] + [2] * (n - 3) + [3])
    found = representative(bench, bench.do(duplicates_job.KIND, radius=0))
    assert [found[row] for row in (0, 1, n - 1)] == [n - 1] * 3


def test_of_equally_large_images_the_one_of_more_bytes_represents(bench):
    rows = [
        Row(sha256=bytes([number]) * 32, width=9, height=9, status="ok", size=size)
        for number, size in enumerate([5, None, 7, 7, 6], 1)
    ]
    put_hashes(bench.store, np.zeros(5, np.uint64), np.full(5, 255, np.uint64))
    put_collection(bench.store, NAME, rows)
    assert representative(bench, bench.do(duplicates_job.KIND, radius=0)) == [2] * 5


def said(store, left, right, same, keep=()):
    """What the labels service writes."""
    out = io.BytesIO()
    np.savez(out, left=left, right=right, same=same, keep=np.array(keep, np.int64), seq=1)
    store.write_bytes(layout.pair_judgements(NAME), out.getvalue())


def test_what_people_said_of_pairs_makes_new_groups(bench):
    put_hashes(bench.store, np.array([0, 1, 2**40], np.uint64), np.full(3, 255, np.uint64))
    before = bench.do(duplicates_job.KIND, radius=1)
    assert representative(bench, before) == [0, 0, 0]
    said(bench.store, [0, 0], [1, 9], [False, True])
    after = bench.do(duplicates_job.KIND, radius=1)
    assert representative(bench, after) == [0, 1, 0]
    assert found_by(bench.do(duplicates_job.KIND, radius=1)) == found_by(after)
    said(bench.store, [0], [1], [True], keep=[2])
    assert representative(bench, bench.do(duplicates_job.KIND, radius=0)) == [0, 0, 2]


def test_damaged_judgements_are_told(bench):
    put_hashes(bench.store, np.array([0], np.uint64), np.full(1, 255, np.uint64))
    bench.store.write_bytes(layout.pair_judgements(NAME), b"nonsense")
    run = bench.do(duplicates_job.KIND, radius=1)
    assert (run.state, "damaged" in run.error) == (State.FAILED, True)
