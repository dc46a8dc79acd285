import numpy as np

from hundredfold.chassis.holdout import HELD_OUT_SHARE, STREAM_SHARE, held_out, in_stream

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
