"""When a better backbone is worth a try."""

import numpy as np
import pytest

from hundredfold.chassis.holdout import held_out, in_stream
from hundredfold.selection.domain.pool import Labels
from hundredfold.selection.domain.refining import (
    Material,
    Rules,
    enough,
    in_time,
    material,
    worth_trying,
)
from hundredfold.selection.domain.stream import Early

RULES = Rules()


def there(*counts, kept=50):
    return Material(np.array(counts, np.int64), kept, 20)


def test_held_out_images_are_counted_apart():
    rows = np.arange(2000)
    labels = Labels(rows, np.repeat(np.arange(1, 5), 500).astype(np.int32))
    found = material(labels, Early())
    assert found.measured == held_out(rows).sum() > 100
    assert found.labels + found.measured == 2000
    assert len(found.learnt) == 4
    assert found.needed == 20
    streamed = material(labels, Early(0.01, 200))
    assert streamed.measured == in_stream(rows).sum() < 100
    assert streamed.needed == 45
    assert material(labels, Early(0.01, 28)).needed == 21


def test_nothing_is_learnt_from_nothing():
    found = material(Labels(np.empty(0, np.int64), np.empty(0, np.int32)), Early())
    assert (found.labels, found.measured) == (0, 0)
    assert not enough(found, 0, RULES)


@pytest.mark.parametrize(
    ("found", "before", "due"),
    [
        (there(125, 125), 0, True),
        (there(125, 124), 0, False),
        (there(*[12] * 30), 0, True),
        (there(*[11] * 30), 0, False),
        (there(300), 0, False),
        (there(300, 3), 0, False),
        (there(300, 4), 0, True),
        (there(125, 125, kept=19), 0, False),
        (there(160, 160), 200, True),
        (there(160, 159), 200, False),
    ],
)
def test_it_takes_labels_of_each_class_held_out_ones_and_more_than_before(found, before, due):
    assert enough(found, before, RULES) is due


def test_none_begins_where_most_images_have_a_label():
    assert worth_trying(300, 1_000)
    assert not worth_trying(301, 1_000)


def test_near_the_end_none_begins():
    assert in_time(100, 100, RULES)
    assert in_time(0, 1, RULES)
    assert not in_time(900, 100, RULES)
    assert not in_time(900, 0, RULES)
