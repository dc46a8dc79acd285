import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hundredfold.index.domain import device, factory, finding, nearest, tuning
from hundredfold.index.domain.finding import Exact, Refined
from hundredfold.index.domain.parts import VectorParts, normalised

MANY = factory.CODES_FROM
MEMORY = {"sq8": 0, "rabitq": 60 * MANY, "pq64": 58 * MANY}


@pytest.fixture(autouse=True)
def one_thread():
    device.limit_process(1)
    device.limit_thread(1)


def some(n, dimensions, seed=0):
    return normalised(np.random.default_rng(seed).normal(size=(n, dimensions))).astype(np.float16)


def grouped(n, dimensions, seed=0):
    rng = np.random.default_rng(seed)
    middles = normalised(np.random.default_rng(99).normal(size=(50, dimensions)))
    noise = rng.normal(size=(n, dimensions)) * 0.7 / np.sqrt(dimensions)
    return normalised(middles[rng.integers(50, size=n)] + noise).astype(np.float16)


def parts_of(vectors, size=64):
    return VectorParts([vectors[start : start + size] for start in range(0, len(vectors), size)])


def by_sorting(vectors, queries, limit, allowed):
    cosines = queries @ normalised(vectors).T
    cosines[:, ~allowed] = -np.inf
    order = np.argsort(-cosines, axis=1, kind="stable")[:, :limit]
    near = np.take_along_axis(cosines, order, 1)
    return np.where(np.isneginf(near), -1, order), near


def finder_of(built, vectors):
    if built.kind == "flat":
        return Exact(built.index)
    return Refined(built.index, vectors, None, built.probes, built.depth)


@given(
    n=st.integers(1, 150),
    limit=st.integers(1, 20),
    share=st.floats(0, 1),
    exact_below=st.sampled_from([0, 1000]),
    seed=st.integers(0, 2**32 - 1),
)
@settings(max_examples=60)
def test_filtered_search_is_sorting_what_is_allowed(n, limit, share, exact_below, seed):
    vectors, queries = some(n, 8, seed), normalised(some(3, 8, seed + 1))
    allowed = np.random.default_rng(seed).random(n) < share
    parts = parts_of(vectors, 37)
    finder = finder_of(nearest.build(parts, exact_below=exact_below), parts)
    positions, cosines = finder.find(queries, limit, allowed)
    _, near = by_sorting(vectors, queries, limit, allowed)
    found = min(limit, int(allowed.sum()))
    assert allowed[positions[:, :found]].all()
    assert np.allclose(cosines[:, :found], near[:, :found], atol=1e-5)
    assert (positions[:, found:] == -1).all()
    assert (cosines[:, found:] == 0).all()


@given(
    n=st.integers(1, 150),
    least=st.floats(-1, 1),
    most=st.integers(1, 200),
    exact_below=st.sampled_from([0, 1000]),
    seed=st.integers(0, 2**32 - 1),
)
@settings(max_examples=60)
def test_a_range_search_finds_all_that_is_near_enough(n, least, most, exact_below, seed):
    vectors, queries = some(n, 6, seed), normalised(some(3, 6, seed + 1))
    allowed = np.random.default_rng(seed).random(n) < 0.7
    parts = parts_of(vectors, 37)
    finder = finder_of(nearest.build(parts, exact_below=exact_below), parts)
    truth, near = by_sorting(vectors, queries, n, allowed)
    answers = finding.within(finder, queries, least, most, allowed)
    for (positions, cosines), true, true_near in zip(answers, truth, near, strict=True):
        sure = true[(true_near >= least + 1e-5) & (true >= 0)][:most]
        assert set(sure) <= set(positions)
        assert (cosines >= least).all()
        assert (np.diff(cosines) <= 0).all()
        assert len(positions) <= most
        assert allowed[positions].all()


@pytest.mark.parametrize("kind", MEMORY)
def test_codes_with_vectors_to_decide_find_nearly_all_neighbours(kind):
    vectors = parts_of(grouped(MANY, 256 if kind != "sq8" else 64), 3000)
    plan = next(each for each in factory._coded(MANY, vectors.dimensions) if each.kind == kind)
    built = nearest.build(vectors, plan)
    assert built.recall >= 0.9
    assert built.queries == tuning.JUDGES // 2
    queries = normalised(grouped(100, vectors.dimensions, seed=5))
    stored = vectors.stored(np.arange(MANY))
    allowed = np.arange(MANY) % 3 > 0
    for mask in (np.ones(MANY, np.bool_), allowed):
        truth, near = by_sorting(stored, queries, 10, mask)
        positions, cosines = finder_of(built, vectors).find(queries, 10, mask)
        hits = [np.isin(true, found).mean() for true, found in zip(truth, positions, strict=True)]
        assert np.mean(hits) >= 0.9
        same = positions[:, 0] == truth[:, 0]
        assert np.allclose(cosines[same, 0], near[same, 0], atol=1e-5)  # exact, not of the codes


@pytest.mark.parametrize("kind", MEMORY)
def test_codes_never_find_what_is_not_allowed(kind, monkeypatch):
    monkeypatch.setattr(finding, "FEW", 0)
    vectors = parts_of(grouped(MANY, 256 if kind != "sq8" else 64), 3000)
    plan = next(each for each in factory._coded(MANY, vectors.dimensions) if each.kind == kind)
    finder = finder_of(nearest.build(vectors, plan), vectors)
    queries = normalised(grouped(20, vectors.dimensions, seed=5))
    rng = np.random.default_rng(1)
    for share in (0.5, 0.02, 0.001, 0):
        allowed = rng.random(MANY) < share
        positions, _ = finder.find(queries, 30, allowed)
        assert allowed[positions[positions >= 0]].all()
        wanted = min(30, allowed.sum())
        assert (positions >= 0).sum(axis=1).mean() >= 0.99 * wanted


@pytest.mark.parametrize("exact_below", [10_000, 0])
@pytest.mark.parametrize("kept", [700, 500])
def test_an_extended_index_finds_old_and_new(exact_below, kept):
    first, then = grouped(700, 16), grouped(300, 16, seed=1)
    built = nearest.build(parts_of(first), exact_below=exact_below)
    now = parts_of(np.concatenate([first[:kept], then]))
    more = nearest.extend(built.index, built.plan, built.trained, now, kept)
    assert more.index.ntotal == len(now)
    assert more.recall >= 0.9
    positions, _ = finder_of(more, now).find(now.take(np.arange(len(now))), 1)
    assert (positions[:, 0] == np.arange(len(now))).mean() > 0.95


def test_an_index_is_extended_only_while_it_is_mostly_the_same():
    plan, other = factory.choose(1000, 64), factory.choose(10**6, 64)
    assert nearest.may_extend(plan, 1000, plan, 1500, 1000)
    assert not nearest.may_extend(plan, 1000, plan, 1500, 700)
    assert not nearest.may_extend(plan, 1000, plan, 2100, 1900)
    assert not nearest.may_extend(plan, 1000, other, 1500, 1000)


def test_positions_that_moved_are_looked_up_where_they_are_now():
    vectors = grouped(1000, 16)
    built = nearest.build(parts_of(vectors), exact_below=0)
    now, where = parts_of(vectors[100:]), np.arange(1000) - 100
    where[:100] = -1
    finder = Refined(built.index, now, where, built.probes, built.depth)
    positions, cosines = finder.find(normalised(vectors[200:250]), 1, where >= 0)
    assert positions[:, 0].tolist() == list(range(200, 250))
    assert np.allclose(cosines, 1, atol=1e-3)
