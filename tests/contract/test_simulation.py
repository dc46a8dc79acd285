"""A simulated labelling against services that follow a script: what is asked of them, what is told."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest

from hundredfold.chassis.costs import CostModel
from hundredfold.chassis.errors import Conflict
from hundredfold.chassis.testing import running
from hundredfold.client import Client, Connection
from hundredfold.client.simulation import Clock, Known, Outcome, Settings, Stop, simulate
from tests.contract.loop_stand_in import IMAGES, POLLS, TRUTH, LoopStandIn

KNOWN = Known(TRUTH, np.arange(IMAGES), classes=2)
COSTS = CostModel()


@pytest.fixture
def town() -> LoopStandIn:
    return LoopStandIn()


@contextmanager
def client_of(town: LoopStandIn) -> Iterator[Client]:
    with running(*town.mounts()) as server:
        names = ("LABELS", "SELECTION", "TRAINING")
        environ = {f"HUNDREDFOLD_{name}_ADDRESS": server.address for name in names}
        with Client(Connection(environ)) as client:
            yield client


def simulated(town: LoopStandIn, **settings: Any) -> Outcome:
    usual = {"check_every": 1, "stall_seconds": 5.0, **settings}
    with client_of(town) as client:
        return simulate(client, "town", KNOWN, COSTS, Settings(**usual))


def test_after_a_proof_the_work_goes_on_to_the_next_target(town: LoopStandIn) -> None:
    outcome = simulated(town, targets=(0.95, 0.98))
    assert [each.target_accuracy for each in town.starts] == pytest.approx([0.95, 0.98])
    assert [each.auto_label for each in town.starts] == [True, True]
    assert town.undone == 1
    first, last = outcome.milestones
    assert (first.ended, last.ended) == ("certificate", "certificate")
    assert first.proved_accuracy == pytest.approx(0.95)
    assert (first.decisions, last.decisions) == (5, 10)
    assert first.seconds == pytest.approx(last.seconds / 2)
    assert first.pages == {"VERIFY": 4, "AUDIT": 1}


def test_true_accuracy_is_that_of_the_complete_labelling(town: LoopStandIn) -> None:
    outcome = simulated(town)
    assert outcome.milestones[0].accuracy == pytest.approx(0.95)
    assert outcome.curve[-1].by_model == IMAGES - outcome.curve[-1].labelled > 0


def test_a_second_target_is_worked_for_in_the_space_reached_so_far(town: LoopStandIn) -> None:
    simulated(town, targets=(0.95, 0.98))
    assert [each.space for each in town.starts] == ["net@1", "net@2"]


def test_each_simulation_begins_in_the_space_before_all_training(town: LoopStandIn) -> None:
    with client_of(town) as client:
        for _ in range(2):
            simulate(client, "town", KNOWN, COSTS, Settings(check_every=1))
    assert [each.space for each in town.starts] == ["net@1", "net@1"]


def test_nobody_answers_while_a_backbone_is_trained_and_the_pause_is_counted_apart(
    town: LoopStandIn,
) -> None:
    outcome = simulated(town)
    assert town.polls == POLLS
    assert town.answered_while_training == 0
    assert outcome.backbone_seconds >= 0.25
    assert outcome.waiting_seconds < outcome.backbone_seconds
    assert [each.after for each in outcome.backbone_rounds] == ["net@2"]


def test_in_real_time_pages_are_fetched_ahead_and_the_rest_is_given_back(
    town: LoopStandIn,
) -> None:
    begun = time.monotonic()
    outcome = simulated(town, clock=Clock.REAL, pace=100.0)
    assert time.monotonic() - begun >= outcome.milestones[0].seconds / 100
    assert outcome.backbone_seconds == 0.0
    assert town.released


def test_the_truth_stops_without_asking_for_a_proof(town: LoopStandIn) -> None:
    outcome = simulated(town, stop=Stop.TRUTH, targets=(0.5, 0.9))
    assert [each.target_accuracy for each in town.starts] == [0.0]
    assert [(each.target, each.ended) for each in outcome.milestones] == [
        (0.5, "truth"),
        (0.9, "truth"),
    ]
    assert outcome.checkpoints == []


def test_forecasts_are_compared_with_what_came_true(town: LoopStandIn) -> None:
    outcome = simulated(town)
    assert outcome.checkpoints
    assert all(each.inside for each in outcome.checkpoints)


def test_what_the_system_thinks_of_the_labeller_is_told(town: LoopStandIn) -> None:
    outcome = simulated(town)
    assert outcome.annotator is not None
    assert outcome.annotator.planted == 3
    assert [each.audit_id for each in outcome.audits] == ["audit"]


def test_a_loop_that_does_not_go_on_ends_the_simulation(town: LoopStandIn) -> None:
    town.silent = True
    with pytest.raises(Conflict, match="does not go on") as caught:
        simulated(town, stall_seconds=0.2)
    assert caught.value.reason == "STALLED"


def test_parts_and_policy_are_passed_on(town: LoopStandIn) -> None:
    simulated(town, without=("cleaning",), policy="margin", confidence=0.9)
    (start,) = town.starts
    assert (list(start.without), start.policy) == (["cleaning"], "margin")
    assert start.confidence == pytest.approx(0.9)
    assert start.expected_classes == 2


def test_whoever_answers_at_random_is_slow_and_wrong(town: LoopStandIn) -> None:
    right = simulated(town).milestones[0]
    random = simulated(LoopStandIn(), at_random=True).milestones[0]
    assert random.accuracy < right.accuracy
