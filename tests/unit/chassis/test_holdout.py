import numpy as np

from hundredfold.chassis.holdout import (
    FIRST_SAMPLE,
    HELD_OUT_SHARE,
    LEAST_MEASURED,
    STREAM_SHARE,
    held_out,
    in_stream,
    measured,
    sample_share,
)

ROWS = np.arange(200_000)


def test_both_sets_have_about_their_share_of_any_stretch_of_rows():
    for stretch in np.split(ROWS, 4):
        assert abs(in_stream(stretch).mean() - STREAM_SHARE) < 0.002
        assert abs(held_out(stretch).mean() - HELD_OUT_SHARE) < 0.005


def test_the_stream_is_part_of_what_is_held_out():
    assert held_out(ROWS)[in_stream(ROWS)].all()


def test_a_row_is_in_or_out_whatever_is_asked_beside_it():
    some = np.array([7, 3, 150_000, 3])
    assert (held_out(some) == held_out(ROWS)[some]).all()


def test_no_rows_are_no_rows():
    assert held_out(np.empty(0, np.int64)).shape == (0,)


def test_a_small_collection_has_a_larger_random_sample_and_a_tiny_one_none():
    assert sample_share(1_000_000) == sample_share(100) == STREAM_SHARE
    assert sample_share(3_000) * 3_000 == FIRST_SAMPLE


def test_backbones_are_measured_on_the_random_sample_once_it_is_large_enough():
    total = 2_000
    sample = ROWS[in_stream(ROWS, sample_share(total))]
    others = np.setdiff1d(ROWS[held_out(ROWS)], sample)[:200]
    labelled = np.concatenate([others, sample[: LEAST_MEASURED - 1]])
    assert (labelled[measured(labelled, total)] == labelled).all()
    labelled = np.concatenate([others, sample[:LEAST_MEASURED]])
    assert set(labelled[measured(labelled, total)]) == set(sample[:LEAST_MEASURED])
