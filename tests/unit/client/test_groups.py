"""What is told of clusters that are to be labelled as a whole."""

from dataclasses import replace

import numpy as np
import pytest

from hundredfold.api.labels.v1 import labels_pb2
from hundredfold.client import wire
from hundredfold.client.groups import at_most, in_words

AUDIT = wire.audit(
    labels_pb2.Audit(
        cluster="c1/7",
        total=812,
        sample=76,
        answered=30,
        errors=2,
        confidence=0.95,
        allowed_error=0.05,
        bound=0.0312,
        groups=[labels_pb2.AuditGroup(class_id=4)],
    )
)


@pytest.mark.parametrize(
    ("state", "words"),
    [
        ("OPEN", "812 images as cat: 30 of 76 random ones answered, 2 wrong so far."),
        (
            "CERTIFIED",
            "812 images as cat: labelled. At most 3.2 % of them are wrong, sure to 95 %.",
        ),
        ("PASSED", "812 images as cat: proved, not labelled as a whole."),
        (
            "FAILED",
            "812 images as cat: not yet, 2 of 76 random ones were wrong. "
            "It is looked at again as wrong ones get another class.",
        ),
        ("ABANDONED", "812 images as cat: given up for another check."),
    ],
)
def test_each_state_is_told_in_a_sentence(state: str, words: str) -> None:
    assert in_words(replace(AUDIT, state=state), "cat") == words


def test_a_bound_is_never_rounded_down() -> None:
    assert at_most(0.0301) == "3.1 %"
    assert at_most(float(np.float32(0.05))) == "5 %"


def test_the_class_of_a_cluster_is_that_of_its_only_group() -> None:
    assert AUDIT.cluster_class == 4
    assert replace(AUDIT, cluster="").cluster_class == 0
