"""Labels that look wrong come back."""

from dataclasses import replace

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from hundredfold.chassis.costs import CostModel
from hundredfold.selection.domain.cleaning import LEAST, Suspicious, doubtful, review_pages
from hundredfold.selection.domain.discovery import Discovery
from hundredfold.selection.domain.page import Kind
from hundredfold.selection.domain.policies import POLICIES
from hundredfold.selection.domain.rounds import Phase, Standing, compose
from tests.unit.selection.pools import NO_CLUSTERS, asked, labels_of, make_pool

COSTS = CostModel()


def suspicious(wrong, class_ids=None):
    wrong = np.asarray(wrong, np.float32)
    classes = np.ones(len(wrong), np.int32) if class_ids is None else np.int32(class_ids)
    return Suspicious(np.arange(len(wrong), dtype=np.int64), classes, wrong, classes + 1)


@given(
    st.lists(st.tuples(st.floats(0, 1, width=32), st.integers(1, 5)), max_size=150),
    st.integers(1, 60),
)
@settings(max_examples=50)
def test_one_page_a_class_of_the_likeliest_wrong_first(labels, page_size):
    some = suspicious([wrong for wrong, _ in labels], [class_id for _, class_id in labels])
    pages = review_pages(some, page_size, COSTS)
    assert len({page.class_id for page in pages}) == len(pages)
    assert [page.score for page in pages] == sorted((page.score for page in pages), reverse=True)
    for page in pages:
        assert page.kind is Kind.REVIEW
        assert 1 <= len(page.rows) <= page_size
        assert (some.class_ids[page.rows] == page.class_id).all()
        shown = some.wrong[page.rows]
        assert (np.diff(shown) <= 0).all()
        assert (shown >= LEAST).all()
        left = np.setdiff1d(np.flatnonzero(some.class_ids == page.class_id), page.rows)
        assert some.wrong[left].max(initial=0) <= shown.min()


def test_what_is_hardly_suspicious_is_not_asked_about_again():
    assert review_pages(suspicious([0.01] * 30), 48, COSTS) == []
    assert review_pages(Suspicious(), 48, COSTS) == []


def test_a_page_ends_where_further_images_would_find_too_little():
    (page,) = review_pages(suspicious([0.9] * 10 + [0.06] * 30), 48, COSTS)
    assert len(page.rows) < 20


def standing_with(wrong, probability):
    pool = replace(make_pool([2] * 48, [probability] * 48), rows=1000 + np.arange(48))
    labels = labels_of(np.arange(20), [1] * 20)
    return Standing(pool, labels, NO_CLUSTERS, Discovery(), suspicious=suspicious([wrong] * 20))


def first_page(standing):
    return compose(standing, POLICIES["errors-per-second"], asked(page_size=48)).pages[0]


def test_reviews_and_new_pages_come_in_the_order_of_what_they_are_worth():
    assert first_page(standing_with(0.6, 0.99)).kind is Kind.REVIEW
    assert first_page(standing_with(0.06, 0.6)).kind is Kind.VERIFY


def test_a_loop_without_cleaning_reviews_nothing():
    standing = replace(standing_with(0.6, 0.99), without=frozenset({"cleaning"}))
    made = compose(standing, POLICIES["errors-per-second"], asked())
    assert Kind.REVIEW not in {page.kind for page in made.pages}


def test_with_every_image_labelled_the_work_ends_when_nothing_looks_wrong():
    done = replace(standing_with(0.6, 0.9), pool=make_pool([], []))
    made = compose(done, POLICIES["errors-per-second"], asked())
    assert (made.phase, [page.kind for page in made.pages]) == (Phase.VERIFY, [Kind.REVIEW])
    clean = replace(done, suspicious=Suspicious())
    assert compose(clean, POLICIES["errors-per-second"], asked()).phase is Phase.DONE


def test_what_is_doubtful_is_half_of_the_labels_at_most_the_likeliest_wrong():
    few = suspicious([0.9, 0.04, 0.3, 0.06])
    assert doubtful(few, 100).tolist() == few.rows[[0, 2, 3]].tolist()
    assert doubtful(few, 4).tolist() == few.rows[[0, 2]].tolist()
    assert not len(doubtful(suspicious([0.04] * 5), 100))
