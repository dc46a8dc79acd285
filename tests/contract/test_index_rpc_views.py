"""The map as images come and go, and the view of what has no label yet."""

import numpy as np
import pytest

from hundredfold.chassis.errors import Conflict, InvalidArgument
from hundredfold.chassis.storage import layout
from hundredfold.chassis.storage.manifest import Manifest
from hundredfold.chassis.tensors import pack, unpack
from hundredfold.index.domain import plane
from tests.contract.index_spaces import (
    COLLECTION,
    SPACE,
    blobs,
    make_collection,
    scattered_rows,
    write_space,
)
from tests.contract.test_index_rpc import COUNT, DIMENSIONS, EACH, GROUPS, index_service

ROWS = scattered_rows(COUNT)
VECTORS = blobs(GROUPS, EACH, DIMENSIONS)
LAST = ROWS[-1] + 1 + np.arange(10)


@pytest.fixture
def served(tmp_path):
    with index_service(tmp_path) as served:
        make_collection(served.store)
        write_space(served.store, VECTORS, ROWS)
        yield served


def add(served, vectors):
    """Write further vectors into the last part."""
    write_space(served.store, np.concatenate([VECTORS, vectors]), np.concatenate([ROWS, LAST]))


# --- the map ----------------------------------------------------------------------------------------


def test_new_images_are_placed_in_the_map_there_is_when_only_they_are_asked_for(served):
    served.finish("Project")
    rows, points = served.map()
    # As the first group, but for rounding of what is new.
    add(served, VECTORS[:10])
    served.finish("Project", only_new=True)
    now, placed = served.map()
    assert np.array_equal(now, [*ROWS, *LAST])
    assert np.array_equal(placed[: len(rows)], points)
    assert np.abs(placed[len(rows) :] - points[:10]).max() < 1e-3


def test_the_map_stays_when_nothing_is_new_and_no_vector_is_read(served):
    made = served.finish("Project", seed=1)
    path = f"{layout.vectors(COLLECTION, SPACE)}/{layout.vectors_part(0)}"
    data = bytearray(served.store.read_bytes(path))
    data[-1] ^= 1
    served.store.write_bytes(path, bytes(data))
    assert served.finish("Project", only_new=True) == made


def test_the_map_stays_when_what_is_new_was_placed_before(served):
    served.finish("Project")
    add(served, VECTORS[:10])
    placed = served.finish("Project", only_new=True)
    assert placed["points"] == COUNT + 10
    assert served.finish("Project", only_new=True) == placed
    assert served.finish("Project")["map"] != placed["map"]


def test_images_that_are_gone_leave_the_map(served):
    served.finish("Project")
    _, points = served.map()
    folder = layout.vectors(COLLECTION, SPACE)
    manifest = Manifest.load(served.store, folder)
    for name in (layout.vectors_part(1), layout.vectors_rows(1)):
        manifest.drop(name)
    manifest.save()
    served.finish("Project", only_new=True)
    rows, left = served.map()
    assert np.array_equal(rows, ROWS[ROWS < layout.PART_ROWS])
    assert np.array_equal(left, points[: len(rows)])


def test_without_a_map_of_the_space_it_is_made_anew(served):
    write_space(served.store, VECTORS[::-1], ROWS, space="other@1")
    served.finish("Project", space="other@1")
    result = served.finish("Project", only_new=True)
    assert result["points"] == COUNT
    assert np.array_equal(served.map(map=result["map"])[0], ROWS)


def test_a_map_that_is_made_anew_is_turned_as_it_was(served):
    served.finish("Project", seed=1)
    before = served.map()[1]
    served.finish("Project", seed=2)
    after = served.map()[1]
    assert not np.array_equal(before, after)
    assert np.allclose(plane.turn(after, before), np.eye(2), atol=1e-3)


def test_a_map_of_old_without_landmarks_is_made_anew(served):
    run = served.finish("Project")["map"]
    manifest = Manifest.load(served.store, layout.maps(COLLECTION, run))
    manifest.drop(layout.MAP_LANDMARKS)
    manifest.save()
    add(served, VECTORS[:10])
    assert served.finish("Project", only_new=True)["points"] == COUNT + 10


# --- what has no label ------------------------------------------------------------------------------


def unlabelled(served, rows, class_ids, **fields):
    pieces = list(
        served.call(
            "ShowUnlabelled",
            **{
                "space": SPACE,
                "rows": pack(np.asarray(rows, np.int64)),
                "class_ids": pack(np.asarray(class_ids, np.int32)),
                **fields,
            },
        )
    )
    rows = np.concatenate([unpack(each.rows, dtype=np.int64, field="rows") for each in pieces])
    points = [unpack(each.points, dtype=np.float32, ndim=2, field="points") for each in pieces]
    return rows, np.concatenate(points), list(pieces[0].shares)


def test_all_images_are_laid_out_by_what_the_labels_do_not_tell(served):
    group = np.repeat(np.arange(GROUPS), EACH)
    named = group < GROUPS - 2
    rows, points, shares = unlabelled(served, ROWS[named], group[named] + 1)
    assert np.array_equal(rows, ROWS)
    assert np.abs(points).max() <= 1
    one, other = (points[group == each, 0] for each in (GROUPS - 2, GROUPS - 1))
    assert one.max() < other.min() or other.max() < one.min()
    assert 0 <= shares[1] <= shares[0] <= 1


def test_without_labels_it_is_what_differs_most_in_all_images(served):
    vectors = VECTORS.astype(np.float64)
    centred = vectors - vectors.mean(axis=0)
    values = np.linalg.svd(centred, compute_uv=False)
    (answer,) = served.call("ShowUnlabelled", space=SPACE)
    assert np.allclose(answer.shares, values[:2] ** 2 / (values**2).sum(), atol=1e-3)


def test_what_the_mask_names_counts_as_labelled(served):
    mask = np.zeros(ROWS[-1] + 1, np.uint8)
    mask[ROWS] = 1
    mask[ROWS[:EACH]] = 0
    bits = pack(np.packbits(mask, bitorder="little"))
    _, points, _ = unlabelled(served, [], [], labelled=bits)
    # The middle is that of the unlabelled, which are of one kind.
    assert np.abs(points[:EACH]).mean() < np.abs(points[EACH:]).mean()


def test_where_all_have_a_label_it_is_a_failed_precondition(served):
    with pytest.raises(Conflict) as error:
        unlabelled(served, ROWS, np.ones(COUNT))
    assert error.value.reason == "NOTHING_UNLABELLED"


def test_labels_of_images_without_a_vector_are_passed_over(served):
    with_others = unlabelled(served, [*ROWS[:50], 2, 10**9], [*np.arange(50) % 3, 9, 8])
    without = unlabelled(served, ROWS[:50], np.arange(50) % 3)
    assert np.array_equal(with_others[1], without[1])


@pytest.mark.parametrize(
    ("rows", "class_ids", "field"),
    [([1, 4], [1], "class_ids"), ([], [1], "class_ids"), (np.arange(100_001), [1], "rows")],
)
def test_labels_are_a_class_for_each_of_at_most_so_many(served, rows, class_ids, field):
    with pytest.raises(InvalidArgument) as error:
        unlabelled(served, rows, class_ids)
    assert error.value.field == field


def test_labels_of_another_type_are_refused(served):
    with pytest.raises(InvalidArgument) as error:
        served.call("ShowUnlabelled", space=SPACE, rows=pack(np.zeros(3, np.float32))).__next__()
    assert error.value.field == "rows"
