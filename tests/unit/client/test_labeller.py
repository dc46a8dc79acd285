"""The simulated labeller: what it says, and what it costs."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hundredfold.chassis.costs import CostModel
from hundredfold.client.labeller import RandomLabeller, SimulatedLabeller, run_lengths
from hundredfold.client.pair_labeller import PairLabeller
from hundredfold.client.types import Page, PageKind, Verdict

COSTS = CostModel(
    page_look_seconds=1.0,
    thumbnail_seconds=0.0625,
    naming_seconds=2.0,
    click_seconds=1.0,
    drag_seconds=1.5,
    single_seconds=3.0,
)


def page(kind: PageKind, count: int, class_id: int = 0) -> Page:
    return Page(
        page_id="p",
        kind=kind,
        rows=np.arange(count),
        class_id=class_id,
        second=np.empty(0, np.int32),
        probability=np.empty(0, np.float32),
        model="",
        cluster="",
        score=0.0,
    )


def labeller(*truth: int, miss_rate: float = 0.0) -> SimulatedLabeller:
    return SimulatedLabeller(np.array(truth, np.int32), COSTS, miss_rate=miss_rate)


def test_a_clean_page_costs_a_look() -> None:
    answer = labeller(*[2] * 16).answer(page(PageKind.VERIFY, 16, class_id=2))
    assert answer.seconds == 1.0 + 16 * 0.0625
    assert [each.verdict for each in answer.judgements] == [Verdict.IS]


def test_a_page_of_a_parent_is_confirmed_where_images_are_of_what_is_beneath_it() -> None:
    families = {1: 10, 2: 10, 3: 11, 10: 20, 11: 20}
    knows = SimulatedLabeller(np.array([1, 2, 3, 2], np.int32), COSTS, parent_of=families)
    answer = knows.answer(page(PageKind.VERIFY, 4, class_id=10))
    said = {each.verdict: (each.class_id, each.rows.tolist()) for each in answer.judgements}
    assert said == {Verdict.IS: (10, [0, 1, 3]), Verdict.IS_NOT: (10, [2])}
    everything = knows.answer(page(PageKind.VERIFY, 4, class_id=20))
    assert [each.verdict for each in everything.judgements] == [Verdict.IS]
    child = knows.answer(page(PageKind.VERIFY, 4, class_id=2))
    assert [each.rows.tolist() for each in child.judgements] == [[1, 3], [0, 2]]


def test_a_cluster_gets_the_name_of_its_majority_at_the_cost_of_naming() -> None:
    answer = labeller(3, 3, 3, 1).answer(page(PageKind.CLUSTER, 4))
    assert {each.class_id for each in answer.judgements} == {3}
    assert answer.seconds == 1.0 + 4 * 0.0625 + 2.0 + 1.0


def test_a_cluster_that_bears_the_right_name_already_is_not_named_again() -> None:
    suggested = labeller(3, 3, 3, 1).answer(page(PageKind.CLUSTER, 4, class_id=3))
    assert suggested.seconds == 1.0 + 4 * 0.0625 + 1.0
    wrong = labeller(3, 3, 3, 1).answer(page(PageKind.CLUSTER, 4, class_id=1))
    assert {each.class_id for each in wrong.judgements} == {3}
    assert wrong.seconds == suggested.seconds + 2.0


def test_odd_images_that_stand_together_are_kicked_with_one_drag() -> None:
    answer = labeller(1, 2, 2, 2, 1, 1, 1, 1).answer(page(PageKind.VERIFY, 8, class_id=1))
    assert answer.seconds == 1.0 + 8 * 0.0625 + 1.5
    assert answer.judgements[1].rows.tolist() == [1, 2, 3]


def test_of_a_page_with_few_members_the_members_are_picked() -> None:
    answer = labeller(1, 2, 3, 4).answer(page(PageKind.VERIFY, 4, class_id=1))
    assert answer.seconds == 1.0 + 4 * 0.0625 + 1.0
    assert answer.judgements[1].rows.tolist() == [1, 2, 3]


def test_a_page_without_a_member_takes_no_click() -> None:
    answer = labeller(2, 2).answer(page(PageKind.VERIFY, 2, class_id=1))
    assert [each.verdict for each in answer.judgements] == [Verdict.IS_NOT]
    assert answer.seconds == 1.0 + 2 * 0.0625


def test_singles_cost_three_seconds_each() -> None:
    answer = labeller(2, 1, 2).answer(page(PageKind.SINGLE, 3))
    assert answer.seconds == 9.0
    assert {each.class_id: each.rows.tolist() for each in answer.judgements} == {1: [1], 2: [0, 2]}


def test_images_without_a_truth_are_set_aside() -> None:
    answer = labeller(0, 1, 1, 2, 0).answer(page(PageKind.CLUSTER, 5))
    said = {(each.class_id, each.verdict): each.rows.tolist() for each in answer.judgements}
    assert said == {(1, Verdict.IS): [1, 2], (1, Verdict.IS_NOT): [3], (0, Verdict.UNSURE): [0, 4]}


@pytest.mark.parametrize("kind", [PageKind.CLUSTER, PageKind.SINGLE])
def test_a_page_of_which_nothing_is_known_is_set_aside(kind: PageKind) -> None:
    (judgement,) = labeller(0, 0).answer(page(kind, 2)).judgements
    assert (judgement.class_id, judgement.verdict) == (0, Verdict.UNSURE)


def test_whoever_misses_everything_kicks_nothing() -> None:
    answer = labeller(1, 2, 1, miss_rate=1.0).answer(page(PageKind.VERIFY, 3, class_id=1))
    assert [each.verdict for each in answer.judgements] == [Verdict.IS]
    assert len(answer.judgements[0].rows) == 3


@pytest.mark.parametrize("kind", [PageKind.AUDIT, PageKind.REVIEW])
def test_pages_of_checks_are_answered_as_those_of_a_predicted_class(kind: PageKind) -> None:
    truth = (1, 2, 1, 1, 2, 2, 1, 1)
    asked = labeller(*truth).answer(page(PageKind.VERIFY, 8, class_id=1))
    checked = labeller(*truth).answer(page(kind, 8, class_id=1))
    assert (checked.seconds, checked.actions) == (asked.seconds, asked.actions)
    assert [each.rows.tolist() for each in checked.judgements] == [[0, 2, 3, 6, 7], [1, 4, 5]]


def test_a_review_of_right_labels_costs_a_look() -> None:
    answer = labeller(*[2] * 48).answer(page(PageKind.REVIEW, 48, class_id=2))
    assert answer.seconds == 4.0


@pytest.mark.parametrize("kind", [PageKind.CLUSTER, PageKind.VERIFY, PageKind.SINGLE])
def test_whoever_answers_at_random_knows_the_classes_and_nothing_else(kind: PageKind) -> None:
    truth = np.repeat(np.array([1, 2, 3], np.int32), 200)
    random = RandomLabeller(truth, COSTS)
    answers = [random.answer(page(kind, 600, class_id=1)) for _ in range(2)]
    said = [np.concatenate([each.rows for each in answer.judgements]) for answer in answers]
    assert [np.sort(each).tolist() for each in said] == [list(range(600))] * 2
    assert said[0].tolist() != said[1].tolist()


@given(st.lists(st.integers(0, 4), min_size=1, max_size=48), st.integers(1, 4))
def test_every_image_is_judged_once(truth: list[int], class_id: int) -> None:
    answer = labeller(*truth).answer(page(PageKind.VERIFY, len(truth), class_id=class_id))
    judged = np.sort(np.concatenate([each.rows for each in answer.judgements]))
    assert judged.tolist() == list(range(len(truth)))


@pytest.mark.parametrize(
    ("mask", "lengths"), [("", []), ("0", []), ("1", [1]), ("0110", [2]), ("1101", [2, 1])]
)
def test_runs_are_measured(mask: str, lengths: list[int]) -> None:
    assert list(run_lengths(np.array([each == "1" for each in mask], bool))) == lengths


def pairs(*probability: float) -> Page:
    count = len(probability)
    return replace(
        page(PageKind.PAIR, count),
        others=np.arange(count, 2 * count),
        probability=np.array(probability, np.float32),
    )


def test_pairs_are_what_the_page_leans_to_unless_their_classes_differ() -> None:
    answer = labeller(1, 1, 2, 1, 2, 2).answer(pairs(0.9, 0.8, 0.1))
    said = {
        each.verdict: list(zip(each.rows.tolist(), each.others.tolist(), strict=True))
        for each in answer.judgements
    }
    assert said == {Verdict.IS: [(0, 3)], Verdict.IS_NOT: [(1, 4), (2, 5)]}
    assert {each.class_id for each in answer.judgements} == {0}
    assert answer.seconds == 1.0 + 3 * COSTS.compare_seconds + COSTS.click_seconds
    assert answer.actions == 2


def test_pairs_of_images_of_several_classes_differ_where_one_class_does() -> None:
    truth = np.array([[0, 1, 1], [0, 1, 0], [0, 1, 1], [0, 1, 1]], np.bool_)
    knows = PairLabeller(truth, np.ones(4, np.bool_), COSTS)
    answer = knows.answer(pairs(0.9, 0.9))
    assert [each.verdict for each in answer.judgements] == [Verdict.IS, Verdict.IS_NOT]
    assert answer.judgements[0].rows.tolist() == [0]
