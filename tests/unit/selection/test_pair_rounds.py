"""Pages where an image may be of several classes."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hundredfold.chassis.costs import CostModel
from hundredfold.selection.domain import pair_rounds
from hundredfold.selection.domain.clusters import Clusters
from hundredfold.selection.domain.page import Kind
from hundredfold.selection.domain.pair_pool import (
    NO_PAIRS,
    PairGuesses,
    Pairs,
    PairsSaid,
    joined,
    standings,
)
from hundredfold.selection.domain.pair_rounds import LEAST, RUN, START, PairStanding
from hundredfold.selection.domain.policies import Asked
from hundredfold.selection.domain.rounds import Phase

ROWS = np.arange(300, dtype=np.int64) * 2
HAT, BAG = 1, 2
CLASSES = np.array([HAT, BAG], np.int32)
_VECTORS = np.random.default_rng(0).normal(size=(700, 8)).astype(np.float32)
_VECTORS /= np.linalg.norm(_VECTORS, axis=1, keepdims=True)


def vectors_of(rows):
    return _VECTORS[rows]


def clusters(count=30):
    order = np.random.default_rng(1).permutation(ROWS)
    return Clusters("run", order, np.linspace(0, len(order), count + 1).astype(np.int64))


def pairs(class_id, rows):
    return Pairs(np.asarray(rows, np.int64), np.full(len(rows), class_id, np.int32))


def likely(**of):
    """Guesses of classes: the probability of every image."""
    by_class = {HAT: of.get("hat", 0.0), BAG: of.get("bag", 0.0)}
    found = {each: np.broadcast_to(np.float32(p), ROWS.shape) for each, p in by_class.items()}
    kept = {each: p >= 0.02 for each, p in found.items()}
    listed = joined(*(pairs(each, ROWS[kept[each]]) for each in found))
    return PairGuesses(
        "head@1",
        listed,
        np.concatenate([p[kept[each]] for each, p in found.items()]),
        dict.fromkeys(found, 0.01),
    )


def standing(said=None, guesses=None, class_ids=CLASSES, **fields):
    said, guesses = said or PairsSaid(), guesses or PairGuesses()
    classes = standings(ROWS, class_ids, said, guesses, vectors_of)
    given = {"model": guesses.model, **fields}
    return PairStanding(ROWS, said, classes, clusters(), vectors_of, **given)


def asked(limit=32):
    return Asked(limit, 48, CostModel(), np.random.default_rng(0))


def begun():
    """What people say at the start: some yes, more no, of either class."""
    yes = joined(pairs(HAT, ROWS[:10]), pairs(BAG, ROWS[:4]))
    no = joined(pairs(HAT, ROWS[10:START]), pairs(BAG, ROWS[4:START]))
    return PairsSaid(yes, no)


def test_without_a_class_people_are_shown_clusters_to_find_some() -> None:
    made = pair_rounds.compose(standing(class_ids=CLASSES[:0], naming=True), asked())
    assert made.phase is Phase.SEED
    assert {page.kind for page in made.pages} == {Kind.CLUSTER}
    assert {page.class_id for page in made.pages} == {0}
    assert made.current == 0


def test_a_cluster_of_which_something_was_said_is_not_shown_again() -> None:
    first = clusters().members(0)
    said = PairsSaid(pairs(HAT, first[:5]), pairs(HAT, first[5:]))
    made = pair_rounds.compose(standing(said, naming=True), asked())
    shown = [page.cluster for page in made.pages if page.kind is Kind.CLUSTER]
    assert len(shown) == 29
    assert "run/0" not in shown


def test_each_class_begins_with_images_that_differ() -> None:
    made = pair_rounds.compose(standing(), asked())
    assert made.phase is Phase.SEED
    assert [page.class_id for page in made.pages] == [HAT, BAG]
    assert all(page.kind is Kind.VERIFY and len(page) == START for page in made.pages)
    seen = clusters().numbers(made.pages[0].rows)
    assert len(np.unique(seen)) == 30


def test_a_class_without_a_yes_is_looked_for_further_but_not_for_ever() -> None:
    said = PairsSaid(pairs(BAG, ROWS[:3]), joined(pairs(HAT, ROWS[:60]), pairs(BAG, ROWS[3:48])))
    made = pair_rounds.compose(standing(said), asked())
    assert [page.class_id for page in made.pages] == [HAT]
    assert not np.isin(made.pages[0].rows, ROWS[:60]).any()
    said = PairsSaid(pairs(BAG, ROWS[:3]), joined(pairs(HAT, ROWS[:192]), pairs(BAG, ROWS[3:48])))
    assert pair_rounds.compose(standing(said), asked()).phase is Phase.DONE


def test_of_very_many_classes_some_begin_at_a_time() -> None:
    class_ids = np.arange(1, 1001, dtype=np.int32)
    made = pair_rounds.compose(standing(class_ids=class_ids, naming=True), asked())
    assert len(made.pages) <= 256
    assert len({page.class_id for page in made.pages}) > 60


def test_pages_ask_about_one_class_and_show_no_pair_that_is_known() -> None:
    said = begun()
    aside = PairsSaid(said.yes, said.no, pairs(HAT, ROWS[50:60]))
    made = pair_rounds.compose(standing(aside, likely(hat=0.5, bag=0.4)), asked())
    assert made.phase is Phase.VERIFY
    shown = joined(*(pairs(page.class_id, page.rows) for page in made.pages))
    assert len(np.unique(shown.keys)) == len(shown)
    known = np.concatenate([aside.yes.keys, aside.no.keys, aside.unsure.keys])
    assert not np.isin(shown.keys, known).any()
    assert len(shown) == 2 * len(ROWS) - len(known)
    scores = [page.score for page in made.pages]
    assert scores == sorted(scores, reverse=True)
    assert len(set(scores)) == len(scores)


def test_a_page_in_doubt_comes_before_a_sure_one_whether_yes_or_no() -> None:
    chance = np.where(ROWS < 200, 0.99, 0.06).astype(np.float32)
    chance[150:200] = 0.5
    made = pair_rounds.compose(standing(begun(), likely(hat=chance)), asked())
    assert made.pages[0].probability.mean() == pytest.approx(0.5, abs=0.1)


def test_what_is_hardly_likely_is_not_asked_and_then_the_work_is_done() -> None:
    guesses = likely(hat=LEAST - 0.01, bag=0.03)
    made = pair_rounds.compose(standing(begun(), guesses), asked())
    assert (made.phase, made.pages) == (Phase.DONE, [])


def test_pages_of_a_class_come_in_runs_and_the_question_stays_a_while() -> None:
    guesses = likely(hat=0.5, bag=0.48)
    first = pair_rounds.compose(standing(begun(), guesses), asked(12))
    classes = [page.class_id for page in first.pages]
    assert classes[:RUN] == [first.current] * RUN
    assert len(set(classes)) == 2
    for current in (HAT, BAG):
        again = pair_rounds.compose(standing(begun(), guesses, current=current), asked(12))
        assert again.current == current


def test_expected_accuracy_counts_what_is_known_what_is_likely_and_the_rest() -> None:
    said = begun()
    place = standing(said, likely(hat=0.3))
    unknown = 2 * (len(ROWS) - START)
    wrong = 0.3 * (len(ROWS) - START) + 0.01 * (len(ROWS) - START)
    assert (place.total, place.labelled) == (2 * len(ROWS), 2 * START)
    assert place.expected_accuracy == pytest.approx(1 - wrong / place.total)
    assert unknown + place.labelled == place.total


def test_nobody_knows_anything_of_a_class_that_was_never_asked_about() -> None:
    place = standing(class_ids=np.array([7], np.int32))
    assert place.expected_accuracy == pytest.approx(0.5)
    assert standing(class_ids=CLASSES[:0]).expected_accuracy == 0.0


def test_images_without_a_vector_are_passed_over() -> None:
    odd = PairsSaid(pairs(HAT, [1, 3]), NO_PAIRS, NO_PAIRS)
    place = standing(odd.within(ROWS), likely(hat=0.5))
    assert place.classes[0].yes == 0
    assert place.classes[0].rest + len(place.classes[0].pool) == len(ROWS)


@settings(max_examples=40)
@given(st.integers(0, 10_000), st.floats(0.05, 20), st.floats(0.05, 20), st.integers(0, 2))
def test_whatever_is_likely_pages_are_sound(
    seed: int, low: float, high: float, current: int
) -> None:
    random = np.random.default_rng(seed)
    hat, bag = random.beta(low, high, (2, len(ROWS))).astype(np.float32)
    made = pair_rounds.compose(
        standing(begun(), likely(hat=hat, bag=bag), current=current), asked(8)
    )
    assert len(made.pages) <= 8
    for page in made.pages:
        assert 1 <= len(page) <= 48
        assert len(np.unique(page.rows)) == len(page)
        assert (page.probability >= LEAST).all()
        assert len(page.probability) == len(page)
