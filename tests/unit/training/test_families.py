"""Parents of classes: labels of a parent limit what an image may be, and heads say which parent to ask about."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from hundredfold.training.domain import families
from hundredfold.training.domain.hearsay import NO_PAIRS, Hearsay, RuledOut
from hundredfold.training.domain.learning import Examples, learn, predict, predict_blocks

BIRD, FISH, ANIMAL = 100, 101, 200
CLASS_IDS = np.array([3, 7, 20, 21], np.int32)
PARENTS = {3: BIRD, 7: BIRD, 20: FISH, BIRD: ANIMAL}
NOTHING = RuledOut(np.empty(0, np.int64), np.zeros((0, 4), np.bool_))


def pairs(*said):
    at, classes = zip(*said, strict=True)
    return np.array(at, np.int64), np.array(classes, np.int32)


def asked(probabilities, ruled=NOTHING):
    known = np.array(probabilities, np.float32)
    found = families.of(CLASS_IDS, PARENTS).to_ask(known, known.argmax(1), ruled)
    return found[0].tolist(), [round(each, 3) for each in found[1].tolist()]


def collection(each=60, spread=0.3, apart=4.0, seed=0):
    """Features float32 [4 * each, 8] of four classes, two and two alike, and their class ids."""
    random = np.random.default_rng(seed)
    groups = np.repeat(apart * random.normal(size=(2, 8)), 2, axis=0)
    truth = np.repeat(np.arange(4), each)
    features = (groups + random.normal(size=(4, 8)))[truth]
    features += spread * random.normal(size=features.shape)
    return features.astype(np.float32), CLASS_IDS[truth]


def test_the_nearest_parent_that_is_likelier_than_not_is_asked_about():
    assert asked([[0.4, 0.3, 0.1, 0.1]]) == ([BIRD], [0.7])


def test_where_none_is_likely_it_is_the_highest():
    assert asked([[0.3, 0.1, 0.25, 0.25]]) == ([ANIMAL], [0.4])


def test_a_class_without_parents_asks_about_none():
    assert asked([[0.1, 0.1, 0.1, 0.6]]) == ([0], [0.0])


def test_a_parent_that_is_known_is_not_asked_about():
    known = RuledOut(np.array([1]), np.array([[False, False, True, True]]))
    assert asked([[0.5, 0.4, 0.05, 0.0], [0.5, 0.45, 0, 0]], known)[0] == [BIRD, 0]


def test_parents_that_are_their_own_ancestors_end_somewhere():
    looped = families.of(np.array([1], np.int32), {1: 2, 2: 3, 3: 2})
    assert looped.parents.tolist() == [2, 3]


@settings(max_examples=60)
@given(
    st.lists(st.tuples(st.integers(0, 19), st.sampled_from([3, 7, 20, 99])), max_size=30),
    st.lists(st.tuples(st.integers(0, 19), st.sampled_from([3, 7, 20, 99])), max_size=30),
    st.integers(0, 19),
)
def test_what_is_ruled_out_is_what_was_said(negatives, possible, cut):
    said = pairs(*negatives) if negatives else NO_PAIRS
    may = pairs(*possible) if possible else NO_PAIRS
    hearsay = Hearsay.of(CLASS_IDS, said, may)
    found = {}
    for start, stop in ((0, cut), (cut, 20)):
        ruled = hearsay.within(start, stop)
        found |= dict(zip((ruled.at + start).tolist(), ruled.out, strict=True))
    for row in range(20):
        limits = {each for at, each in possible if at == row}
        out = [
            (row, each) in negatives or bool(limits and each not in limits) for each in CLASS_IDS
        ]
        assert found.get(row, np.zeros(4, bool)).tolist() == out


def test_what_an_image_may_be_limits_what_is_predicted():
    features, truth = collection(spread=1.5)
    learned = learn(features, Examples(np.arange(0, 240, 8), truth[::8], *NO_PAIRS))
    rows = np.arange(1, 240, 8)
    limits = np.repeat(rows, 2), np.tile(np.array([20, 21], np.int32), len(rows))
    found = predict_blocks(learned, [features], 240, *NO_PAIRS, possible=limits)
    assert np.isin(found.top[rows], [20, 21]).all()
    free = predict(learned, features, *NO_PAIRS)
    others = np.delete(np.arange(240), rows)
    assert (found.top[others] == free.top[others]).all()
    assert np.allclose(found.probability[others], free.probability[others])


def accuracies(seed):
    """Of images that were not looked at: of a head from 16 labels, and from those and 104 parents."""
    features, truth = collection(spread=1.5, apart=0.8, seed=seed)
    at, rows = np.arange(0, 240, 15), np.arange(0, 240, 2)
    rows = rows[rows % 15 > 0]
    siblings = {3: (3, 7), 7: (3, 7), 20: (20, 21), 21: (20, 21)}
    may = pairs(*((row, each) for row in rows for each in siblings[truth[row]]))
    lessons = (Examples(at, truth[at], *NO_PAIRS, possible=each) for each in (NO_PAIRS, may))
    unseen = np.setdiff1d(np.arange(1, 240, 2), at)
    heads = [learn(features, lesson) for lesson in lessons]
    return [(predict(each, features, *NO_PAIRS).top == truth)[unseen].mean() for each in heads]


def test_a_head_learns_from_what_images_may_be():
    bare, taught = np.mean([accuracies(seed) for seed in range(8)], axis=0)
    assert taught > bare + 0.01


def test_guesses_are_the_same_with_families_and_without():
    features, truth = collection(spread=1.0)
    learned = learn(features, Examples(np.arange(0, 240, 6), truth[::6], *NO_PAIRS))
    kicked = np.array([1, 2, 1]), np.array([3, 20, 7], np.int32)
    plain = predict(learned, features, *kicked)
    found = predict_blocks(
        learned,
        np.array_split(features, 3),
        240,
        *kicked,
        families=families.of(learned.class_ids, PARENTS),
    )
    assert (found.top == plain.top).all()
    assert np.allclose(found.margin, plain.margin, atol=1e-5)
    assert set(found.parent.tolist()) <= {0, BIRD, FISH, ANIMAL}
    assert (
        found.parent_probability[found.parent > 0] >= found.probability[found.parent > 0] - 1e-5
    ).all()
    assert not len(plain.parent)
