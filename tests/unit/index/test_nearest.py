import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hundredfold.index.domain import device, nearest
from hundredfold.index.domain.parts import VectorParts, normalised


@pytest.fixture(autouse=True)
def one_thread():
    device.limit_process(1)
    device.limit_thread(1)


def some(n, dimensions, seed=0):
    rng = np.random.default_rng(seed)
    return normalised(rng.normal(size=(n, dimensions))).astype(np.float16)


def clustered(n, dimensions, groups, seed=0):
    rng = np.random.default_rng(seed)
    centres = normalised(rng.normal(size=(groups, dimensions)))
    noise = rng.normal(size=(n, dimensions)) * 0.5 / np.sqrt(dimensions)
    return normalised(centres[rng.integers(groups, size=n)] + noise).astype(np.float16)


def parts_of(vectors, size=64):
    return VectorParts([vectors[start : start + size] for start in range(0, len(vectors), size)])


@given(
    n=st.integers(1, 200),
    dimensions=st.integers(1, 16),
    limit=st.integers(1, 30),
    seed=st.integers(0, 2**32 - 1),
)
@settings(max_examples=50)
def test_exact_search_finds_what_sorting_all_cosines_finds(n, dimensions, limit, seed):
    vectors, queries = some(n, dimensions, seed), normalised(some(5, dimensions, seed + 1))
    built = nearest.build(parts_of(vectors, 37))
    positions, cosines = nearest.search(built.index, queries, limit)
    assert built.kind == "flat"
    truth = queries @ normalised(vectors).T
    best = -np.sort(-truth, axis=1)[:, :limit]
    found = min(limit, n)
    # Equal cosines may come in any order, so the cosines are compared, and that rows bear them.
    assert np.allclose(cosines[:, :found], best, atol=1e-5)
    assert np.allclose(np.take_along_axis(truth, positions[:, :found], 1), best, atol=1e-5)
    assert (positions[:, found:] == -1).all()
    assert (cosines[:, found:] == 0).all()


def test_exact_search_orders_positions_like_argsort():
    vectors = some(300, 24)
    queries = normalised(some(20, 24, seed=1))
    positions, _ = nearest.search(nearest.build(parts_of(vectors)).index, queries, 10)
    truth = np.argsort(-(queries @ normalised(vectors).T), axis=1)[:, :10]
    assert np.array_equal(positions, truth)


def test_inverted_lists_find_nine_of_ten_neighbours():
    vectors = clustered(6000, 32, groups=60)
    built = nearest.build(parts_of(vectors, 2048), seed=3, exact_below=5000)
    assert built.kind == "ivf"
    assert 1 <= built.probes < built.lists
    assert built.recall >= 0.9
    queries = normalised(clustered(200, 32, groups=60, seed=0)[:200])
    positions, _ = nearest.search(built.index, queries, 10)
    truth = np.argsort(-(queries @ normalised(vectors).T), axis=1)[:, :10]
    hits = [len(set(a) & set(b)) for a, b in zip(positions, truth, strict=True)]
    assert np.mean(hits) >= 9


def test_inverted_lists_are_the_same_for_the_same_seed():
    vectors = clustered(1000, 8, groups=10)
    built = [nearest.build(parts_of(vectors), seed=7, exact_below=10) for _ in range(2)]
    found = [nearest.search(each.index, normalised(vectors[:50]), 5) for each in built]
    assert np.array_equal(found[0][0], found[1][0])
    assert built[0].probes == built[1].probes


@pytest.mark.parametrize("n", [1, 2, 45])
def test_inverted_lists_can_hold_few_vectors(n):
    built = nearest.build(parts_of(some(n, 4)), exact_below=0)
    positions, _ = nearest.search(built.index, normalised(some(n, 4)), 1)
    assert positions[:, 0].tolist() == list(range(n))


def test_inverted_lists_can_hold_identical_vectors():
    vectors = np.tile(some(1, 8), (200, 1))
    built = nearest.build(parts_of(vectors), exact_below=100)
    positions, cosines = nearest.search(built.index, normalised(vectors[:1]), 5)
    assert (positions >= 0).all()
    assert np.allclose(cosines, 1, atol=0.02)


@pytest.mark.parametrize("exact_below", [10_000, 0])
def test_a_written_index_is_read_back_the_same(tmp_path, exact_below):
    vectors = clustered(800, 16, groups=10)
    built = nearest.build(parts_of(vectors), exact_below=exact_below)
    path = tmp_path / "index"
    with path.open("wb") as file:
        nearest.dump(built.index, file.write)
    queries = normalised(vectors[:30])
    before, after = (
        nearest.search(index, queries, 7) for index in (built.index, nearest.load(path))
    )
    assert np.array_equal(before[0], after[0])
    assert np.array_equal(before[1], after[1])


def test_a_file_that_asks_for_more_than_it_holds_is_refused(tmp_path):
    built = nearest.build(parts_of(some(50, 8)))
    path = tmp_path / "index"
    with path.open("wb") as file:
        nearest.dump(built.index, file.write)
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(RuntimeError):
        nearest.load(path)


def test_the_own_position_is_left_out_wherever_it_stands():
    positions = np.array([[4, 1, 2], [9, 5, 3], [7, 8, 6]])
    values = np.array([[0.9, 0.8, 0.7], [0.9, 0.8, 0.7], [0.9, 0.8, 0.7]], dtype=np.float32)
    rows, left = nearest.without_self(positions, values, np.array([4, 5, 0]))
    assert rows.tolist() == [[1, 2], [9, 3], [7, 8]]
    assert np.allclose(left, [[0.8, 0.7], [0.9, 0.7], [0.9, 0.8]])


def test_progress_rises_to_the_number_of_vectors():
    told = []
    nearest.build(
        parts_of(some(300, 8)),
        exact_below=100,
        progress=lambda done, total: told.append((done, total)),
    )
    assert told[-1] == (300, 300)
    assert [done for done, _ in told] == sorted(done for done, _ in told)
