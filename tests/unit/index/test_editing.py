import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hundredfold.chassis.errors import Conflict, InvalidArgument, NotFound
from hundredfold.index.domain import clustering, device, editing
from hundredfold.index.domain.parts import VectorParts, normalised
from hundredfold.index.lineage import Lineage, parsed


@pytest.fixture(autouse=True)
def one_thread():
    device.limit_process(1)
    device.limit_thread(1)


def world(seed, groups=4, each=20):
    rng = np.random.default_rng(seed)
    centres = normalised(rng.normal(size=(groups, 12)))
    noise = rng.normal(size=(groups * each, 12)) * 0.05
    truth = np.repeat(np.arange(groups), each)
    vectors = VectorParts([normalised(centres[truth] + noise).astype(np.float16)])
    found = clustering.cluster(vectors, groups, seed=seed)
    return vectors, truth, found


def base_of(found):
    return editing.Base(found.assignment, found.distance, found.centroids)


def places(vectors):
    return np.arange(len(vectors))


@settings(max_examples=20)
@given(seed=st.integers(0, 1000), into=st.integers(2, 6), number=st.integers(0, 3))
def test_a_split_changes_one_cluster_only_and_loses_no_image(seed, into, number):
    vectors, _, found = world(seed)
    if found.sizes[number] < into:
        return
    after = editing.split(base_of(found), vectors, places(vectors), number, into)
    assert after is not None
    others = found.assignment != number
    assert np.array_equal(after.assignment[others], found.assignment[others])
    assert np.array_equal(after.distance[others], found.distance[others])
    parts = [number, *range(4, len(after.sizes))]
    assert set(after.assignment[~others]) == set(parts)
    assert after.sizes[parts].sum() == found.sizes[number]
    assert list(after.sizes[parts]) == sorted(after.sizes[parts], reverse=True)
    assert np.array_equal(np.sort(after.order), places(vectors))
    assert (after.assignment[after.medoids[parts]] == parts).all()


@settings(max_examples=20)
@given(seed=st.integers(0, 1000), numbers=st.sets(st.integers(0, 3), min_size=2))
def test_a_merge_puts_all_into_the_smallest_number(seed, numbers):
    vectors, _, found = world(seed)
    after = editing.merge(base_of(found), vectors, places(vectors), sorted(numbers))
    inside = np.isin(found.assignment, list(numbers))
    assert (after.assignment[inside] == min(numbers)).all()
    assert np.array_equal(after.assignment[~inside], found.assignment[~inside])
    assert len(after.sizes) == 4
    assert (after.sizes[sorted(numbers)[1:]] == 0).all()
    assert (after.medoids[sorted(numbers)[1:]] == -1).all()
    members = vectors.take(np.flatnonzero(inside))
    centre = normalised(members.mean(axis=0)[None])[0]
    assert after.centroids[min(numbers)] == pytest.approx(centre, abs=1e-5)
    assert after.distance[inside] == pytest.approx(1 - members @ centre, abs=1e-5)


def test_splitting_what_was_merged_finds_the_groups_again():
    vectors, truth, _ = world(3)
    found = clustering.cluster(vectors, 4, seed=3)
    merged = editing.merge(base_of(found), vectors, places(vectors), [1, 2])
    after = editing.split(base_of(merged), vectors, places(vectors), 1, 2)
    assert len(after.sizes) == 5
    for number in np.unique(after.assignment):
        assert len(set(truth[after.assignment == number])) == 1


def test_images_that_are_all_alike_have_no_parts():
    vectors = VectorParts([np.tile(np.eye(1, 8, dtype=np.float16), (30, 1))])
    base = editing.Base(np.zeros(30, np.int32), np.zeros(30, np.float32), np.eye(1, 8))
    assert editing.split(base, vectors, np.arange(30), 0, 3) is None


LINE = Lineage("c3", 7, (("c1", (2,)), ("c2", (0, 5))))


@pytest.mark.parametrize("name", ["c3/2", "c2/2", "c1/3", "c3/5"])
def test_a_name_holds_while_nobody_has_changed_the_cluster(name):
    assert LINE.number(name) == parsed(name)[1]


@pytest.mark.parametrize("name", ["c1/2", "c1/0", "c2/5", "c0/1"])
def test_a_name_of_before_a_change_is_refused(name):
    with pytest.raises(Conflict) as error:
        LINE.number(name)
    assert error.value.reason == "CLUSTER_CHANGED"


@pytest.mark.parametrize("name", ["", "c1", "/1", "c1/", "c1/-1", "c1/x", "c1/1/../2", "c1/٣"])
def test_a_cluster_is_named_by_run_and_number(name):
    with pytest.raises(InvalidArgument) as error:
        parsed(name)
    assert error.value.field == "cluster"


def test_a_number_behind_the_last_is_not_found():
    with pytest.raises(NotFound):
        LINE.number("c3/7")
