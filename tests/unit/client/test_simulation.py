"""What is computed of a simulated labelling."""

import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hundredfold.client.simulation import measuring
from hundredfold.client.simulation.known import Known
from hundredfold.client.simulation.outcome import Asked, Point
from hundredfold.client.simulation.pace import Pace
from hundredfold.client.types import MODEL_ORIGIN, Labels

NOTHING = np.empty(0, np.int64)


def point(seconds: float, labelled: int, accuracy: float, by_model: int = 0) -> Point:
    return Point(
        seconds=seconds,
        actions=seconds / 2,
        decisions=0,
        labelled=labelled,
        by_model=by_model,
        accuracy=accuracy,
        expected_accuracy=0.0,
        measured_accuracy=0.0,
    )


def labels(rows: list[int], class_ids: list[int]) -> Labels:
    return Labels(
        seq=1,
        rows=np.array(rows, np.int64),
        class_ids=np.array(class_ids, np.int32),
        seqs=np.ones(len(rows), np.int64),
        origins=np.full(len(rows), 2, np.uint8),
        audit_rows=NOTHING,
    )


def test_a_target_is_reached_between_two_points() -> None:
    curve = [point(100, 10, 0.5), point(200, 20, 0.9), point(300, 30, 0.8), point(400, 40, 1.0)]
    assert measuring.crossing(curve, 0.7) == pytest.approx((150, 75))
    assert measuring.crossing(curve, 0.95) == pytest.approx((375, 187.5))


def test_a_target_that_was_never_reached_has_no_time() -> None:
    assert measuring.crossing([point(100, 10, 0.5)], 0.7) is None
    assert measuring.crossing([], 0.7) is None


@given(st.lists(st.floats(0, 1), min_size=1, max_size=20), st.floats(0.01, 1))
def test_a_target_is_never_reached_before_the_curve_begins_or_after_it_ends(
    accuracies: list[float], target: float
) -> None:
    curve = [point(10.0 * (n + 1), n, each) for n, each in enumerate(accuracies)]
    found = measuring.crossing(curve, target)
    assert (found is None) == (max(accuracies) < target)
    assert found is None or 0 <= found[0] <= curve[-1].seconds


def test_the_speedup_is_stated_against_labelling_as_many_images_one_by_one() -> None:
    assert measuring.speedup(1000, 0.95, 285.0) == pytest.approx(10.0)


def test_labels_a_second_are_those_of_the_first_and_the_last_third() -> None:
    curve = [point(30, 30, 0.5), point(60, 90, 0.8), point(90, 240, 1.0, by_model=60)]
    found = measuring.rates(curve, 90)
    assert (found.first_third, found.last_third) == pytest.approx((1.0, 5.0))
    assert found.last_third_with_model == pytest.approx(7.0)
    assert (found.factor, found.factor_with_model) == pytest.approx((5.0, 7.0))


def test_without_a_curve_there_are_no_rates() -> None:
    assert measuring.rates([], 0.0).factor == 0.0


def test_a_forecast_is_compared_with_the_seconds_that_were_left() -> None:
    asked = [
        Asked(0.95, at, seconds=100 - at, low=90 - at, high=120 - at) for at in range(5, 100, 10)
    ]
    found = list(measuring.checkpoints(asked, 0.95, 100.0))
    assert [each.share for each in found] == list(measuring.SHARES)
    assert all(each.inside for each in found)
    assert found[0].truth == pytest.approx(85.0)


def test_a_forecast_of_another_target_or_past_the_end_does_not_count() -> None:
    asked = [Asked(0.98, 10.0, 1.0, 0.0, 2.0), Asked(0.95, 100.0, 1.0, 0.0, 2.0)]
    assert list(measuring.checkpoints(asked, 0.95, 100.0)) == []


def test_a_tenth_without_a_forecast_of_its_own_is_left_out() -> None:
    asked = [Asked(0.95, 55.0, 45.0, 40.0, 41.0)]
    (found,) = measuring.checkpoints(asked, 0.95, 100.0)
    assert found.share == 0.5
    assert not found.inside


def test_the_complete_labelling_is_what_people_said_else_what_is_predicted() -> None:
    known = Known(np.array([1, 2, 1, 2, 0], np.int32), np.array([0, 1, 0, 3, 4]), classes=2)
    said = labels([0], [1])
    assert known.accuracy(said, NOTHING, np.empty(0, np.int32)) == 0.5  # the copy of row 0 too
    assert known.accuracy(said, np.array([0, 1]), np.array([2, 2], np.int32)) == 0.75
    assert known.images == 4


def test_labels_of_a_model_are_told_from_those_of_people() -> None:
    given_labels = labels([0, 1], [1, 1])
    given_labels.origins[1] = MODEL_ORIGIN
    assert given_labels.by_people.tolist() == [True, False]


def test_a_labeller_in_real_time_is_held_back_to_his_pace() -> None:
    pace = Pace(10.0)
    begun = time.monotonic()
    pace.act(1.0)
    pace.act(1.0)
    assert 0.2 <= time.monotonic() - begun < 2.0


def test_time_in_which_there_was_nothing_to_do_is_not_made_up_for() -> None:
    pace = Pace(10.0)
    begun = time.monotonic()
    pace.waited(0.1)
    pace.act(1.0)
    assert time.monotonic() - begun >= 0.2
